"""`make bench`: every part in order, each in a process of its own.

python -m bench            all of them
python -m bench size       some
"""

from __future__ import annotations

import subprocess
import sys

PARTS: dict[str, list[str]] = {
    "size": ["10", "100", "1000", "10000"],
    "compile": ["1000", "10000"],
    "decide": [],
    "kernel": [],
    "javascript_worker": [],
    "flicker": [],
    "beacons": [],
}
"""Module of this package -> its arguments."""


def main(names: list[str]) -> int:
    if unknown := [name for name in names if name not in PARTS]:
        print(f"There is no {unknown[0]}: {', '.join(PARTS)}.", file=sys.stderr)
        return 2
    failed = False
    for name in names or PARTS:
        print(f"--- {name} ---", flush=True)
        failed |= (
            subprocess.run([sys.executable, "-m", f"bench.{name}", *PARTS[name]]).returncode != 0
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
