"""What an image installs: of run.lock what its service imports, and nothing of the rest."""

import ast
import re
from functools import cache
from importlib import metadata
from pathlib import Path

from tools.image_lock import EMBEDDED, SOLVER, entries, part

ROOT = Path(__file__).parents[2]


def names(lock: str) -> set[str]:
    return set(entries(lock))


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


distributions = cache(metadata.packages_distributions)  # reads every package's list of files


def imported(folder: Path) -> set[str]:
    """The packages that the modules below a folder import."""
    modules = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.split(".")[0])
    packages = distributions()
    return {canonical(package) for module in modules for package in packages.get(module, [])}


def needed(package: str) -> set[str]:
    """A package with all that it requires here."""
    found, left = set(), [package]
    while left:
        name = left.pop()
        if name in found:
            continue
        found.add(name)
        for line in metadata.requires(name) or []:
            if "extra ==" not in line:
                wanted = canonical(re.split(r"[^\w.-]", line)[0])
                left += [wanted] if wanted in names(part("common") + part("solver")) else []
    return found


def test_the_lock_is_common_solver_or_embedded_and_every_hash_is_kept() -> None:
    whole = (ROOT / "requirements" / "run.lock").read_text()
    common, solver = part("common"), part("solver")
    assert names(common) | names(solver) | EMBEDDED == names(whole)
    assert not names(common) & names(solver)
    assert names(solver) == SOLVER
    embedded = "".join(text for name, text in entries(whole).items() if name in EMBEDDED)
    assert (common + solver + embedded).count("--hash=") == whole.count("--hash=")


def test_what_all_services_import_is_common_with_all_it_requires() -> None:
    folders = [ROOT / "shared", *(app.parent for app in ROOT.glob("services/*/app.py"))]
    for folder in folders:
        used = imported(folder)
        assert not used & EMBEDDED, f"{folder.name} imports what no image has"
        if folder.name != "matcher":
            wanted = set().union(*(needed(package) for package in used))
            assert wanted <= names(part("common")), folder.name


def test_the_solver_finds_all_it_requires() -> None:
    wanted = set().union(*(needed(package) for package in imported(ROOT / "services" / "matcher")))
    assert wanted <= names(part("common") + part("solver"))
