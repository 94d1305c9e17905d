"""The catalogue that ships with Headgate: models.toml, read once and only when somebody asks."""

import functools

from headgate.catalog.directory import Catalog


@functools.cache
def default_catalog() -> Catalog:
    """The shipped catalogue. The first call reads and checks the data (some milliseconds); later ones cost nothing."""
    import tomllib  # not needed by those who bring their own catalogue
    from importlib import resources

    text = resources.files("headgate.catalog").joinpath("models.toml").read_text(encoding="utf-8")
    data = tomllib.loads(text)
    return Catalog(data["models"], data["tiers"])
