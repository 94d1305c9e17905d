"""`headgate serve` as a process: it says where it is, answers, refuses what it must, and ends when told."""

import contextlib
import http.client
import json
import resource
import shlex
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path

import pytest
from tests.cli.commands import WITHIN_S, address, headgate, started
from tests.running_gateway import QUICK, SHORT, running_gateway

from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.settings import SimulatorSettings


def ask(root: str, key: str = "", **fields: object) -> http.client.HTTPResponse:
    """One chat request."""
    body = {"model": "headgate/fast", "messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 8}
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
    request = urllib.request.Request(f"{root}/v1/chat/completions", json.dumps(body | fields).encode(), headers)
    answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=WITHIN_S)
    return answer


def test_without_a_key_the_simulator_answers() -> None:
    """It says so, and the curl line that it prints works as it stands; SIGTERM ends it with 0."""
    with started("serve", "--port", "0") as (process, said):
        root = address(said)
        assert "no provider key, so the built-in simulator answers" in said
        curl = next(line for line in said.splitlines() if line.strip().startswith("curl"))
        answered = subprocess.run(shlex.split(curl), capture_output=True, timeout=WITHIN_S, check=True)
        assert json.loads(answered.stdout)["choices"][0]["message"]["role"] == "assistant"
        ready = json.loads(urllib.request.urlopen(f"{root}/readyz", timeout=WITHIN_S).read())
        assert ready["upstream"] == "the built-in simulator"
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=WITHIN_S)
        assert process.returncode == 0
        assert out == ""


def test_with_a_key_the_upstream_answers() -> None:
    """The environment's key and address are used, and no simulator is started."""
    with running_gateway() as upstream:
        environ = {"GROQ_BASE_URL": upstream.simulator.base_url, "GROQ_API_KEY": "gsk_real", "HEADGATE_PORT": "0"}
        with started("serve", environ=environ) as (_, said):
            assert "simulator" not in said
            assert f"Upstream: groq ({upstream.simulator.base_url.removesuffix('/openai')}, 1 key)." in said
            assert "no key for groq" not in said
            assert ask(address(said)).headers["x-headgate-source"] == "upstream"
        assert upstream.groq.organisation_of("gsk_real", upstream.simulator.now()) is not None


def test_greeting_without_a_key_for_groq(tmp_path: Path) -> None:
    """Who is reached is named with the keys there, and that Groq is not; where nobody is, a warning says so."""
    toml = '[[providers]]\nname = "ollama"\nbase_url = "http://127.0.0.1:9/v1"\nmodels = ["llama"]\n'
    (tmp_path / "headgate.toml").write_text(toml, encoding="utf-8")
    environ = {"OPENAI_API_KEY": "sk-one", "OPENAI_API_KEY_2": "sk-two"}
    with started("serve", "--port", "0", environ=environ, folder=tmp_path) as (_, said):
        assert "Upstream: openai (https://api.openai.com, 2 keys), ollama (http://127.0.0.1:9, no key needed)." in said
        assert "There is no key for groq: set GROQ_API_KEY, or ask for models of openai or ollama." in said
    with started("serve", "--port", "0", environ={"GROQ_BASE_URL": "http://127.0.0.1:9"}) as (_, said):
        assert "Warning: there is no key for groq (http://127.0.0.1:9), so no model can be asked" in said
        assert "Upstream:" not in said


def test_interrupt_ends_with_130() -> None:
    """Ctrl-C is told apart from an orderly stop."""
    with started("serve", "--port", "0") as (process, _):
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=WITHIN_S)
        assert process.returncode == 130


def test_stream_is_drained_on_sigterm() -> None:
    """An answer that is under way is finished before the process ends."""
    slow = SimulatorSettings(pace=QUICK, lengths=SHORT)
    with running_gateway(simulator=slow) as upstream:
        environ = {"GROQ_BASE_URL": upstream.simulator.base_url, "GROQ_API_KEY": "gsk_real"}
        with started("serve", "--port", "0", environ=environ) as (process, said):
            answer = ask(address(said), stream=True, max_completion_tokens=60)
            first = answer.readline()
            process.send_signal(signal.SIGTERM)
            rest = answer.read()
            assert first.startswith(b"data: ")
            assert rest.endswith(b"data: [DONE]\n\n")
            answer.close()
            process.communicate(timeout=WITHIN_S)
            assert process.returncode == 0


def is_listening(root: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", int(root.rpartition(":")[2]))).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("signals", [("SIGTERM",), ("SIGHUP",), ("SIGTERM", "SIGTERM")])
def test_stream_that_does_not_end_in_time(signals: tuple[str, ...]) -> None:
    """Its client is told by an error event, also after a second signal, and nobody by a traceback."""
    stalled = SimulatorSettings(pace=QUICK, faults=(Fault(FaultKind.STALLED, at=0.5),))
    with running_gateway(simulator=stalled) as upstream:
        environ = {"GROQ_BASE_URL": upstream.simulator.base_url, "GROQ_API_KEY": "gsk_real"}
        environ["HEADGATE_SERVER__DRAIN_S"] = "1" if len(signals) == 1 else "20"
        with started("serve", "--port", "0", environ=environ) as (process, said):
            answer = ask(address(said), stream=True, max_completion_tokens=60)
            answer.readline()
            for name in signals:
                process.send_signal(getattr(signal, name))
                while is_listening(address(said)):  # until the signal has been heard
                    pass
            rest = answer.read()
            answer.close()
            _, errors = process.communicate(timeout=WITHIN_S)
    assert rest.split(b"\n\n")[-2].startswith(b"event: error\n")
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_more_clients_than_a_shell_allows_files() -> None:
    """What a shell begins with is raised to what the system allows: whoever comes is answered."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as clients:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
        try:
            _, said = clients.enter_context(started("serve", "--port", "0"))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        port = int(address(said).rpartition(":")[2])
        for _ in range(150):
            clients.enter_context(socket.create_connection(("127.0.0.1", port)))
        assert urllib.request.urlopen(f"{address(said)}/healthz", timeout=WITHIN_S).status == 200


def test_port_in_use() -> None:
    """Exit code 1, with what to do; no traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = headgate("serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "is in use by another program" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_listening_for_everybody_needs_keys() -> None:
    """Beyond loopback without virtual keys is refused with exit code 78 unless it is insisted on."""
    done = headgate("serve", "--host", "0.0.0.0", "--port", "0")
    assert done.returncode == 78
    assert "--insecure-open" in done.stderr
    with started("serve", "--host", "0.0.0.0", "--port", "0", "--insecure-open") as (_, said):
        assert ask(address(said)).status == 200


def test_settings_that_cannot_be_used(tmp_path: Path) -> None:
    """Exit code 78, with the line, the key and the fix."""
    path = tmp_path / "headgate.toml"
    path.write_text("[server]\nprot = 1\n", encoding="utf-8")
    done = headgate("serve", "--config", str(path))
    assert done.returncode == 78
    assert "headgate.toml, line 2: server.prot" in done.stderr
    assert "did you mean 'port'" in done.stderr


def test_virtual_key_from_the_command_opens_the_door(tmp_path: Path) -> None:
    """What `keys create` prints goes into headgate.toml as it is; without the key nobody comes in."""
    made = headgate("keys", "create", "--tenant", "acme", "--expires", "30d")
    key, _, lines = made.stdout.partition("\n\n")
    (tmp_path / "headgate.toml").write_text(lines, encoding="utf-8")
    with started("serve", "--port", "0", folder=tmp_path) as (_, said):
        assert ask(address(said), key).status == 200
        with pytest.raises(urllib.error.HTTPError) as denied:
            ask(address(said))
        assert denied.value.code == 401
        assert json.load(denied.value)["error"]["code"] == "invalid_api_key"


def test_head_of_a_request_is_bounded() -> None:
    """Too many or too large headers are 431, a too long address 414, both as errors that clients can read."""
    with running_gateway() as gateway:
        host = gateway.root.removeprefix("http://")
        for headers, path, status in (
            ({"x": "a" * 60_000}, "/v1/models", 431),
            ({f"x-{n}": "a" for n in range(101)}, "/v1/models", 431),
            ({}, "/v1/models?" + "a" * 9_000, 414),
        ):
            connection = http.client.HTTPConnection(host, timeout=WITHIN_S)
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            assert answer.status == status
            assert json.load(answer)["error"]["type"] == "invalid_request_error"
            connection.close()
        with socket.create_connection(("127.0.0.1", int(host.partition(":")[2])), WITHIN_S) as endless:
            endless.sendall(b"GET /v1/models HTTP/1.1\r\nx: ")
            answered = b""
            for _ in range(100):
                try:
                    endless.sendall(b"a" * 1_000)
                except OSError:
                    break
            while chunk := _received(endless):
                answered += chunk
        assert answered[:12] in {b"HTTP/1.1 431", b""}  # a reset may overtake the answer
        assert gateway.eventually(lambda: gateway.gateway.in_flight == 0)


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65_536)
    except ConnectionError:
        return b""


def test_no_http_at_all() -> None:
    """Other protocols on the port get a 400 and are closed."""
    with running_gateway() as gateway, socket.create_connection(
        ("127.0.0.1", int(gateway.root.rpartition(":")[2])), WITHIN_S
    ) as connection:  # fmt: skip
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 400")
