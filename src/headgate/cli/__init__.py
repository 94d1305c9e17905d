"""The commands. Each imports what it needs when it is called, so that `headgate --help` is quick.

Data goes to stdout, everything else to stderr. Exit codes: 0 ok, 1 failure, 2 usage, 3 partly done, 75 try later,
78 bad configuration, 130 interrupted.
"""

import sys
from typing import Annotated

import typer

from headgate.cli import (
    batching,
    caching,
    chatting,
    documents,
    jobs,
    keys,
    listing,
    local,
    packing,
    serving,
    settings,
    simulating,
    usage,
)
from headgate.cli.terminal import INTERRUPTED, Failed, say

app = typer.Typer(
    name="headgate",
    help="A Groq-first LLM gateway: every request gets the best answer that can be had by its deadline.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serving.serve)
app.command("chat")(chatting.chat)
app.command("pack")(packing.pack)
app.command("models")(listing.models)
app.command("usage")(usage.usage)
app.add_typer(batching.app, name="batch")
app.add_typer(caching.app, name="cache")
app.add_typer(jobs.app, name="jobs")
app.add_typer(keys.app, name="keys")
app.add_typer(settings.app, name="config")
app.add_typer(documents.app, name="docs")
app.add_typer(simulating.app, name="sim")
app.add_typer(local.app, name="local")


def _version(value: bool) -> None:
    if value:
        from headgate import __version__

        typer.echo(f"headgate {__version__}")
        raise typer.Exit


@app.callback()
def _headgate(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options that come before the command."""


def main() -> None:
    """Run a command and exit with its code."""
    try:
        app(prog_name="headgate")
    except Failed as failed:
        say(f"headgate: {failed}")
        sys.exit(failed.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
