"""`make faults SEEDS=1,2,3 MINUTES=10`: the city under load while its parts are killed, paused, cut off and slowed down.

Each seed's result is kept in .linli/faults; a seed that has one is not run again.
"""

import argparse
import json
import sys
import time
import traceback
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tests.faults.running import run

KEPT = Path(__file__).resolve().parents[2] / ".linli" / "faults"


def main() -> int:
    """Run what has no result yet, print a line a seed. 1 when anything was lost, doubled, out of order or not run."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--rate", type=float, default=2.0, help="needs posted a second")
    options = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    failed = []
    for seed in _seeds(options.seeds):
        file = KEPT / f"seed-{seed}-{options.minutes:g}min.json"
        if file.exists():
            result = json.loads(file.read_text())
        else:
            folder = Path(mkdtemp(prefix=f"linli-faults-{seed}-"))
            folder.chmod(0o711)
            try:
                result = run(seed, options.minutes * 60, options.rate, folder)
            except Exception:  # no result, and the other seeds have theirs to get
                print(f"seed {seed} could not be run:\n{traceback.format_exc()}", flush=True)
                failed.append(seed)
                continue
            file.write_text(json.dumps(result, indent=1, ensure_ascii=False))
        print(_line(seed, result), flush=True)
        if result["failed"]:
            failed.append(seed)
            print(json.dumps(result["findings"], indent=1, ensure_ascii=False))
            print(f"again: rm {file}; make faults SEEDS={seed} MINUTES={options.minutes:g}", flush=True)
    return 1 if failed else 0


def _seeds(text: str) -> list[int]:
    """`1,2,5-8` as numbers."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def _line(seed: int, result: dict[str, Any]) -> str:
    counts = result["commands"]
    acknowledged = sum(row["acknowledged"] for row in counts.values())
    tries = sum(row["tries"] for row in counts.values())
    said = {name: len(found) for name, found in result["findings"].items()}
    return (
        f"seed {seed}: {len(result['faults'])} faults, {acknowledged} commands acknowledged in {tries} tries, "
        f"drained in {result['drained_seconds']} s, {said}"
    )


if __name__ == "__main__":
    began = time.monotonic()
    code = main()
    print(f"{time.monotonic() - began:.0f} s")
    sys.exit(code)
