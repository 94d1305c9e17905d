"""`headgate config`: what the settings are and where they come from."""

from pathlib import Path
from typing import Annotated

import typer

from headgate.cli.loading import load
from headgate.cli.terminal import BAD_CONFIGURATION, Failed, put, put_json

app = typer.Typer(help="The settings.", no_args_is_help=True)


@app.command("check")
def check(
    config: Annotated[Path | None, typer.Argument(help="headgate.toml or .yaml; else the one that is found.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The settings as JSON.")] = False,
) -> None:
    """Load the settings as `headgate serve` would, look at its store, and show them, secrets masked. Nothing is made.
    Exit code 78 if they are refused."""
    import msgspec

    from headgate.assembly.checking import check_parts
    from headgate.cli.storing import look_at_store
    from headgate.runtime.settings import InvalidSettings
    from headgate.runtime.settings_secret import HIDDEN

    settings = load(config)
    try:
        check_parts(settings)
    except InvalidSettings as error:
        raise Failed(str(error), BAD_CONFIGURATION) from None
    store = look_at_store(settings)
    shown = msgspec.to_builtins(settings, enc_hook=str)
    for row in shown["auth"]["virtual_keys"]:
        row["hash"] = HIDDEN
    if as_json:
        put_json(shown)
        return
    put(f"file: {settings.source or 'none: defaults and environment'}\n")
    if settings.environment:
        put(f"overlay: [env.{settings.environment}]\n")
    if settings.inactive:
        put(f"not active in this version: {', '.join(settings.inactive)}\n")
    put(f"upstream: {'the built-in simulator' if settings.uses_simulator else 'providers below'}\n")
    put(f"store: {store}\n")
    put(f"door: {'open, on this machine only' if settings.is_open else 'virtual keys'}\n\n")
    for section, value in shown.items():
        if section not in {"source", "environment", "inactive", "uses_simulator"}:
            put("\n".join(_lines(section, value)) + "\n")


def _lines(path: str, value: object) -> list[str]:
    """`path = value`, one line for each value that is not a table."""
    if isinstance(value, dict):
        return [line for key, inner in value.items() for line in _lines(f"{path}.{key}", inner)] or [f"{path} = {{}}"]
    if isinstance(value, list | tuple):
        return [line for n, inner in enumerate(value) for line in _lines(f"{path}[{n + 1}]", inner)] or [f"{path} = []"]
    return [f"{path} = {value!r}"]
