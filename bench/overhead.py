"""What the gateway costs per request and per streamed event, beside the plain relay of the same stack and nginx.

    python -m bench.overhead                  # about three minutes; on a quiet machine

All servers run at the same time behind one load of 64 connections; each round puts the same load on one after the
other, so that a noisy moment hits them alike. The median of the rounds counts, and the ratio is what to compare.
"""

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop
from bench.load import Load, Outcome, put

ROUNDS = 5
REQUESTS = 20_000
STREAMS = 512
EVENTS = 100
GAP_MS = 10.0
"""Time between two events of a stream: a model's pace, so that every event travels alone, as it does from Groq."""

GATEWAY = """
[[groq.keys]]
secret = "gsk_canned"
name = "bench"
organisation = "bench"
[groq]
base_url = "http://127.0.0.1:{upstream}"
[server]
max_in_flight_per_tenant = 4096
[organisations.bench.limits."*"]
RPM = 100_000_000
RPD = 100_000_000
TPM = 1_000_000_000
TPD = 1_000_000_000
"""

NGINX = """
daemon off; worker_processes 1; error_log stderr error; pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream canned {{ server 127.0.0.1:{upstream}; keepalive 128; }}
  server {{ listen 127.0.0.1:{port}; keepalive_requests 1000000;
    location / {{ proxy_pass http://canned; proxy_http_version 1.1;
      proxy_set_header Connection ""; proxy_buffering off; }}
  }}
}}
"""


@dataclass
class Server:
    """One of those compared."""

    name: str
    port: int
    pid: int


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def process(arguments: list[str], port: int, environment: dict[str, str] | None = None) -> Iterator[int]:
    """A server process that listens on `port`, ended at the end."""
    started = subprocess.Popen(arguments, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as caller:
                if caller.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if started.poll() is not None:
                raise SystemExit(f"{' '.join(arguments)} ended with {started.returncode}")
            time.sleep(0.05)
        yield started.pid
    finally:
        started.terminate()
        started.wait(10)


def start(stack: ExitStack, folder: Path) -> list[Server]:
    """Everything that is compared, each before a canned upstream of its own."""
    relay = free_port()
    origin = f"http://127.0.0.1:{canned(stack)}"
    floor = module("bench.relay_floor", "--port", str(relay), "--upstream", origin)
    servers = [Server("plain relay", relay, stack.enter_context(process(floor, relay)))]
    servers.append(headgate(stack, folder, stores=False))
    servers.append(headgate(stack, folder, stores=True))
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    if Path(nginx).exists():
        port = free_port()
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, upstream=canned(stack), port=port))
        command = [nginx, "-c", str(folder / "nginx.conf"), "-p", str(folder)]
        servers.append(Server("nginx", port, stack.enter_context(process(command, port))))
    return servers


def headgate(stack: ExitStack, folder: Path, *, stores: bool) -> Server:
    """The gateway, with or without a store: with one it also writes a usage row for every request."""
    name, port = "headgate, storing usage" if stores else "headgate", free_port()
    config = folder / f"headgate-{stores}.toml"
    config.write_text(GATEWAY.format(upstream=canned(stack)))
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GROQ_", "HEADGATE_"))}
    environment |= {"HEADGATE_STORE__ENABLED": str(stores), "HEADGATE_STORE__PATH": str(folder / "headgate.sqlite3")}
    serve = module("headgate", "serve", "--config", str(config), "--port", str(port))
    return Server(name, port, stack.enter_context(process(serve, port, environment)))


def module(name: str, *arguments: str) -> list[str]:
    """The command that runs one of our modules."""
    return [sys.executable, "-m", name, *arguments]


def canned(stack: ExitStack) -> int:
    """The port of a canned upstream: one each, since a shared one would count the requests of the others too."""
    port = free_port()
    command = module("bench.canned_upstream", "--port", str(port), "--events", str(EVENTS), "--gap-ms", str(GAP_MS))
    stack.enter_context(process(command, port))
    return port


def measure(servers: list[Server], rounds: int, requests: int, *, streamed: bool) -> dict[str, list[Outcome]]:
    """Load every server in turn, round by round."""
    outcomes: dict[str, list[Outcome]] = {server.name: [] for server in servers}
    for round_ in range(rounds + 1):
        for server in servers:
            load = Load(server.port, requests if round_ else requests // 10, streamed=streamed)
            outcome = uvloop.run(put(load, server.pid))
            if outcome.failed:
                raise SystemExit(f"{server.name}: {outcome.failed} of {outcome.requests} requests failed")
            if round_:  # the first round only warms up
                outcomes[server.name].append(outcome)
    return outcomes


def cost_us(outcome: Outcome, *, streamed: bool) -> float:
    """CPU microseconds per request, or per streamed event."""
    return outcome.cpu_us * outcome.requests / outcome.events if streamed else outcome.cpu_us


def report(outcomes: dict[str, list[Outcome]], *, streamed: bool) -> None:
    """Print one table."""
    unit = "event" if streamed else "request"
    medians = {name: statistics.median(cost_us(o, streamed=streamed) for o in each) for name, each in outcomes.items()}
    floor = medians["plain relay"]
    print(f"| {unit} | CPU µs, median | lowest to highest | times the plain relay | per second | p99 ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, each in outcomes.items():
        costs = [cost_us(o, streamed=streamed) for o in each]
        per_second = statistics.median(o.per_second for o in each)
        p99_ms = statistics.median(o.p99_ms for o in each)
        print(
            f"| {name} | {medians[name]:.1f} | {min(costs):.1f} to {max(costs):.1f} | {medians[name] / floor:.2f} "
            f"| {per_second:,.0f} | {p99_ms:.1f} |"
        )
    print(flush=True)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--streams", type=int, default=STREAMS)
    options = parser.parse_args()
    with ExitStack() as stack:
        servers = start(stack, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        report(measure(servers, options.rounds, options.requests, streamed=False), streamed=False)
        report(measure(servers, options.rounds, options.streams, streamed=True), streamed=True)


if __name__ == "__main__":
    main()
