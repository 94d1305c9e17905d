"""`headgate keys`: virtual keys, which tenants use instead of the provider's."""

import datetime
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headgate.cli.loading import load
from headgate.cli.terminal import put, put_json, say

if TYPE_CHECKING:
    from headgate.runtime.keys import Scope

app = typer.Typer(help="Virtual keys: what tenants use instead of the provider's.", no_args_is_help=True)

_SPAN = re.compile(r"([1-9][0-9]{0,4})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 7 * 24}


@app.command("create")
def create(
    tenant: Annotated[str, typer.Option(help="Whose requests these will be.")] = "default",
    name: Annotated[str, typer.Option(help="A note for yourself.")] = "",
    admin: Annotated[bool, typer.Option("--admin", help="May ask on behalf of other tenants.")] = False,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="What it may be used for, as chat or audio; may be repeated. [default: all]"),
    ] = None,
    expires: Annotated[str | None, typer.Option(help="In 12h, 30d or 8w, or at an ISO 8601 time.")] = None,
    config: Annotated[Path | None, typer.Option(help="headgate.toml, for its pepper.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Key and row as JSON.")] = False,
) -> None:
    """Make a key. It is shown once; the lines below it go into headgate.toml and hold only its hash."""
    import secrets

    import msgspec

    from headgate.runtime.keys import VirtualKeyRow, config_line, new_virtual_key

    pepper, until = load(config).auth.pepper, _expiry(expires)
    scopes = tuple(_scope(each) for each in scope or ())
    raw, row = new_virtual_key(
        secrets.token_bytes, tenant=tenant, name=name, scopes=scopes, admin=admin, expires=until, pepper=pepper
    )
    try:
        msgspec.convert(msgspec.to_builtins(row), VirtualKeyRow)  # names that headgate.toml would refuse
    except msgspec.ValidationError as error:
        raise typer.BadParameter(str(error)) from None
    if as_json:
        put_json({"key": raw, "row": row})
        return
    put(f"{raw}\n\n{config_line(row)}")
    say("\nThe first line is the key: it is not kept anywhere. The rest goes into headgate.toml.")


def _scope(text: str) -> "Scope":
    from headgate.runtime.keys import SCOPES, Scope

    if text not in SCOPES:
        raise typer.BadParameter(f"use one of {', '.join(Scope)}", param_hint="--scope")
    return Scope(text)


def _expiry(text: str | None) -> datetime.datetime | None:
    if text is None:
        return None
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    if span := _SPAN.fullmatch(text):
        return now + datetime.timedelta(hours=int(span[1]) * _HOURS[span[2]])
    try:
        at = datetime.datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None:
        raise typer.BadParameter("write 12h, 30d, 8w or a time as 2027-01-31T12:00:00+00:00", param_hint="--expires")
    at = at if at.tzinfo is not None else at.astimezone()
    if at <= now:
        raise typer.BadParameter("that time is over", param_hint="--expires")
    return at
