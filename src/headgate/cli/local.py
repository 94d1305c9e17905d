"""`headgate local`: the skills that need no model, and what they know."""

import typer

from headgate.cli import feeding, skill_commands

app = typer.Typer(help="Local skills, which need no model, and what they know.", no_args_is_help=True)
app.add_typer(feeding.app, name="feed")
app.command("list")(skill_commands.list_)
for _name, _does in skill_commands.SKILLS.items():
    app.command(_name, help=_does)(skill_commands.command_of(_name))
