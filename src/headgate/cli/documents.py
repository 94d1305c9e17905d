"""`headgate docs`: the pages, or parts of pages, that are made from the code. The tests hold the files to them."""

import typer

from headgate.cli.terminal import put

app = typer.Typer(help="Pages of docs/ that are made from the code.", no_args_is_help=True)


@app.command("controls")
def controls() -> None:
    """docs/controls.md: the request controls and answer headers."""
    from headgate.cli.pages import controls_page

    put(controls_page())


@app.command("configuration")
def configuration() -> None:
    """docs/configuration.md: every section and key of headgate.toml."""
    from headgate.cli.pages_settings import configuration_page

    put(configuration_page())


@app.command("architecture")
def architecture() -> None:
    """The generated parts of docs/ARCHITECTURE.md: the phases of the machine and the remedy table."""
    from headgate.cli.pages import architecture_parts

    for name, text in architecture_parts().items():
        put(f"<!-- begin {name} -->\n{text}\n<!-- end {name} -->\n\n")
