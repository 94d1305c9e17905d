"""`headgate local feed`: threat feeds that raise the risk of messages which hold one of their indicators."""

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from headgate.cli.loading import load
from headgate.cli.terminal import Failed, console, put, put_json, say

if TYPE_CHECKING:
    from headgate.local.feed_parse import FeedFormat, ParsedFeed
    from headgate.store.feed_folder import FeedFolder

PARTLY_DONE: Final = 3
SHOWN_PROBLEMS: Final = 20
NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}\Z")

app = typer.Typer(help="Threat feeds for the risk skill.", no_args_is_help=True)
Config = Annotated[Path | None, typer.Option(help="headgate.toml or .yaml (HEADGATE_CONFIG).")]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="The feed.", metavar="FILE")],
    name: Annotated[str, typer.Option("--name", help="What it is called; one of that name is replaced.")],
    form: Annotated[
        str | None, typer.Option("--format", help="csv, json or stix; else told by the file's name and content.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Keep the indicators of a file. Bad lines are told and left out (exit code 3); a running gateway takes the new
    ones within seconds."""
    from headgate.local.feed_parse import FeedUnreadable, parse_feed
    from headgate.local.feeds import Feed
    from headgate.store.feed_folder import FeedFolderProblem

    _check_name(name)
    folder, data = _folder(config), _read(file)
    try:
        parsed = parse_feed(data, _format(form, file, data), wall_s=time.time())
    except FeedUnreadable as problem:
        raise Failed(f"{file} cannot be imported: {problem}.") from None
    for bad in parsed.problems[:SHOWN_PROBLEMS]:
        say(f"{file}:{bad.line}: {bad.problem}")
    if parsed.problem_count > SHOWN_PROBLEMS:
        say(f"... and {parsed.problem_count - SHOWN_PROBLEMS} more.")
    if not parsed.indicators:
        raise Failed(f"{file} holds no indicator that could be used, so nothing was changed.")
    if parsed.is_mostly_bad:
        raise Failed(
            f"More than half of {file} ({parsed.problem_count} bad lines) cannot be read, so nothing was changed."
        )
    try:
        replaced = folder.keep(Feed(name, time.time(), file.name, parsed.indicators))
    except FeedFolderProblem as problem:
        raise Failed(f"{problem}.") from None
    told = _told(name, parsed) | {"replaced": replaced}
    if as_json:
        put_json(told)
    else:
        put(_sentence(name, parsed, replaced=replaced))
    if parsed.problem_count:
        raise typer.Exit(PARTLY_DONE)


@app.command("list")
def list_(config: Config = None, as_json: Json = False) -> None:
    """What was imported: name, indicators, those that have expired, when and from which file."""
    folder = _folder(config)
    feeds, problems = folder.load()
    for problem in problems:
        say(f"{problem}.")
    now = time.time()
    rows = [
        {
            "name": feed.name,
            "indicators": len(feed.indicators),
            "expired": sum(each.valid_until is not None and each.valid_until <= now for each in feed.indicators),
            "imported_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(feed.imported_at)),
            "source": feed.source,
        }
        for feed in feeds
    ]
    if as_json:
        put_json({"folder": str(folder.path), "feeds": rows, "problems": problems})
        return
    if not rows:
        say(f"There are no feeds in {folder.path}. `headgate local feed import FILE --name NAME` brings one.")
        return
    from rich.table import Table

    table = Table("name", "indicators", "expired", "imported at", "source", box=None)
    for row in rows:
        table.add_row(*map(str, row.values()))
    console().print(table)


@app.command("remove")
def remove(
    name: Annotated[str, typer.Argument(help="The feed's name.", metavar="NAME")],
    config: Config = None,
) -> None:
    """Forget a feed."""
    from headgate.store.feed_folder import FeedFolderProblem

    _check_name(name)
    folder = _folder(config)
    try:
        if not folder.remove(name):
            raise Failed(f"There is no feed {name!r} in {folder.path}; `headgate local feed list` shows them.")
    except FeedFolderProblem as problem:
        raise Failed(f"{problem}.") from None
    put(f"Removed {name}.\n")


def _check_name(name: str) -> None:
    if NAME.match(name) is None:
        raise Failed(f"{name!r} cannot name a feed: use up to 40 of a-z, 0-9, '.', '_' and '-', not a sign first.", 2)


def _folder(config: Path | None) -> "FeedFolder":
    from headgate.store.feed_folder import FeedFolder

    return FeedFolder.of(load(config).local.feeds)


def _read(file: Path) -> bytes:
    from headgate.local.feed_parse import MAX_FEED_BYTES

    try:
        if file.stat().st_size > MAX_FEED_BYTES:
            raise Failed(f"{file} is larger than {MAX_FEED_BYTES} bytes: split it into feeds of its own names.")
        return file.read_bytes()
    except OSError as error:
        raise Failed(f"{file} cannot be read: {error.strerror}.") from None


def _format(form: str | None, file: Path, data: bytes) -> "FeedFormat":
    from headgate.local.feed_parse import FeedFormat

    if form is not None:
        try:
            return FeedFormat(form)
        except ValueError:
            raise Failed(f"There is no format {form!r}; there are {', '.join(FeedFormat)}.", 2) from None
    if data.lstrip()[:1] not in {b"{", b"["} or file.suffix.lower() == ".csv":
        return FeedFormat.CSV
    is_bundle = re.search(rb'"type"\s*:\s*"bundle"', data[:4_096]) is not None
    return FeedFormat.STIX if is_bundle else FeedFormat.JSON


def _told(name: str, parsed: "ParsedFeed") -> dict[str, object]:
    return {
        "name": name,
        "indicators": len(parsed.indicators),
        "duplicates": parsed.duplicates,
        "expired": parsed.expired,
        "ignored": parsed.ignored,
        "bad_lines": parsed.problem_count,
    }


def _sentence(name: str, parsed: "ParsedFeed", *, replaced: bool) -> str:
    parts = [f"{count} {what}" for what, count in parsed.ignored.items()]
    for count, what in (
        (parsed.duplicates, "doubles"),
        (parsed.expired, "expired"),
        (parsed.problem_count, "bad lines"),
    ):
        if count:
            parts.append(f"{count} {what if count > 1 else what.removesuffix('s')}")
    left = f" Left out: {', '.join(parts)}." if parts else ""
    done = "Replaced" if replaced else "Imported"
    return f"{done} {name}: {len(parsed.indicators)} indicators.{left}\n"
