"""`python -m services.projects verify PACKAGE`: checks the archive of a call offline, a line a check."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from services.projects.package.verify import verify


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all holds, 1 when something does not, 2 when there is no such file."""
    parser = argparse.ArgumentParser(prog="python -m services.projects", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("verify", help="check a call's package")
    check.add_argument("package", type=Path)
    check.add_argument("--key", help="the signing key's id, as the city's public page shows it")
    options = parser.parse_args(arguments)
    try:
        content = options.package.read_bytes()
    except OSError as error:
        print(f"{options.package}: {error.strerror}", file=sys.stderr)
        return 2
    results = verify(content, options.key)
    for result in results:
        print(
            f"{'FAILED' if result.fault else 'ok':7} {result.what}{f': {result.fault}' if result.fault else ''}"
        )
        if result.note:
            print(f"note    {result.note}")
    if options.key is None:
        print("note    no --key given: whose key signed it was not checked")
    return 1 if any(result.fault for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
