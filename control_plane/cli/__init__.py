"""The command line: `proffer`.

One module per verb or group of verbs; `terminal.py` says how they talk and end.  The
command line starts whole homes of the edge, so these modules may import all of `edge`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from control_plane.cli.accounts import accounts_app
from control_plane.cli.auditing import audit_app
from control_plane.cli.catalogs import catalog_app
from control_plane.cli.compiling import compile_command
from control_plane.cli.deciding import decide_command
from control_plane.cli.demo import demo_command
from control_plane.cli.diffing import diff_command
from control_plane.cli.explaining import explain_command
from control_plane.cli.formatting import fmt_command
from control_plane.cli.init import init_command
from control_plane.cli.keys import keys_app
from control_plane.cli.linting import lint_command
from control_plane.cli.openapi import openapi_command
from control_plane.cli.replaying import replay_command
from control_plane.cli.schema import schema_command
from control_plane.cli.serving import edge_command, serve_command
from control_plane.cli.simulating import simulate_command
from control_plane.cli.subjects import subject_app
from control_plane.cli.tables import report_command, tables_app
from control_plane.cli.terminal import ENVIRONMENT, OK, CommandFailed, Unusable, report
from control_plane.cli.verifying import verify_command

app = typer.Typer(
    name="proffer",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"proffer {version('proffer')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Say the version and exit.", callback=_tell_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Offer personalization that decides at the edge.

    `proffer COMMAND --help` tells a command's options and exit codes.

    Exit codes: 0 it went well; 1 the input was refused, or differs; 2 wrong usage;
    3 a file, a port or an extra is missing.
    """


app.command("init")(init_command)
app.command("compile")(compile_command)
app.command("lint")(lint_command)
app.command("fmt")(fmt_command)
app.command("diff")(diff_command)
app.command("schema")(schema_command)
app.command("openapi")(openapi_command)
app.command("verify")(verify_command)
app.command("decide")(decide_command)
app.command("explain")(explain_command)
app.command("replay")(replay_command)
app.command("simulate")(simulate_command)
app.command("report")(report_command)
app.command("serve")(serve_command)
app.command("edge")(edge_command)
app.command("demo")(demo_command)
app.add_typer(keys_app, name="keys")
app.add_typer(audit_app)
app.add_typer(accounts_app)
app.add_typer(catalog_app)
app.add_typer(tables_app)
app.add_typer(subject_app)


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit code."""
    try:
        app(list(arguments), prog_name="proffer")
    except CommandFailed as failed:
        return report(failed, "--json" in arguments)
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        failed = Unusable(what + ".", "Check that the path exists and may be used.")
        return report(failed, "--json" in arguments)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else ENVIRONMENT
    return OK


def main() -> None:
    """The entry point of `proffer`."""
    sys.exit(run(sys.argv[1:]))
