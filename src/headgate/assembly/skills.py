"""Settings to what the local skills work with."""

from headgate.local.skills import NO_SUPPLIES, Supplies
from headgate.runtime.screening import blocklist_of
from headgate.runtime.settings import Settings
from headgate.store.feed_folder import FeedFolder
from headgate.store.feed_shelf import FeedShelf


def supplies_of(settings: Settings) -> Supplies:
    """What the operator brought. Feeds are read when a skill first asks for them. Raises InvalidSettings."""
    personas = NO_SUPPLIES.personas
    if settings.local.personas is not None:
        from headgate.runtime.persona_files import read_personas

        personas = read_personas(settings.local.personas)
    shelf = FeedShelf(FeedFolder.of(settings.local.feeds))
    return Supplies(personas=personas, feeds=shelf.current, blocklist=blocklist_of(settings.local.safety))
