"""Settings to the operators' listener: its port, its token, and the pass by which this user's commands find it."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from headgate.observe.tally import Tally
from headgate.runtime.admin_pass import drop_pass, new_token, usual_folder, write_pass
from headgate.runtime.settings import ServerSettings, Settings, is_loopback
from headgate.server.admin import MAX_BODY_BYTES, AdminApp
from headgate.server.admin_routes import ROUTES
from headgate.server.gateway import Gateway
from headgate.server.listen import CannotListen, Server, bind, make_server

DRAIN_S: Final = 1.0


class AdminListener:
    """A listener that serves. `stop` ends it and takes its pass away; twice does nothing more."""

    def __init__(self, server: Server, serving: "asyncio.Task[None]", url: str, left: Path | None) -> None:
        self.url = url
        self._server = server
        self._serving = serving
        self._left = left

    async def stop(self) -> None:
        if self._left is not None:
            drop_pass(self._left)
        self._server.stop()
        await asyncio.wait([self._serving])


async def open_admin(
    gateway: Gateway, tally: Tally, settings: Settings, tell: Callable[[str], None], folder: Path | None = None
) -> AdminListener | None:
    """Listen for operators beside a gateway; None where that is off or cannot be, which is told: the gateway goes on
    all the same. `folder` is where the pass is left, the user's folder for state if not given."""
    asked = settings.admin
    if not asked.enabled:
        return None
    try:
        bound = bind(asked.host, asked.port)
    except CannotListen:
        tell(
            f"There is no admin listener: port {asked.port} on {asked.host} cannot be had. Choose another with "
            "--admin-port or HEADGATE_ADMIN_PORT, or none with HEADGATE_ADMIN__ENABLED=false."
        )
        return None
    port = bound.getsockname()[1]
    host = f"[{asked.host.strip('[]')}]" if ":" in asked.host else asked.host
    url = f"http://{host}:{port}"
    token, left = asked.token, None
    if token is None:
        token = new_token()
        try:
            left = write_pass(folder or usual_folder(), port, url, token)
        except OSError as error:
            bound.close()
            tell(
                f"There is no admin listener: its token cannot be left for your commands ({error.filename}: "
                f"{error.strerror}). Set HEADGATE_ADMIN_TOKEN to one of your own."
            )
            return None
    app = AdminApp(gateway, tally, token, ROUTES, checks_host=is_loopback(asked.host))
    limits = ServerSettings(host=asked.host, port=port, max_body_bytes=MAX_BODY_BYTES, drain_s=DRAIN_S)
    server = make_server(app, limits)
    serving = asyncio.get_running_loop().create_task(server.serve(sockets=[bound]))
    return AdminListener(server, serving, url, left)
