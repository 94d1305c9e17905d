"""`headgate local`: the skills that need no model, and what they know."""

import typer

from headgate.cli import feeding

app = typer.Typer(help="Local skills, which need no model, and what they know.", no_args_is_help=True)
app.add_typer(feeding.app, name="feed")
