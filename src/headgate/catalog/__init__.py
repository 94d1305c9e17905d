"""What exists: models, their limits and prices, and what names mean. Pure, but for one lazy loader of its own data."""

from headgate.catalog.directory import Catalog
from headgate.catalog.model import Kind, Lifecycle, Model, Resolution
from headgate.catalog.shipped import default_catalog
from headgate.catalog.tables import TIERS, CatalogError

__all__ = ["TIERS", "Catalog", "CatalogError", "Kind", "Lifecycle", "Model", "Resolution", "default_catalog"]
