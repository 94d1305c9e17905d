"""`headgate models`: what the catalogue holds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headgate.cli.loading import load
from headgate.cli.terminal import console, put_json

if TYPE_CHECKING:
    from headgate.catalog import Model

NANO = 10**9


def models(
    as_json: Annotated[bool, typer.Option("--json", help="All fields, as JSON.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Retired models too, with their successors.")] = False,
    config: Annotated[Path | None, typer.Option(help="headgate.toml with models of your own.")] = None,
) -> None:
    """List the models: windows, prices, tiers and the limits of the free plan."""
    from headgate.assembly import catalog_of

    catalog = catalog_of(load(config))
    shown = catalog.all() if every else catalog.current()
    if as_json:
        put_json([_row(model) for model in shown])
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("model", "state", *(("successor",) if every else ()), "tiers"):
        table.add_column(heading, no_wrap=heading == "model")
    for heading in ("context", "output", "$ in/M", "$ out/M"):
        table.add_column(heading, justify="right")
    table.add_column("free plan")
    for model in shown:
        after = catalog.successor(model.id)
        table.add_row(
            model.id,
            model.lifecycle.value,
            *(("" if after is None else after.id,) if every else ()),
            " ".join(model.tiers),
            _tokens(model.context_window_tokens),
            _tokens(model.max_output_tokens),
            _price(model.input_nanousd_per_mtok),
            _price(model.output_nanousd_per_mtok),
            " ".join(f"{name} {limit:,}" for name, limit in model.limits.get("free", {}).items()),
        )
    console().print(table)


def _row(model: "Model") -> dict[str, object]:
    import msgspec

    from headgate.catalog.tables import CAPABILITIES

    row: dict[str, object] = {
        name: getattr(model, name) for name in model.__struct_fields__ if name not in {"can", "limits"}
    }
    row["can"] = [name for name, need in CAPABILITIES.items() if need in model.can]
    row["limits"] = {plan: {name.value: limit for name, limit in given.items()} for plan, given in model.limits.items()}
    return dict(msgspec.to_builtins(row))


def _tokens(count: int) -> str:
    return f"{count:,}" if count else "?"


def _price(nanousd: int | None) -> str:
    return "" if nanousd is None else f"{nanousd / NANO:.3f}".rstrip("0").rstrip(".")
