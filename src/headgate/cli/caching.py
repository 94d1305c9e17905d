"""`headgate cache`: what the cache of a running gateway does, and making it forget."""

from typing import Annotated, Any

import typer

from headgate.cli.terminal import Failed, console, put, say

app = typer.Typer(help="The cache of a running gateway: hit rates, and making it forget.", no_args_is_help=True)

PARTLY = 3
COUNTED = (
    "Counted since the start; the hit rate is of the last {:.0f} minutes' look-ups that reached the tier.\n"
    "down: look-ups, writes and other questions that the tier did not answer, or was spared after failures."
)
Url = Annotated[
    str | None,
    typer.Option(
        "--admin-url",
        help="The admin listener (HEADGATE_ADMIN_URL, else HEADGATE_ADMIN_PORT). [default: http://127.0.0.1:8081]",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="What the gateway says, as JSON.")]


@app.command("stats")
def stats(admin_url: Url = None, as_json: AsJson = False) -> None:
    """Look-ups, hits and hit rates by tier. HEADGATE_ADMIN_TOKEN is the token where the gateway has one of yours."""
    import msgspec

    from headgate.cli.admin_asking import ask_admin

    body = ask_admin("GET", "/admin/cache", url=admin_url)
    if as_json:
        put(msgspec.json.format(body, indent=2).decode() + "\n")
        return
    told = msgspec.json.decode(body)
    if not told["enabled"]:
        say("The cache is switched off ([cache] enabled = false).")
        return
    _show(told["stats"])
    say(COUNTED.format(told["stats"]["window_s"] / 60))
    for tier in told["health"]:
        if tier["fault"] or tier["state"] != "ready":
            say(f"{tier['name']} is {tier['state']}: {tier['failures']} failures, the last: {tier['fault']}")
    if told["warning"]:
        say(told["warning"])


@app.command("invalidate")
def invalidate(
    key: Annotated[str | None, typer.Option(help="One entry, by the key that x-headgate-explain tells.")] = None,
    tag: Annotated[str | None, typer.Option(help="Entries of requests that gave this tag.")] = None,
    model: Annotated[str | None, typer.Option(help="Entries that this model answered.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Entries of this tenant.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Everything.")] = False,
    admin_url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Make the cache forget, in every tier. 3 when a tier did not answer: the gateway tells it again until it does."""
    import msgspec

    from headgate.cli.admin_asking import ask_admin

    named = {"key": key, "tag": tag, "model": model, "tenant": tenant, "all": every or None}
    asked = {name: value for name, value in named.items() if value is not None}
    if len(asked) != 1:
        raise typer.BadParameter("give exactly one of --key, --tag, --model, --tenant, --all")
    body = ask_admin("POST", "/admin/cache/invalidate", msgspec.json.encode(asked), url=admin_url)
    told = msgspec.json.decode(body)
    if as_json:
        put(msgspec.json.format(body, indent=2).decode() + "\n")
    else:
        put("".join(f"{tier}\t{what}\n" for tier, what in told["tiers"].items()))
    if not told["complete"]:
        raise Failed("A tier did not answer; it is told again until it does.", PARTLY)


def _show(stats: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("tier", "look-ups", "hits", "hit rate", "entries", "bytes", "down"):
        table.add_column(name, justify="left" if name == "tier" else "right", no_wrap=True)
    for tier in stats["tiers"]:
        rate = "–" if tier["hit_rate"] is None else f"{tier['hit_rate']:.1%}"
        sizes = ("–" if tier[name] is None else f"{tier[name]:,}" for name in ("entries", "size_bytes"))
        table.add_row(tier["name"], f"{tier['lookups']:,}", f"{tier['hits']:,}", rate, *sizes, f"{tier['down']:,}")
    console().print(table)
    counted = ("misses", "shared", "similar", "stale", "stored", "saved_tokens")
    put("".join(f"{name.replace('_', ' ')}\t{stats[name]}\n" for name in counted))
