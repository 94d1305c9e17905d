"""What exists: models, their limits and prices, and what names mean. Pure, but for one lazy loader of its own data."""

from headgate.catalog.directory import Catalog
from headgate.catalog.model import Kind, Lifecycle, Model, Resolution
from headgate.catalog.providers import GROQ, PROVIDERS, DialectName, Provider
from headgate.catalog.shipped import default_catalog
from headgate.catalog.tables import TIERS, CatalogError

__all__ = [
    "GROQ",
    "PROVIDERS",
    "TIERS",
    "Catalog",
    "CatalogError",
    "DialectName",
    "Kind",
    "Lifecycle",
    "Model",
    "Provider",
    "Resolution",
    "default_catalog",
]
