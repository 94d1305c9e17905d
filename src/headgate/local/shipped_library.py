"""The persona libraries that ship with Headgate, read once, when somebody asks."""

import functools
from collections.abc import Mapping
from typing import Final

from headgate.local.personas import Persona, persona_of

FILES: Final = ("helpdesk.toml", "sahayak.toml", "elder.toml")
HELPDESK: Final = "helpdesk"


@functools.cache
def shipped_personas() -> Mapping[str, Persona]:
    """By name. The first call reads and checks the files (a millisecond or two); later ones cost nothing."""
    from importlib import resources

    folder = resources.files("headgate.local").joinpath("library")
    read = (persona_of(folder.joinpath(name).read_text(encoding="utf-8")) for name in FILES)
    return {persona.name: persona for persona in read}
