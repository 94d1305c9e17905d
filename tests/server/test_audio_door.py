"""Audio through the gateway: the SDKs' own uploads, rules, quota in seconds, cost, failover, nothing left behind."""

import io
import socket
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import groq
import httpx
import openai
import pytest
from tests.running_gateway import QUICK, SHORT, RunningGateway, running_gateway

from headgate.runtime.spool import IN_MEMORY_BYTES
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.settings import SimulatorSettings

FULL, TURBO = "whisper-large-v3", "whisper-large-v3-turbo"
MIB = 1024 * 1024
OWN_KEY = {"GROQ_API_KEY": "gsk_first"}


def wav(seconds: float, rate: int = 8000) -> bytes:
    """Silence, of one byte per sample."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(1)
        out.setframerate(rate)
        out.writeframes(b"\x80" * round(rate * seconds))
    return file.getvalue()


@pytest.fixture(scope="module")
def house() -> Iterator[RunningGateway]:
    """One gateway for all that changes nothing."""
    with running_gateway() as running:
        yield running
        assert running.open_reservations() == 0
        assert running.gateway.spools.held_bytes == 0
        assert running.gateway.in_flight == 0


def faulty(*faults: Fault) -> SimulatorSettings:
    return SimulatorSettings(pace=QUICK, lengths=SHORT, faults=faults)


def open_ai(house: RunningGateway) -> openai.OpenAI:
    return openai.OpenAI(base_url=house.v1, api_key="anything", max_retries=0)


def ask(house: RunningGateway, files: Any = None, path: str = "transcriptions", **fields: Any) -> httpx.Response:
    """A form as any client sends it."""
    headers = fields.pop("headers", {})
    data = {"model": FULL, **fields}
    data = {name: value for name, value in data.items() if value is not None}
    return httpx.post(f"{house.v1}/audio/{path}", data=data, files=files, headers=headers, timeout=20)


def sound(seconds: float = 1.0, name: str = "a.wav") -> dict[str, tuple[str, bytes]]:
    return {"file": (name, wav(seconds))}


# The SDKs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form, begins",
    [("text", " "), ("srt", "1\n00:00:00,000 --> 00:00:"), ("vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:")],
)
def test_openai_sdk_wants_text(house: RunningGateway, form: Any, begins: str) -> None:
    """Formats that are text come as text; what the provider cannot write is made here, and says so."""
    with open_ai(house) as client:
        raw = client.audio.transcriptions.with_raw_response.create(
            model=FULL, file=("talk.wav", wav(12)), response_format=form
        )
    assert str(raw.parse()).startswith(begins)
    assert raw.headers["content-type"].startswith("text/")
    assert raw.headers.get("x-headgate-fitted") == (None if form == "text" else f"{form}->verbose_json")
    assert raw.headers["x-headgate-source"] == "upstream"


def test_openai_sdk_wants_json(house: RunningGateway) -> None:
    """The reply passes as it came, with its labels and the true cost of the billed seconds."""
    with open_ai(house) as client:
        raw = client.audio.transcriptions.with_raw_response.create(model=FULL, file=("talk.wav", wav(36)))
    assert raw.parse().text.startswith(" ")
    assert raw.headers["x-headgate-model-served"] == FULL
    assert raw.headers["x-headgate-cost-usd"] == "0.00111"  # 36 s at $0.111 an hour
    assert "x-headgate-fitted" not in raw.headers


def test_openai_sdk_wants_words(house: RunningGateway) -> None:
    """Granularities go on as they are given, both of them."""
    with open_ai(house) as client:
        heard = client.audio.transcriptions.create(
            model=FULL,
            file=("talk.wav", wav(4)),
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
            language="de",
            prompt="Wehr",
            temperature=0.5,
        )
    assert heard.words
    assert heard.segments
    assert (heard.language, heard.duration) == ("German", 4.0)
    assert heard.segments[0].temperature == 0.5


def test_openai_sdk_wants_a_stream(house: RunningGateway) -> None:
    """Refused in words, before anything is spent."""
    with open_ai(house) as client, pytest.raises(openai.BadRequestError, match="stream"):
        client.audio.transcriptions.create(model=FULL, file=("talk.wav", wav(1)), stream=True)


@pytest.mark.filterwarnings("ignore:deprecated")  # what OpenAI's SDK says of its translations
async def test_sdks_ask_asynchronously(house: RunningGateway) -> None:
    """The asynchronous clients of both houses, for both operations; the turbo's translation is the full model's."""
    async with openai.AsyncOpenAI(base_url=house.v1, api_key="x", max_retries=0) as client:
        raw = await client.audio.translations.with_raw_response.create(model=TURBO, file=("talk.mp3.wav", wav(2)))
        assert raw.parse().text
        assert raw.headers["x-headgate-model-asked"] == TURBO
        assert raw.headers["x-headgate-model-served"] == FULL
    async with groq.AsyncGroq(base_url=house.root, api_key="x", max_retries=0) as client:
        heard = await client.audio.transcriptions.create(model=TURBO, file=("talk.wav", wav(2)))
        assert heard.text


def test_groq_sdk_gives_a_url(house: RunningGateway) -> None:
    """A sound that only the provider sees is paid for by the length that the provider states."""
    with groq.Groq(base_url=house.root, api_key="x", max_retries=0) as client:
        raw = client.audio.transcriptions.with_raw_response.create(model=FULL, url="https://a.test/a.mp3?seconds=72")
        assert raw.parse().text
        assert raw.headers["x-headgate-cost-usd"] == "0.00222"
        assert raw.headers["x-headgate-fitted"] == "json->verbose_json"
        text = client.audio.translations.create(
            model=FULL, url="https://a.test/a.mp3?seconds=3", response_format="text"
        )
    assert str(text).startswith(" ")


def test_json_body_with_a_url(house: RunningGateway) -> None:
    """The same without a form."""
    body = {"model": TURBO, "url": "https://a.test/a.mp3?seconds=3", "headgate": {"explain": True}}
    answer = httpx.post(f"{house.root}/openai/v1/audio/transcriptions", json=body)
    assert answer.status_code == 200
    assert "10 s were reserved" in answer.headers["x-headgate-explain"]


# Rules ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "files, fields, status, param, code",
    [
        ({"file": ("talk.oga", b"OggS")}, {}, 400, "file", "unsupported_audio_format"),
        ({"file": ("upload", b"RIFF")}, {}, 400, "file", "unsupported_audio_format"),
        ({"file": ("a.wav", b"")}, {}, 400, "file", "invalid_request"),
        ({"audio": ("a.wav", b"RIFF")}, {}, 400, "audio", "invalid_request"),
        ([("file", ("a.wav", b"1")), ("file", ("b.wav", b"2"))], {}, 400, "file", "invalid_request"),
        ({"x": (None, "y")}, {}, 400, "x", "invalid_request"),
        ({"file": (None, "RIFF")}, {}, 400, "file", "invalid_request"),
        (sound(), {"url": "https://a.test/a.wav"}, 400, "url", "invalid_request"),
        (sound(), {"model": None}, 400, "model", "invalid_request"),
        (sound(), {"model": "whisper-9"}, 404, "model", "model_not_found"),
        (sound(), {"model": "openai/gpt-oss-20b"}, 400, "model", "invalid_request"),
        (sound(), {"model": "headgate/fast"}, 400, "model", "invalid_request"),
        (sound(), {"language": "xx"}, 400, "language", "invalid_request"),
        (sound(), {"headgate": '{"priority": "now"}'}, 400, "x-headgate-priority", "invalid_request"),
        (sound(), {"headers": {"x-headgate-tier": "fast"}}, 400, "model", "invalid_request"),
    ],
)
def test_request_that_cannot_be_right(
    house: RunningGateway, files: Any, fields: dict[str, Any], status: int, param: str, code: str
) -> None:
    """An error in OpenAI's shape that names the field, and no call was made."""
    answer = ask(house, files, **fields)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (status, param, code)
    assert error["type"] == "invalid_request_error"
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["x-should-retry"] == "false"
    assert "x-headgate-calls" not in answer.headers  # it never came to the driver


def test_tier_and_controls_of_a_form(house: RunningGateway) -> None:
    """A tier may be named instead of a model; the field `headgate` is ours and goes no further."""
    answer = ask(house, sound(), model="headgate/audio", headgate='{"session": "s1", "explain": true}')
    assert answer.status_code == 200
    assert answer.headers["x-headgate-model-served"] == TURBO
    assert FULL in answer.headers["x-headgate-explain"]


@pytest.mark.parametrize(
    "content_type, body",
    [
        ("multipart/form-data", b"--x--\r\n"),
        ("multipart/form-data; boundary=" + "x" * 300, b""),
        ("application/x-www-form-urlencoded", b"model=whisper-large-v3"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"nothing of the kind"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhis'),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\nA: " + b"a" * 5000 + b"\r\n\r\n\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"A: b\r\n" * 9 + b"\r\n\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 70),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n' + b"a" * 1_100_000 + b"\r\n--x--\r\n",
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n\xff\r\n--x--\r\n',
        ),
    ],
)
def test_form_that_is_none(house: RunningGateway, content_type: str, body: bytes) -> None:
    """Torn, endless and nonsensical forms are refused, and the connection stays usable."""
    with httpx.Client() as client:
        answer = client.post(f"{house.v1}/audio/transcriptions", content=body, headers={"content-type": content_type})
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "invalid_request_error"
        assert client.get(f"{house.v1}/models").status_code == 200


@pytest.mark.parametrize("size_bytes, status", [(64 * 1024, 200), (64 * 1024 + 1, 413)])
@pytest.mark.parametrize("chunked", [False, True])
def test_file_at_the_limit(size_bytes: int, status: int, *, chunked: bool) -> None:
    """The limit counts the bytes of the file, whether or not their number was stated; the answer names the setting."""
    with running_gateway(flags={"audio.max_file_bytes": 64 * 1024}) as house:
        data = wav(1) + bytes(size_bytes - len(wav(1)))
        request = httpx.Request(
            "POST", f"{house.v1}/audio/transcriptions", data={"model": FULL}, files={"file": ("a.wav", data)}
        )
        body, kind = request.read(), request.headers["content-type"]
        content: Any = iter([body[:1000], body[1000:]]) if chunked else body
        answer = httpx.post(request.url, content=content, headers={"content-type": kind})
        assert answer.status_code == status
        assert (status == 200) == ("max_file_bytes" not in answer.text)


def test_sounds_in_flight_are_bounded() -> None:
    """Where the room for uploads is full, the next is told when to come again."""
    with running_gateway(flags={"audio.max_held_bytes": 100_000}) as house:
        answer = ask(house, sound(20))
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_capacity")
        assert "retry-after" in answer.headers
        assert ask(house, sound(5)).status_code == 200
        assert house.gateway.spools.held_bytes == 0


def test_bytes_that_are_no_sound(house: RunningGateway) -> None:
    """What cannot be measured is guessed and sent; what the provider says of it is what the client reads."""
    answer = ask(house, {"file": ("a.mp3", b"not a sound " * 2000)})
    assert answer.status_code == 400
    assert "valid media file" in answer.json()["error"]["message"]


def test_sound_that_states_no_length(house: RunningGateway) -> None:
    """Reserved by its size and paid for by the reply, which is made into the format that was asked for."""
    answer = ask(house, {"file": ("a.webm", bytes(400_000))}, headers={"x-headgate-explain": "true"})
    assert answer.status_code == 200
    assert set(answer.json()) == {"text", "x_groq"}
    assert "50 s were reserved" in answer.headers["x-headgate-explain"]  # 64 kbit/s
    assert answer.headers["x-headgate-cost-usd"] == "0.003083333"  # 100 s, as the pretend Groq hears it


# Quota, failover -----------------------------------------------------------------------------------------------------


def test_seconds_of_an_hour_are_used_up() -> None:
    """Quota is metered in seconds: what does not fit any more goes to the other model, without a call in vain."""
    with running_gateway(environ=OWN_KEY) as house:
        body = {"model": FULL, "url": "https://a.test/a.wav?seconds=7000"}
        first = httpx.post(f"{house.v1}/audio/transcriptions", json=body, timeout=20)
        assert (first.status_code, first.headers["x-headgate-model-served"]) == (200, FULL)
        second = ask(house, sound(150))
        assert second.headers["x-headgate-model-served"] == FULL
        third = ask(house, sound(150))
        assert (third.status_code, third.headers["x-headgate-model-served"]) == (200, TURBO)
        assert third.headers["x-headgate-calls"] == "1"
        assert house.open_reservations() == 0


def test_other_model_stands_in_and_hears_the_same() -> None:
    """After a failure the whole file is sent again, from the disk where it lies there."""
    crowded = Fault(FaultKind.OVER_CAPACITY, model=FULL)
    with running_gateway(simulator=faulty(crowded)) as house:
        data = wav(400)
        assert len(data) > 2 * IN_MEMORY_BYTES
        answer = ask(house, {"file": ("a.wav", data)}, response_format="verbose_json")
        assert answer.status_code == 200
        assert answer.json()["duration"] == 400.0
        labels = {name: answer.headers[f"x-headgate-{name}"] for name in ("model-served", "attempts", "cost-usd")}
        assert labels == {"model-served": TURBO, "attempts": "2", "cost-usd": "0.004444444"}
        brief = ask(house, {"file": ("a.wav", data)})
        assert "x-headgate-fitted" not in brief.headers  # its length is known, though it lies on the disk
        refused = ask(house, sound(), path="translations")
        assert refused.status_code >= 500
        assert {tried["model"] for tried in refused.json()["headgate"]["tried"]} == {FULL}
        assert house.open_reservations() == 0


OWN_EARS = """
[[providers]]
name = "ears"
base_url = "{root}/openai/v1"
keys = [{{ secret = "sk-own" }}]
models = ["whisper-large-v3"]
[models."ears/whisper-large-v3"]
kind = "transcription"
can = ["audio"]
audio_nanousd_per_hour = 36_000_000
"""


def test_other_provider_stands_in(tmp_path: Path) -> None:
    """When neither of Groq's models has quota, a transcription model elsewhere hears the whole file, at its own price;
    a translation is not given to one that cannot translate."""
    limited = Fault(FaultKind.RATE_LIMITED, value="RPM", delay_s=3000.0)
    with running_gateway() as elsewhere:
        config = tmp_path / "headgate.toml"
        config.write_text(OWN_EARS.format(root=elsewhere.simulator.base_url))
        with running_gateway(simulator=faulty(limited), environ=OWN_KEY, config=config) as house:
            answer = ask(house, {"file": ("a.wav", wav(400))}, response_format="verbose_json")
            assert (answer.status_code, answer.json()["duration"]) == (200, 400.0)
            names = ("provider", "model-served", "attempts", "calls", "cost-usd")
            labels = [answer.headers[f"x-headgate-{name}"] for name in names]
            assert labels == ["ears", "ears/whisper-large-v3", "1", "3", "0.004"]
            assert ask(house, sound(), path="translations").status_code == 429
            assert house.open_reservations() == 0


# Leaving -------------------------------------------------------------------------------------------------------------


def nameless_files() -> int:
    """Files that this process holds and that have no name any more."""
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(entry.readlink()))
        except OSError:
            continue  # the descriptor of this very listing
    return sum(link.endswith("(deleted)") for link in links)


def begun(house: RunningGateway, data: bytes, stated: int) -> socket.socket:
    """A raw client that has sent the head of a form and this much of a file of `stated` bytes."""
    head = (
        b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-large-v3\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    )
    tail = b"\r\n--x--\r\n"
    raw = socket.create_connection(("127.0.0.1", int(house.root.rpartition(":")[2])))
    length = len(head) + stated + len(tail)
    lines = f"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {length}\r\n"
    raw.sendall(f"{lines}content-type: multipart/form-data; boundary=x\r\n\r\n".encode() + head + data)
    if len(data) == stated:
        raw.sendall(tail)
    return raw


def at_rest(house: RunningGateway) -> bool:
    return (
        not house.gateway.in_flight
        and not house.gateway.spools.held_bytes
        and not house.groq.limiter.calls
        and not house.gateway.driver.waiting
    )


def test_client_leaves_mid_upload(gateway: RunningGateway) -> None:
    """What came of the file lay on the disk, and is gone with its client; nothing was reserved for it."""
    before = nameless_files()
    raw = begun(gateway, bytes(3 * MIB), 20 * MIB)
    assert gateway.eventually(lambda: gateway.gateway.spools.held_bytes > 2 * MIB)
    assert nameless_files() == before + 1
    raw.close()
    assert gateway.eventually(lambda: at_rest(gateway))
    assert nameless_files() == before
    assert gateway.open_reservations() == 0


def test_client_leaves_while_the_file_is_handed_on() -> None:
    """An upstream that does not take the whole file has heard nothing: no second of it is booked."""
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        address = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with running_gateway(environ={**OWN_KEY, "GROQ_BASE_URL": address}) as house:
            data = wav(3000)
            raw = begun(house, data, len(data))
            upstream = next(each.upstream for group in house.gateway.driver._connections.values() for each in group)
            assert house.eventually(lambda: upstream.gauges().unsent_bytes > 0)
            raw.close()
            assert house.eventually(lambda: at_rest(house))
            assert house.open_reservations() == 0
            meters = house.gateway.driver.gate.ledger._meters.values()
            assert [(meter.granted, meter.released) for meter in meters if meter.granted] == [(1, 1)]


def test_client_leaves_mid_call() -> None:
    """The call is given up and settled, the file closed."""
    silent = Fault(FaultKind.SLOW, delay_s=30.0)
    with running_gateway(simulator=faulty(silent)) as house:
        before = nameless_files()
        raw = begun(house, wav(300), len(wav(300)))
        assert house.eventually(lambda: bool(house.groq.limiter.calls))
        assert nameless_files() == before + 1
        raw.close()
        assert house.eventually(lambda: at_rest(house))
        assert nameless_files() == before
        assert house.open_reservations() == 0
