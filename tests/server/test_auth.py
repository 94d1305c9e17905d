"""The door: who comes in with which headers, who does not, and that no key is ever repeated."""

import datetime
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.domain.answer import RefusalCode
from headgate.runtime.keys import Scope, VirtualKeyRow, new_virtual_key
from headgate.runtime.settings import AuthSettings, Passthrough, Secret, ServerSettings
from headgate.server.auth import Denied, Door, Identity

NOON = datetime.datetime(2027, 1, 31, 12, tzinfo=datetime.UTC)
KEY, ROW = new_virtual_key(random.Random(1).randbytes, tenant="team", name="first", scopes=(Scope.CHAT,))
ADMIN_KEY, ADMIN_ROW = new_virtual_key(random.Random(2).randbytes, tenant="ops", admin=True)
OLD_KEY, OLD_ROW = new_virtual_key(random.Random(3).randbytes, expires=NOON)
STRANGER_KEY, _ = new_virtual_key(random.Random(4).randbytes)
OWN = "gsk_own0123456789"


def door(
    *rows: VirtualKeyRow,
    passthrough: Passthrough = Passthrough.WITH_KEY,
    pepper: Secret | None = None,
    **server: object,
) -> Door:
    auth = AuthSettings(virtual_keys=rows, passthrough=passthrough, pepper=pepper)
    return Door(auth, ServerSettings(**server), NOON.timestamp)  # type: ignore[arg-type]


def headers(**given_headers: str) -> dict[bytes, bytes]:
    both = {"host": "127.0.0.1:8080", **given_headers}
    return {name.replace("_", "-").encode(): value.encode() for name, value in both.items()}


@pytest.mark.parametrize(
    "given_headers, tenant",
    [
        ({"authorization": f"Bearer {KEY}"}, "team"),
        ({"authorization": f"bearer  {KEY} "}, "team"),
        ({"x_api_key": KEY}, "team"),
        ({"x_api_key": ADMIN_KEY}, "ops"),
        ({"x_api_key": KEY, "authorization": "Bearer dummy"}, "team"),
        ({"x_api_key": KEY, "authorization": "Basic eDp5"}, "team"),
        ({"x_api_key": KEY, "authorization": f"Bearer {OWN}"}, "team"),
        ({"authorization": f"Bearer {KEY}", "x_api_key": "anything"}, "team"),
        ({}, None),
        ({"authorization": "Bearer "}, None),
        ({"authorization": KEY}, None),
        ({"authorization": "Bearer sk-other"}, None),
        ({"authorization": f"Bearer {OWN}"}, None),
        ({"authorization": f"Bearer {STRANGER_KEY}"}, None),
        ({"authorization": f"Bearer {KEY}x"}, None),
        ({"authorization": f"Bearer {KEY[:-1]}"}, None),
        ({"authorization": f"Bearer {OLD_KEY}"}, None),
        ({"authorization": f"Bearer {ROW.hash}"}, None),
        ({"x_api_key": STRANGER_KEY, "authorization": f"Bearer {OWN}"}, None),
        ({"x_api_key": OWN}, None),
        ({"x_api_key": ""}, None),
    ],
)
def test_virtual_key_opens_the_door(given_headers: dict[str, str], tenant: str | None) -> None:
    """A valid key, in either header, says whose request it is; all else is a 401 that helps and repeats no key."""
    found = door(ROW, ADMIN_ROW, OLD_ROW).authenticate(headers(**given_headers), "10.0.0.1")
    if tenant is not None:
        assert isinstance(found, Identity)
        assert found.tenant == tenant
        assert found.admin == (tenant == "ops")
        return
    assert isinstance(found, Denied)
    assert (found.status, found.code) == (401, RefusalCode.INVALID_API_KEY)
    assert "key" in found.message
    assert not any(word in found.message for value in given_headers.values() for word in value.split() if len(word) > 7)


@pytest.mark.parametrize(
    "passthrough, given_headers, is_let_in, uses_own_key",
    [
        (Passthrough.WITH_KEY, {"x_api_key": KEY, "authorization": f"Bearer {OWN}"}, True, True),
        (Passthrough.WITH_KEY, {"x_api_key": KEY, "authorization": "Bearer other"}, True, False),
        (Passthrough.WITH_KEY, {"authorization": f"Bearer {KEY}"}, True, False),
        (Passthrough.WITH_KEY, {"authorization": f"Bearer {OWN}"}, False, False),
        (Passthrough.ALWAYS, {"authorization": f"Bearer {OWN}"}, True, True),
        (Passthrough.ALWAYS, {"x_api_key": KEY, "authorization": f"Bearer {OWN}"}, True, True),
        (Passthrough.ALWAYS, {"x_api_key": STRANGER_KEY, "authorization": f"Bearer {OWN}"}, False, False),
        (Passthrough.ALWAYS, {"authorization": "Bearer other"}, False, False),
        (Passthrough.ALWAYS, {"authorization": "Bearer gsk_a b"}, False, False),
        (Passthrough.ALWAYS, {"authorization": "Bearer gsk_" + "x" * 600}, False, False),
        (Passthrough.NEVER, {"x_api_key": KEY, "authorization": f"Bearer {OWN}"}, True, False),
        (Passthrough.NEVER, {"authorization": f"Bearer {OWN}"}, False, False),
    ],
)
def test_callers_own_key_is_used_as_the_settings_say(
    passthrough: Passthrough, given_headers: dict[str, str], is_let_in: bool, uses_own_key: bool
) -> None:
    """Only beside a valid gateway key, or alone where the operator allows that, or never."""
    found = door(ROW, passthrough=passthrough).authenticate(headers(**given_headers))
    assert isinstance(found, Identity) == is_let_in
    if isinstance(found, Identity):
        assert (found.own_key == Secret(OWN)) == uses_own_key
        assert (found.own_key_id is not None) == uses_own_key
        assert OWN not in repr(found)


def test_own_keys_are_told_apart_without_being_shown() -> None:
    """One id for one key, another for another; with a pepper, ids that nobody else can compute."""

    def name(secret: str, pepper: Secret | None = None) -> str | None:
        found = door(ROW, passthrough=Passthrough.ALWAYS, pepper=pepper).authenticate(
            headers(authorization=f"Bearer {secret}")
        )
        assert isinstance(found, Identity)
        assert found.tenant == f"own-{found.own_key_id}"
        return found.own_key_id

    names = [name(OWN), name(OWN + "x"), name(OWN, Secret("p")), name(OWN, Secret("q"))]
    assert len(set(names)) == 4
    assert name(OWN) == names[0]
    assert not any(OWN[4:] in str(each) for each in names)


@pytest.mark.parametrize("authorization", ["", "Bearer x", f"Bearer {OWN}", f"Bearer {STRANGER_KEY}", "Basic eDp5"])
def test_open_door_ignores_authorization(authorization: str) -> None:
    """SDKs must send some key: at an open door any will do, and none is used upstream."""
    found = door().authenticate(headers(authorization=authorization), "127.0.0.1")
    assert isinstance(found, Identity)
    assert (found.tenant, found.own_key, found.admin) == ("local", None, False)


@pytest.mark.parametrize(
    "host, is_let_in",
    [
        ("127.0.0.1:8080", True),
        ("localhost:8080", True),
        ("LOCALHOST", True),
        ("localhost.", True),
        ("[::1]:8080", True),
        ("127.9.9.9:1", True),
        ("app.localhost:3000", True),
        ("", False),
        ("evil.example", False),
        ("evil.example:8080", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1@evil.example", False),
        ("evil.example#127.0.0.1", False),
        ("0.0.0.0:8080", False),
        ("192.168.0.9:8080", False),
        ("[::ffff:10.0.0.1]", False),
        ("127.1", False),
        ("2130706433", False),
        ("localhost:80:80", False),
        ("[::1", False),
    ],
)
def test_open_door_answers_to_names_of_its_own_machine_only(host: str, is_let_in: bool) -> None:
    """A web page that points a name of its own at 127.0.0.1 is turned away (DNS rebinding)."""
    found = door().authenticate(headers(host=host), "127.0.0.1")
    assert isinstance(found, Identity) == is_let_in
    if isinstance(found, Denied):
        assert (found.status, found.code) == (403, RefusalCode.FORBIDDEN)
        assert found.refusal.status == 403


@pytest.mark.parametrize(
    "client, is_let_in", [("127.0.0.1", True), ("::1", True), (None, True), ("10.0.0.9", False), ("", False)]
)
def test_open_door_is_for_peers_on_its_own_machine(client: str | None, is_let_in: bool) -> None:
    """Whoever was brought here from another machine, by a proxy say, needs a key."""
    assert isinstance(door().authenticate(headers(), client), Identity) == is_let_in


def test_host_does_not_matter_where_the_operator_insists_on_an_open_door() -> None:
    """`insecure_open` beyond loopback means: everybody, by any name."""
    found = door(host="0.0.0.0", insecure_open=True).authenticate(headers(host="any.example"), "10.0.0.9")
    assert isinstance(found, Identity)


def test_host_does_not_matter_where_keys_are_asked_for() -> None:
    """A key cannot be guessed by a web page, so a door with keys serves every name."""
    found = door(ROW).authenticate(headers(host="any.example", x_api_key=KEY), "10.0.0.9")
    assert isinstance(found, Identity)


def test_scopes_bound_what_a_key_may_do() -> None:
    """A key with scopes may do those only; one without may do everything."""
    both = door(ROW, ADMIN_ROW)
    bound, free = (both.authenticate(headers(x_api_key=key)) for key in (KEY, ADMIN_KEY))
    assert isinstance(bound, Identity)
    assert isinstance(free, Identity)
    assert (bound.may(Scope.CHAT), bound.may(Scope.FILES), free.may(Scope.FILES)) == (True, False, True)


@given(
    st.dictionaries(
        st.sampled_from([b"authorization", b"x-api-key", b"host"]),
        st.binary(max_size=40) | st.binary(max_size=20).map(lambda raw: b"Bearer hg_" + raw),
    )
)
def test_no_header_raises_or_opens_a_locked_door(given_headers: dict[bytes, bytes]) -> None:
    """Whatever bytes come, without a key nobody comes in and nothing breaks."""
    assert isinstance(door(ROW).authenticate(given_headers, "10.0.0.9"), Denied)
    assert isinstance(door().authenticate(given_headers, "127.0.0.1"), Identity | Denied)
