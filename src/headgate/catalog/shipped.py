"""The catalogue that ships with Headgate: Groq's models and those of other providers, read once, when somebody asks."""

import functools
from typing import Final

from headgate.catalog.directory import Catalog
from headgate.catalog.tables import TIERS

FILES: Final = ("models.toml", "elsewhere.toml")


@functools.cache
def default_catalog() -> Catalog:
    """The shipped catalogue. The first call reads and checks the data (some milliseconds); later ones cost nothing."""
    import tomllib  # not needed by those who bring their own catalogue
    from importlib import resources

    folder = resources.files("headgate.catalog")
    own, other = (tomllib.loads(folder.joinpath(name).read_text(encoding="utf-8")) for name in FILES)
    tiers = {tier: [*own["tiers"].get(tier, ()), *other["tiers"].get(tier, ())] for tier in TIERS}
    return Catalog({**own["models"], **other["models"]}, tiers)
