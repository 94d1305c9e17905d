"""`headgate sim`: the pretend Groq over HTTP, and its worlds in virtual time."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headgate.cli.terminal import BAD_CONFIGURATION, INTERRUPTED, Failed, say

if TYPE_CHECKING:
    from headgate.simulator.settings import SimulatorSettings

app = typer.Typer(help="A pretend Groq: exact limits, true shapes, every error and fault.", invoke_without_command=True)


@app.callback()
def sim(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 for any.")] = 8090,
    speed: Annotated[float, typer.Option(min=0.01, max=1000.0, help="How much faster than real its time goes.")] = 1.0,
    plan: Annotated[
        str | None, typer.Option(help="Plan of organisations that have none of their own. [default: free]")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Provider whose paths, errors and headers it has. [default: groq]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same answers. [default: 0]")] = None,
    settings: Annotated[Path | None, typer.Option(help="TOML file with simulator settings and faults.")] = None,
) -> None:
    """Serve a pretend Groq. Any API key is accepted; each is an organisation of its own."""
    if context.invoked_subcommand is not None:
        return
    import asyncio

    from headgate.catalog import default_catalog
    from headgate.runtime.loop import new_event_loop

    plans = {name for model in default_catalog().all() for name in model.limits}
    if plan is not None and plan not in plans:
        raise typer.BadParameter(f"there is no plan {plan!r}; the plans are {', '.join(sorted(plans))}")
    told = _settings(settings, plan, seed, profile)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        if runner.run(_serve(told, host, port, speed)) == signal.SIGINT:
            raise typer.Exit(INTERRUPTED)


_ITS_OWN = {"allow_extra_args": True, "ignore_unknown_options": True}
"""The command reads its options itself, `--help` too."""


@app.command("worlds", add_help_option=False, context_settings=_ITS_OWN)
def worlds(context: typer.Context) -> None:
    """Run whole gateways in virtual time from seeds, and check the invariants after every event."""
    import importlib

    raise typer.Exit(importlib.import_module("headgate.simulator.worlds").main(context.args) or 0)


def _settings(path: Path | None, plan: str | None, seed: int | None, profile: str | None) -> "SimulatorSettings":
    """The file's, with what the flags say over it."""
    import tomllib

    import msgspec

    from headgate.simulator.profiles import PROFILES
    from headgate.simulator.settings import SimulatorSettings, read_settings

    if profile is not None and profile != "groq" and profile not in PROFILES:
        raise typer.BadParameter(f"there is no profile {profile!r}; the profiles are groq, {', '.join(PROFILES)}")
    flags: dict[str, Any] = {"default_plan": plan, "seed": seed, "profile": profile}
    try:
        told = SimulatorSettings() if path is None else read_settings(path)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Failed(f"{path}: {error}", BAD_CONFIGURATION) from None
    return msgspec.structs.replace(told, **{name: value for name, value in flags.items() if value is not None})


async def _serve(settings: "SimulatorSettings", host: str, port: int, speed: float) -> int:
    import asyncio

    from headgate.simulator.http import serve_simulator
    from headgate.simulator.profiles import PROFILES

    try:
        server = await serve_simulator(settings, host, port, speed=speed)
    except OSError as error:
        raise Failed(f"cannot listen on {host} port {port}: {error.strerror}. Choose another with --port.") from None
    if settings.profile == "groq":
        how = f"GROQ_BASE_URL={server.base_url} GROQ_API_KEY=gsk_demo ./run"
    else:
        how = f"base URL {server.base_url}{PROFILES[settings.profile].prefixes[0]}"
    say(f"A pretend {settings.profile.title()} listens on {server.base_url}\n\n  {how}")
    stopped: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def stop(number: int) -> None:
        if not stopped.done():
            stopped.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    try:
        return await stopped
    finally:
        await server.close()
