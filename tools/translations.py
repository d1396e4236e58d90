"""The English catalogue: `check` refuses a sentence without English and English without a sentence; `missing` lists.

A Chinese sentence is its own message id (docs/decisions/0003). Sentences are found in code by where they are said:
`_("…")`, `translate(lang, "…")`, refusals, guards, value errors, and `_('…')` in templates.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
CATALOGUE = ROOT / "shared" / "locale" / "en" / "LC_MESSAGES" / "linli.po"
CHINESE = re.compile(r"[\u4e00-\u9fff：、]")
IN_TEMPLATE = re.compile(r"""\b_\(\s*'((?:[^'\\]|\\.)*)'""")
FIRST = {"_", "ValueError"}
SECOND = {
    "translate",
    "Refused",
    "Several",
    "Invalid",
    "NotFound",
    "Forbidden",
    "Unauthenticated",
    "Changed",
    "Guard",
    "Missing",
}
MAPS = {"_SENTENCES"}
LEFT_OUT = ("shared/sample/", "services/sample.py", "services/__main__.py", "/migrations/")


def sentences() -> dict[str, str]:
    """Every sentence that is said to people, with one place where it is."""
    found: dict[str, str] = {}
    for file in sorted([*(ROOT / "services").rglob("*.py"), *(ROOT / "shared").rglob("*.py")]):
        name = file.relative_to(ROOT).as_posix()
        if any(part in name for part in LEFT_OUT):
            continue
        for text in _in_code(ast.parse(file.read_text(encoding="utf-8"))):
            found.setdefault(text, name)
    for file in sorted((ROOT / "services" / "portal" / "templates").rglob("*.html")):
        for match in IN_TEMPLATE.finditer(file.read_text(encoding="utf-8")):
            found.setdefault(match[1], file.relative_to(ROOT).as_posix())
    return {text: where for text, where in found.items() if CHINESE.search(text)}


def _in_code(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
            places = [0] if name in FIRST else [1] if name in SECOND else []
            for place in places:
                if len(node.args) > place:
                    yield from _texts(node.args[place])
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.Return | ast.Dict):
            yield from _listed(node)


def _listed(node: ast.AST) -> Iterator[str]:
    """Sentences kept in a table or returned by a rule: whole sentences end with a full stop."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.endswith("。"):
            yield part.value


def _texts(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def catalogue() -> Catalog:
    """The English catalogue as it stands."""
    if not CATALOGUE.exists():
        return Catalog(locale="en")
    with CATALOGUE.open("rb") as file:
        return read_po(file, locale="en")


def main(arguments: list[str]) -> int:
    """`check`, `missing`, or `take FILE` (lines of Chinese, tab, English)."""
    known = catalogue()
    english = {str(m.id): str(m.string) for m in known if m.id}
    said = sentences()
    missing = [text for text in said if not english.get(text)]
    stale = [text for text in english if text not in said]
    if arguments[:1] == ["missing"]:
        print("\n".join(missing))
        return 0
    if arguments[:1] == ["take"]:
        for line in Path(arguments[1]).read_text(encoding="utf-8").splitlines():
            chinese, _, translation = line.partition("\t")
            if chinese in said and translation:
                english[chinese] = translation
        fresh = Catalog(locale="en", project="Linli", fuzzy=False)
        for text in sorted(said):
            fresh.add(text, english.get(text, ""))
        CATALOGUE.parent.mkdir(parents=True, exist_ok=True)
        with CATALOGUE.open("wb") as file:
            write_po(file, fresh, width=120, omit_header=True)
        return 0
    wrong = [text for text in said if english.get(text) and _names(text) != _names(english[text])]
    for kind, texts in (("no English", missing), ("no longer said", stale), ("other parameters", wrong)):
        for text in texts:
            print(f"{kind}: {text!r} {said.get(text, '')}")
    return 1 if missing or stale or wrong else 0


def _names(text: str) -> set[str]:
    return set(re.findall(r"\{(\w*)\}", text))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
