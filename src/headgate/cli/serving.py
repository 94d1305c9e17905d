"""`headgate serve`: the gateway over HTTP until a signal stops it; with a pretend Groq behind it if there is no key."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headgate.cli.loading import load
from headgate.cli.terminal import BAD_CONFIGURATION, INTERRUPTED, Failed, say

if TYPE_CHECKING:
    import asyncio
    import socket

    from headgate.runtime.settings import ProviderSettings, Settings
    from headgate.store.sqlite import SqliteStore

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what is shown instead of them


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (HEADGATE_HOST). [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port, 0 for any (HEADGATE_PORT). [default: 8080]")] = None,
    config: Annotated[Path | None, typer.Option(help="headgate.toml or .yaml (HEADGATE_CONFIG).")] = None,
    insecure_open: Annotated[
        bool, typer.Option("--insecure-open", help="Listen beyond this machine without virtual keys.")
    ] = False,
    admin_port: Annotated[
        int | None, typer.Option(help="Port of the admin listener, 0 for any (HEADGATE_ADMIN_PORT). [default: 8081]")
    ] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    store: Annotated[
        Path | None, typer.Option(help="SQLite file that survives a restart (HEADGATE_STORE__PATH).")
    ] = None,
) -> None:
    """Start the gateway. Without a provider key the built-in simulator answers."""
    flags = {
        "server.host": host,
        "server.port": port,
        "server.insecure_open": insecure_open or None,
        "server.log_level": log_level,
        "admin.port": admin_port,
        "store.path": None if store is None else str(store),
    }
    settings = load(config, flags)
    stopped_by = run(settings)
    if stopped_by == signal.SIGINT:
        raise typer.Exit(INTERRUPTED)


def run(settings: "Settings") -> int:
    """Serve until a signal; its number. A second one ends at once. Raises Failed when port or store cannot be had."""
    import asyncio

    from headgate.cli.storing import store_of
    from headgate.runtime.loop import allow_files, new_event_loop
    from headgate.server.listen import CannotListen, bind

    allow_files()
    set_up_logging(settings.server.log_level.value)
    try:
        bound = bind(settings.server.host, settings.server.port)
    except CannotListen as error:
        raise Failed(f"{error}.") from None
    with bound, store_of(settings) as store, asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(_serve(settings, bound, store))


async def _serve(settings: "Settings", bound: "socket.socket", store: "SqliteStore | None") -> int:
    from headgate.assembly import make_gateway
    from headgate.assembly.admin import open_admin
    from headgate.observe.tally import Tally
    from headgate.runtime.loop import settle_memory
    from headgate.runtime.settings import InvalidSettings
    from headgate.sdk.demo import UPSTREAM, start_simulator
    from headgate.server.app import App
    from headgate.server.listen import make_server

    simulator = None
    if settings.uses_simulator:
        settings, simulator = await start_simulator(settings)
    upstream = "groq" if simulator is None else UPSTREAM
    tally = Tally()
    try:
        gateway = make_gateway(
            settings,
            observers=(tally.tell,) if settings.admin.enabled else (),
            upstream=upstream,
            environment=os.environ,
            store=store,
            keeps_quota=simulator is None,
            tell=say,
        )
    except InvalidSettings as error:
        raise Failed(str(error), BAD_CONFIGURATION) from None
    app = App(gateway)
    server = make_server(app, settings.server, app.hang_up)
    signals: list[int] = []

    def stop(number: int) -> None:
        signals.append(number)
        server.stop()

    _on_signals(stop)
    settle_memory()
    admin = await open_admin(gateway, tally, settings, say)
    if admin is not None:
        say(f"Admin API on {admin.url}: `headgate cache stats`, {admin.url}/metrics.")
    say(greeting(settings, bound.getsockname()[1], simulated=simulator is not None))
    try:
        await server.serve(sockets=[bound])
    finally:
        if admin is not None:
            await admin.stop()
        await gateway.stop()  # a second signal skips the server's own stop
        if simulator is not None:
            await simulator.close()
    return signals[0] if signals else 0


def _on_signals(act: Callable[[int], None]) -> None:
    import asyncio

    loop = asyncio.get_running_loop()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # under nohup it is ignored
        numbers.append(signal.SIGHUP)
    for number in numbers:
        try:
            loop.add_signal_handler(number, act, number)
        except NotImplementedError:  # Windows: Ctrl-C only, through the interpreter
            signal.signal(number, lambda got, _frame: _later(loop, act, got))


def _later(loop: "asyncio.AbstractEventLoop", act: Callable[[int], None], number: int) -> None:
    loop.call_soon_threadsafe(act, number)


def set_up_logging(level: str) -> None:
    """Warnings of libraries on stderr; the gateway's own stories are facts, not log lines."""
    import logging

    logging.basicConfig(level=level.upper(), format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # it warns of every client that sends nonsense


def greeting(settings: "Settings", port: int, *, simulated: bool) -> str:
    """What a newcomer needs: where it is, who answers, and one line to paste."""
    host = EVERYWHERE.get(settings.server.host, settings.server.host)
    root = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    lines = [f"Headgate listens on {root}"]
    if simulated:
        lines.append("There is no provider key, so the built-in simulator answers: a pretend Groq with its free plan.")
        lines.append("Set GROQ_API_KEY and start again for real answers.")
    else:
        lines += _upstreams(settings)
    if settings.inactive:
        lines.append(f"Not active in this version: {', '.join(f'[{name}]' for name in settings.inactive)}.")
    if settings.is_open:
        lines.append("The door is open: no gateway key is asked for.")
    key = "" if settings.is_open else " -H 'authorization: Bearer hg_...'"
    body = '{"model":"headgate/auto","messages":[{"role":"user","content":"Say hello"}]}'
    lines += [
        "",
        f"  curl -s {root}/v1/chat/completions{key} -H 'content-type: application/json' -d '{body}'",
        "",
        f"  OpenAI SDK: base_url={root}/v1",
        f"  Groq SDK:   base_url={root}",
    ]
    return "\n".join(lines)


def _upstreams(settings: "Settings") -> list[str]:
    """Who is asked with how many keys; and what is missing where Groq is not among them."""
    reached = [provider for provider in settings.providers if provider.keys]
    lines = []
    if reached:
        told = (f"{each.name} ({each.endpoints[0].origin}, {_counted(each)})" for each in reached)
        lines.append(f"Upstream: {', '.join(told)}.")
    if not settings.groq.keys:
        others = " or ".join(each.name for each in reached)
        lines.append(
            f"There is no key for groq: set GROQ_API_KEY, or ask for models of {others}."
            if others
            else f"Warning: there is no key for groq ({settings.groq.endpoints[0].origin}), so no model can be asked: "
            "set GROQ_API_KEY, or let clients bring their own."
        )
    return lines


def _counted(provider: "ProviderSettings") -> str:
    """How many keys a provider has."""
    keys = [key for key in provider.keys if key.secret.reveal()]
    return "no key needed" if not keys else "1 key" if len(keys) == 1 else f"{len(keys)} keys"
