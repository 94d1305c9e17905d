"""`headgate docs`: the pages, or parts of pages, that are made from the code. The tests hold the files to them."""

from pathlib import Path
from typing import Annotated

import typer

from headgate.cli.terminal import Failed, put, say

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


@app.command("update")
def update(folder: Annotated[Path, typer.Argument(help="Where the pages are.")] = Path("docs")) -> None:
    """Write all of them into docs/, and the generated parts of docs/ARCHITECTURE.md in their places."""
    from headgate.cli.pages import controls_page, with_parts
    from headgate.cli.pages_settings import configuration_page

    try:
        architecture = (folder / "ARCHITECTURE.md").read_text(encoding="utf-8")
        pages = {
            "ARCHITECTURE.md": with_parts(architecture),
            "controls.md": controls_page(),
            "configuration.md": configuration_page(),
        }
        for name, text in pages.items():
            (folder / name).write_text(text, encoding="utf-8")
            say(f"wrote {folder / name}")
    except OSError as error:
        raise Failed(f"{error.filename}: {error.strerror}. Run it from the root of the repository.") from None
