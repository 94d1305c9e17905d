"""Says what of settings could not be made into a gateway, without making one."""

from headgate.assembly.tiers import check_tiers
from headgate.runtime.clock import MonotonicClock
from headgate.runtime.screening import blocklist_of
from headgate.runtime.settings import Settings


def check_parts(settings: Settings) -> None:
    """Raises InvalidSettings where making the gateway would. Files are read, none is written; nobody is asked."""
    blocklist_of(settings.local.safety)
    if settings.cache.enabled:
        check_tiers(settings, MonotonicClock())
