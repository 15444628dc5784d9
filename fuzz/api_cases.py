"""The HTTP API against what its OpenAPI document says: `python -m fuzz.api_cases [N] [SEED]`.

Cases are schemathesis': valid and invalid input to each operation, boundaries of every
parameter, and walks from answer to answer by the document's links.  A case that is answered
by 5xx, or against the document, or that is invalid and accepted, is printed as a command
that sends it again.
"""

from __future__ import annotations

import sys

from rich.console import Console

from fuzz.oracle_pairs import seed_of_today
from tests.support.api_cases import Found, run

EXAMPLES = 25
"""Of each operation, from each seed."""


def checked(cases: int, seed: int) -> Found:
    return run(cases, seed, EXAMPLES)


def report(found: Found, console: Console) -> bool:
    """Print what was found; True if the API kept its word."""
    statuses = ", ".join(f"{n:,} x {status}" for status, n in sorted(found.by_status.items()))
    console.print(
        f"api: {found.cases:,} cases, {found.followed:,} of them went on from an answer;"
        f" {len(found.failures)} kinds of failures, {len(found.errors)} errors\n  {statuses}",
        highlight=False,
    )
    for failed in list(found.failures.values())[:20]:
        console.print(f"  {failed.label}: {failed.check}: {failed.message}", highlight=False)
        console.print(f"    {failed.code}", highlight=False, soft_wrap=True)
    for error in found.errors[:10]:
        console.print(f"  {error}", highlight=False, markup=False)
    return found.is_clean


def main() -> int:
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else seed_of_today()
    return 0 if report(checked(cases, seed), Console()) else 1


if __name__ == "__main__":
    sys.exit(main())
