"""`headgate batch run` as a process: in itself or through a gateway, whole, in part, and once more for the rest."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.batch.batch_house import KEY, config, jsonl, line, pretend, results_of
from tests.cli.commands import WITHIN_S, environment, headgate
from tests.running_gateway import running_gateway

BAD = line(9, body={"model": "no-such-model", "messages": [{"role": "user", "content": "hi"}]})


@pytest.mark.parametrize("through", ["itself", "a gateway"])
def test_file_is_run(tmp_path: Path, through: str) -> None:
    """Every line's answer is in the output, once; the exit code is 0 and stdout stays empty."""
    (tmp_path / "in.jsonl").write_bytes(jsonl([line(n) for n in range(20)]))
    settings = config(tmp_path)
    with running_gateway(simulator=pretend(), config=settings, environ={}) as gateway:
        where = ["--base-url", gateway.root] if through == "a gateway" else ["--config", str(settings)]
        environ = {"GROQ_BASE_URL": gateway.simulator.base_url, "HEADGATE_API_KEY": "any"}
        command = ["batch", "run", "in.jsonl", "-o", "out.jsonl", *where]
        done = headgate(*command, environ=environ, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout == ""
        assert "20 of 20 lines were answered" in done.stderr
        results = results_of((tmp_path / "out.jsonl").read_bytes())
        assert set(results) == {f"line-{n}" for n in range(20)}
        assert {result["response"]["status_code"] for result in results.values()} == {200}


def test_partly_done_and_run_again(tmp_path: Path) -> None:
    """Exit code 3 says that lines are left and stderr which; the next run asks for those only, and mends a torn end."""
    (tmp_path / "in.jsonl").write_bytes(jsonl([line(0), BAD, line(1)]))
    settings, out = config(tmp_path), tmp_path / "out.jsonl"
    with running_gateway(simulator=pretend(), config=settings, environ={}) as gateway:
        environ = {"GROQ_BASE_URL": gateway.simulator.base_url}
        command = ["batch", "run", "in.jsonl", "-o", "out.jsonl", "--config", str(settings)]
        first = headgate(*command, environ=environ, folder=tmp_path)
        assert first.returncode == 3
        assert "line-9: 404" in first.stderr
        before = out.read_bytes()
        assert set(results_of(before)) == {"line-0", "line-1"}
        (tmp_path / "in.jsonl").write_bytes(jsonl([line(0), line(9), line(1)]))
        out.write_bytes(before + b'{"id":"batch_req_torn","custom_id":"line-9","respo')
        second = headgate(*command, environ=environ, folder=tmp_path)
        assert second.returncode == 0, second.stderr
        assert "2 of 3 lines are answered already" in second.stderr
        assert out.read_bytes().startswith(before)
        assert set(results_of(out.read_bytes())) == {"line-0", "line-1", "line-9"}


def test_answers_on_stdout(tmp_path: Path) -> None:
    """Without an output file answers are the data; a file in which nothing can be answered is exit code 1."""
    (tmp_path / "in.jsonl").write_bytes(jsonl([line(0)]))
    (tmp_path / "bad.jsonl").write_bytes(jsonl([BAD]))
    settings = config(tmp_path)
    with running_gateway(simulator=pretend(), config=settings, environ={}) as gateway:
        environ = {"GROQ_BASE_URL": gateway.simulator.base_url, "GROQ_API_KEY": KEY}
        done = headgate("batch", "run", "in.jsonl", "--base-url", gateway.v1, environ=environ, folder=tmp_path)
        assert json.loads(done.stdout)["custom_id"] == "line-0"
        failed = headgate("batch", "run", "bad.jsonl", "--base-url", gateway.v1, environ=environ, folder=tmp_path)
        assert (failed.returncode, failed.stdout) == (1, "")


def test_file_that_is_none(tmp_path: Path) -> None:
    """What is wrong is said with its line, and nothing is asked."""
    (tmp_path / "in.jsonl").write_bytes(jsonl([line(0), line(0)]) + b"nonsense\n")
    done = headgate("batch", "run", "in.jsonl", folder=tmp_path)
    assert done.returncode == 1
    assert "in.jsonl, line 2: The custom_id 'line-0' is that of line 1" in done.stderr
    assert "in.jsonl, line 3: This line is not parseable" in done.stderr
    assert "Traceback" not in done.stderr


def test_gateway_that_is_not_there(tmp_path: Path) -> None:
    """An address that is none is a mistake in the command."""
    (tmp_path / "in.jsonl").write_bytes(jsonl([line(0)]))
    done = headgate("batch", "run", "in.jsonl", "--base-url", "nowhere", folder=tmp_path)
    assert done.returncode == 2
    assert "--base-url" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def hears_ctrl_c() -> Iterator[None]:
    """What is started in the background of a script is deaf to Ctrl-C, and so is what it starts: not from here on."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_ctrl_c")
def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C ends it with 130 while it waits for quota; the output has whole lines, and the next run does the rest."""
    (tmp_path / "in.jsonl").write_bytes(jsonl([line(n) for n in range(30)]))
    out, settings = tmp_path / "out.jsonl", config(tmp_path, rpm=10)
    command = ["batch", "run", "in.jsonl", "-o", "out.jsonl", "--config", str(settings)]
    with running_gateway(simulator=pretend(rpm=10), config=settings, environ={}) as gateway:
        environ = environment({"GROQ_BASE_URL": gateway.simulator.base_url})
        with subprocess.Popen(
            [sys.executable, "-m", "headgate", *command], env=environ, cwd=tmp_path, stderr=subprocess.PIPE, text=True
        ) as process:
            end = time.monotonic() + WITHIN_S
            while (not out.exists() or not out.read_bytes()) and time.monotonic() < end:
                threading.Event().wait(0.02)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=WITHIN_S)
        assert process.returncode == 130, said
        assert "Traceback" not in said
        before = out.read_bytes()
        assert before.endswith(b"\n")
        assert 0 < len(results_of(before)) < 30
    settings = config(tmp_path)
    with running_gateway(simulator=pretend(), config=settings, environ={}) as gateway:
        done = headgate(*command, environ={"GROQ_BASE_URL": gateway.simulator.base_url}, folder=tmp_path)
        assert done.returncode == 0, done.stderr
    assert out.read_bytes().startswith(before)
    assert set(results_of(out.read_bytes())) == {f"line-{n}" for n in range(30)}
