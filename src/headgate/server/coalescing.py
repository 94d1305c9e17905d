"""Gives a gateway what gathers small like requests; nothing where no route asks for it."""

from headgate.batch.coalescing import Coalescer
from headgate.runtime.settings import Settings
from headgate.server.gateway import Gateway


def add_coalescing(gateway: Gateway, settings: Settings) -> None:
    """Have the gateway ask for several requests in one call, by the routes that say so."""
    routes = {name: route for name, route in settings.routes.items() if route.coalesce is not None}
    if not routes:
        return
    coalescer = Coalescer(gateway.driver, catalog=gateway.catalog, routes=routes, handling=settings.handling)
    gateway.coalescer, gateway.ask = coalescer, coalescer.ask
    stop = gateway.stop

    async def stop_both() -> None:
        try:
            await coalescer.close()
        finally:
            await stop()

    gateway.stop = stop_both
