"""Settings to what the local skills work with."""

from headgate.local.skills import NO_SUPPLIES, Supplies
from headgate.runtime.settings import Settings


def supplies_of(settings: Settings) -> Supplies:
    """What the operator brought. Raises InvalidSettings."""
    if settings.local.personas is None:
        return NO_SUPPLIES
    from headgate.runtime.persona_files import read_personas

    return Supplies(personas=read_personas(settings.local.personas))
