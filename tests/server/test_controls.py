"""Request controls: the one list, what they may be, what beats what, and the documentation made from it."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.cache.rules import CacheMode
from headgate.domain.answer import RefusalCode
from headgate.domain.request import Priority
from headgate.server.auth import ANYBODY, Identity
from headgate.server.control_list import ANSWER_HEADERS, CONTROLS, LocalMode
from headgate.server.controls import NO_CONTROLS, Controls, InvalidControl, document_controls, read_controls

ADMIN = Identity(tenant="ops", admin=True)

NAMES = [
    "session",
    "agent",
    "task",
    "route",
    "tier",
    "request-type",
    "module",
    "user",
    "tenant",
    "priority",
    "deadline-ms",
    "patience-ms",
    "max-latency-ms",
    "cost-sensitive",
    "quality",
    "local",
    "cache",
    "cache-ttl-s",
    "cache-scope",
    "cache-tags",
    "coalesce",
    "schema-mode",
    "continue",
    "background",
    "webhook",
    "track",
    "explain",
]
ANSWERS = [
    "source",
    "provider",
    "model-asked",
    "model-served",
    "attempts",
    "calls",
    "jobs",
    "cache",
    "fitted",
    "cost-usd",
    "overhead-ms",
    "reason",
    "explain",
]


def read(identity: Identity = ANYBODY, body: dict[str, object] | None = None, /, **controls: str) -> Controls:
    headers = [(b"host", b"x"), (b"content-type", b"application/json")]
    headers += [(b"x-headgate-" + name.replace("_", "-").encode(), text.encode()) for name, text in controls.items()]
    return read_controls(headers, body, identity)


def test_list_holds_what_the_design_names() -> None:
    """No control and no answer header is missing, none is invented."""
    assert [control.name for control in CONTROLS] == NAMES
    assert [header.name for header in ANSWER_HEADERS] == ANSWERS


def test_every_control_has_its_field() -> None:
    """What can be asked for arrives in the struct."""
    fields = {control.field or control.name.replace("-", "_") for control in CONTROLS}
    assert fields | {"inactive"} == set(Controls.__struct_fields__)


def test_request_without_controls_gets_the_shared_default() -> None:
    """Nothing is made for a request that says nothing."""
    assert read() is NO_CONTROLS
    assert read(ANYBODY, {}) is NO_CONTROLS
    assert read(ANYBODY, {"session": None}) is NO_CONTROLS


@pytest.mark.parametrize(
    "name, text, value",
    [
        ("session", "a b/ç", "a b/ç"),
        ("agent", "order support", "order support"),
        ("route", "chat.v2", "chat.v2"),
        ("tier", "long-context", "long-context"),
        ("priority", "batch", Priority.BATCH),
        ("priority", "Interactive", Priority.INTERACTIVE),
        ("deadline-ms", "1", 1),
        ("patience-ms", "0", 0),
        ("max-latency-ms", " 250 ", 250),
        ("local", "off", LocalMode.OFF),
        ("cache", "refresh", CacheMode.REFRESH),
        ("cost-sensitive", "true", True),
        ("explain", "0", False),
        ("continue", "on", True),
    ],
)
def test_header_becomes_a_typed_value(name: str, text: str, value: object) -> None:
    """Each control arrives as its type under its own name."""
    found = read(**{name: text})
    field = {"continue": "continuation"}.get(name, name.replace("-", "_"))
    assert getattr(found, field) == value
    assert type(getattr(found, field)) is type(value)


@pytest.mark.parametrize(
    "name, text, hint",
    [
        ("session", "", "text"),
        ("session", "x" * 201, "200"),
        ("session", "a\nb", "text"),
        ("route", "a b", "letters"),
        ("tier", "fäst", "letters"),
        ("priority", "urgent", "interactive, standard, batch"),
        ("deadline-ms", "0", "from 1 to"),
        ("deadline-ms", "-5", "from 1 to"),
        ("deadline-ms", "1.5", "whole number"),
        ("deadline-ms", "٣", "whole number"),
        ("deadline-ms", "9" * 5_000, "whole number"),
        ("deadline-ms", "3600001", "to 3600000"),
        ("local", "never", "auto, off"),
        ("cache", "always", "on, off, refresh, only"),
        ("explain", "maybe", "true or false"),
    ],
)
def test_bad_value_names_the_allowed_ones(name: str, text: str, hint: str) -> None:
    """The client learns what the control takes; nothing long or unprintable is sent back."""
    with pytest.raises(InvalidControl) as raised:
        read(**{name: text})
    refusal = raised.value.refusal
    assert (refusal.status, refusal.code, refusal.param) == (400, RefusalCode.INVALID_REQUEST, f"x-headgate-{name}")
    assert hint in refusal.message
    assert refusal.message.isprintable()
    assert len(refusal.message) < 300


@pytest.mark.parametrize(
    "name, meant",
    [("sesion", "session"), ("deadline", "deadline-ms"), ("cache-ttl", "cache-ttl-s"), ("zzz", "agent")],
)
def test_unknown_control_is_refused_with_the_nearest(name: str, meant: str) -> None:
    """A misspelt control must not silently do nothing, in the header or in the body."""
    both: list[tuple[dict[str, object], dict[str, str]]] = [({name: "x"}, {}), ({}, {name: "x"})]
    for body, in_headers in both:
        with pytest.raises(InvalidControl) as raised:
            read(ANYBODY, body, **in_headers)
        assert f"no control `{name}`" in raised.value.message
        assert meant in raised.value.message


def test_header_beats_body() -> None:
    """Both count, and where both speak the header is followed."""
    found = read(ANYBODY, {"session": "from body", "deadline-ms": 7, "patience_ms": "8"}, session="from header")
    assert (found.session, found.deadline_ms, found.patience_ms) == ("from header", 7, 8)


@pytest.mark.parametrize(
    "body, field, value",
    [
        ({"explain": True}, "explain", True),
        ({"local": False}, "local", LocalMode.OFF),
        ({"local": True}, "local", LocalMode.AUTO),
        ({"cache": False}, "cache", CacheMode.OFF),
        ({"cache": True}, "cache", CacheMode.ON),
        ({"continue": True}, "continuation", True),
        ({"continuation": True}, "continuation", True),
        ({"max_latency_ms": 5}, "max_latency_ms", 5),
    ],
)
def test_body_takes_values_of_json(body: dict[str, object], field: str, value: object) -> None:
    """Numbers, true and false as JSON has them; names with dash or underscore."""
    assert getattr(read(ANYBODY, body), field) == value


@pytest.mark.parametrize("body", [{"deadline-ms": True}, {"session": 5}, {"explain": 1}, {"route": []}, {"cache": {}}])
def test_body_with_values_of_the_wrong_type_is_refused(body: dict[str, object]) -> None:
    """Types are not guessed."""
    with pytest.raises(InvalidControl):
        read(ANYBODY, body)


def test_body_that_is_no_object_is_refused() -> None:
    """`"headgate": "fast"` is a mistake of the client, not ours."""
    with pytest.raises(InvalidControl, match="object"):
        read_controls([], "fast", ANYBODY)  # type: ignore[arg-type]


def test_control_given_twice_is_refused() -> None:
    """Two headers of one name have no meaning."""
    with pytest.raises(InvalidControl, match="twice"):
        read_controls([(b"x-headgate-agent", b"a"), (b"x-headgate-agent", b"b")], None, ANYBODY)


def test_tenant_is_for_admin_keys() -> None:
    """Nobody asks on behalf of another tenant without an admin key, in the header or in the body."""
    assert read(ADMIN, tenant="other").tenant == "other"
    with pytest.raises(InvalidControl, match="admin keys only"):
        read(tenant="other")
    with pytest.raises(InvalidControl, match="admin keys only"):
        read(ANYBODY, {"tenant": "other"})


def test_control_that_does_not_work_yet_is_accepted_and_reported() -> None:
    """It is checked like the others, kept, and named, so that `explain` can say so."""
    found = read(track="t", session="s", quality="high")
    assert found.inactive == ("track", "quality")
    assert found.track == "t"
    assert read(session="s", explain="1").inactive == ()


def test_body_may_be_shared_between_requests() -> None:
    """Reading changes nothing of what was given, and gives a frozen value."""
    body: dict[str, object] = {"agent": "a", "deadline_ms": 5}
    first = read(ANYBODY, body)
    assert body == {"agent": "a", "deadline_ms": 5}
    assert first == read(ANYBODY, body)
    with pytest.raises(AttributeError):
        first.agent = "b"  # type: ignore[misc]


def test_documentation_names_every_control_and_header() -> None:
    """The tables have one row for each, with the allowed values and whether it works now."""
    text = document_controls()
    rows = [line for line in text.splitlines() if re.match(r"\| `", line)]
    assert len(rows) == len(CONTROLS) + len(ANSWER_HEADERS)
    assert all(f"| `{name}` |" in text for name in NAMES)
    assert all(f"| `x-headgate-{name}` |" in text for name in ANSWERS)
    assert "interactive, standard, batch" in text
    assert sum("| later |" in row for row in rows) == sum(not control.is_active for control in CONTROLS)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(NAMES).map(lambda name: f"x-headgate-{name}".encode()) | st.binary(max_size=20),
            st.binary(max_size=20) | st.integers().map(lambda n: str(n).encode()),
        ),
        max_size=3,
    ),
    st.none()
    | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), st.none() | st.text(max_size=5) | st.integers()),
)
def test_nothing_raises_anything_but_invalid_control(
    headers: list[tuple[bytes, bytes]], body: dict[str, object] | None
) -> None:
    """Whatever a client sends is either controls or a 400 that can be shown."""
    refused = None
    try:
        assert msgspec.json.encode(read_controls(headers, body, ADMIN))
    except InvalidControl as error:
        refused = error
    assert refused is None or refused.message.isprintable()
