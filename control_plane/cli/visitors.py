"""What `proffer simulate` runs: the truth file read, visitors sent, the end told.

Apart from the command, since it takes its time to import.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from control_plane.cli.counting import counted
from control_plane.cli.files import examples
from control_plane.cli.terminal import Refused, Terminal, Unusable
from control_plane.settings import Settings
from control_plane.simulating import Options, Simulation, SimulationFailed
from control_plane.simulation.screen import headline, shown
from control_plane.simulation.tally import Summary
from control_plane.truth import ReadTruth, TruthError, read_truth
from policy_compiler.keys import DevelopmentKeys, SigningError

TELL_EVERY_S = 5.0


def simulate(terminal: Terminal, truth: str, options: Options) -> None:
    """Raises `Refused` or `Unusable`."""
    read = _read_truth(truth)
    simulation = Simulation(options, read)
    terminal.note(f"{read.truth.title}; truth sha256 {read.digest}, seed {simulation.seed}")
    try:
        summary = asyncio.run(_run(terminal, simulation))
    except SimulationFailed as failed:
        raise Unusable(failed.problem, failed.help) from None
    _tell(terminal, summary, simulation.currency)
    terminal.result(summary)


def _read_truth(name: str) -> ReadTruth:
    path = Path(name)
    if "/" not in name and not path.suffix:
        path = examples() / "store" / "truth" / f"{name}.yaml"
    if not path.is_file():
        raise Unusable(f"There is no truth file {path}.", "Name a file, or: helpful, null.")
    try:
        return read_truth(path)
    except TruthError as error:
        raise Refused(f"{path} was refused.", "Correct it.", shown=str(error)) from None


def shop_key(data: Path) -> str:
    folder = Settings(data=data).keys
    if not folder.is_dir():
        raise Unusable(
            f"{folder} does not exist.", "Name the data folder with --data, or the key with --key."
        )
    try:
        return DevelopmentKeys.load_or_create(folder).shop_key
    except SigningError as error:
        raise Unusable(error.problem, error.help) from None


# --- running ------------------------------------------------------------------


async def _run(terminal: Terminal, simulation: Simulation) -> Summary:
    with _stopped_by_signals(simulation):
        telling = asyncio.create_task(_keep_telling(terminal, simulation))
        try:
            return await simulation.run()
        finally:
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling


@contextmanager
def _stopped_by_signals(simulation: Simulation) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    for each in signals:
        loop.add_signal_handler(each, simulation.stop)
    try:
        yield
    finally:
        for each in signals:
            loop.remove_signal_handler(each)


async def _keep_telling(terminal: Terminal, simulation: Simulation) -> None:
    """A table that is kept fresh, or where that cannot be, a line every few seconds."""
    with terminal.picture(simulation.picture) as is_drawn:
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            if not is_drawn:
                tally = simulation.tally
                head = headline(tally, simulation.seconds)
                terminal.note(f"{head}; lately {shown(tally.recent())}")


# --- telling ------------------------------------------------------------------


def _tell(terminal: Terminal, summary: Summary, currency: str) -> None:
    terminal.say(
        f"{counted(summary.visitors, 'visitor')} in {summary.seconds:.0f} s"
        f" ({summary.visitors_per_s:.1f} per second): {counted(summary.orders, 'order')},"
        f" {summary.redeemed:,} with an offer, {summary.held_out:,} held out,"
        f" {summary.failures} failed",
        "green",
    )
    if summary.first_failure:
        terminal.say(f"The first failure: {summary.first_failure}", "yellow")
    terminal.say(
        f"The policy went from sequence {summary.sequence_first} to {summary.sequence_last}."
    )
    rows = [
        (
            name,
            f"{kind.visitors:,}",
            kind.true_best_arm,
            f"{kind.share_first.get(kind.true_best_arm, 0):.0%}",
            f"{kind.share_last.get(kind.true_best_arm, 0):.0%}",
        )
        for name, kind in summary.types.items()
    ]
    heads = ("visitors", "count", "truly best arm", "its share at first", "at last")
    terminal.table(heads, rows)
    _tell_incremental(terminal, summary, currency)


def _tell_incremental(terminal: Terminal, summary: Summary, currency: str) -> None:
    found = summary.incremental
    if found is None:
        return
    if found.low is None or found.high is None:
        terminal.say("Too few orders yet to say what the offers earned.")
        return
    terminal.say(
        f"Measured: offers earned {found.per_unit:.2f} {currency} per visitor at"
        f" {found.placement}, between {found.low:.2f} and {found.high:.2f}"
        f" ({found.treated_units:,} treated, {found.holdout_units:,} held out)."
    )
