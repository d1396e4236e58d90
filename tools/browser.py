"""The Chromium that the browser tests drive; pytest imports this."""

import os
import shutil
from pathlib import Path

UNPACKED = (
    Path(__file__).resolve().parent.parent / "tests" / "browser" / "assets" / "node_modules" / ".chromium"
)
AXE = UNPACKED.parent / "axe-core" / "axe.min.js"

# As root there is no sandbox; the rest keeps Chromium from asking the network for anything.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


class BrowserMissingError(Exception):
    pass


def chromium_path() -> str:
    """`LINLI_TEST_CHROMIUM`, else the machine's own, else the one that `make test` unpacks from npm."""
    found = installed_chromium() or (str(UNPACKED / "chromium") if (UNPACKED / ".stamp").exists() else None)
    if found is None:
        raise BrowserMissingError("no Chromium: run make test once, or set LINLI_TEST_CHROMIUM to one")
    return found


def installed_chromium() -> str | None:
    named = os.environ.get("LINLI_TEST_CHROMIUM")
    if named:
        return named
    return next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))),
        None,
    )
