"""Owns the operator's own persona libraries: a folder of TOML files, read once at the start, each checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from headgate.local.personas import LIBRARY_CHARS_MAX, BadLibrary, Persona, persona_of
from headgate.runtime.settings_source import InvalidSettings

FILES_MAX: Final = 200
KEY: Final = "local.personas"


def read_personas(folder: str | None) -> Mapping[str, Persona]:
    """The personas of every `*.toml` in a folder, by name; none without a folder. One that ships under the same name
    is not used then. Raises InvalidSettings with the file and what is wrong in it."""
    if folder is None:
        return {}
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise InvalidSettings(str(place), KEY, "is no folder", "name a folder that holds persona libraries")
    files = sorted(place.glob("*.toml"))
    if len(files) > FILES_MAX:
        raise InvalidSettings(str(place), KEY, f"holds more than {FILES_MAX} libraries", "take some of them out")
    found: dict[str, Persona] = {}
    for file in files:
        persona = _read(file)
        if persona.name in found:
            raise InvalidSettings(str(file), "name", f"{persona.name!r} is the name of two libraries", "choose another")
        found[persona.name] = persona
    return found


def _read(file: Path) -> Persona:
    try:
        if file.stat().st_size > 4 * LIBRARY_CHARS_MAX:
            raise InvalidSettings(str(file), KEY, "is too large for a library", "split it")
        return persona_of(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettings(str(file), KEY, f"cannot be read ({type(error).__name__})", "mend the file") from None
    except BadLibrary as error:
        raise InvalidSettings(str(file), KEY, f"is no persona library: {error}", "see docs/local.md") from None
