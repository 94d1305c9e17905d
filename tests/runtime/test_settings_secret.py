"""Secrets are never shown: by no way of printing, copying or storing."""

import copy
import json
import pickle

import msgspec
import pytest

from headgate.runtime.settings_secret import Secret

CANARY = "gsk_canary_5f3a9b"


class Holder(msgspec.Struct):
    """Something that has a secret among its fields."""

    secret: Secret


@pytest.mark.parametrize(
    "shown",
    [
        repr,
        str,
        "{}".format,
        "{!r}".format,
        "{:>40}".format,
        lambda secret: f"{secret}",
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031
        lambda secret: repr([secret, {"key": secret}]),
        lambda secret: repr(Holder(secret)),
        lambda secret: str(dir(secret)),
    ],
)
def test_printed_secret_is_masked(shown: object) -> None:
    """Every way to print it shows a mask."""
    assert callable(shown)
    assert CANARY not in shown(Secret(CANARY))


@pytest.mark.parametrize(
    "stored",
    [
        json.dumps,
        pickle.dumps,
        msgspec.json.encode,
        msgspec.msgpack.encode,
        lambda secret: msgspec.json.encode(Holder(secret)),
        lambda secret: pickle.dumps([secret]),
        vars,
    ],
)
def test_stored_secret_is_refused(stored: object) -> None:
    """Nothing serialises it: better an error than a leak."""
    assert callable(stored)
    with pytest.raises(TypeError) as raised:
        stored(Secret(CANARY))
    assert CANARY not in str(raised.value)


def test_secret_is_a_value() -> None:
    """Equal texts are equal and hash alike, copies are the same, the text itself comes out only on demand."""
    secret = Secret(CANARY)
    assert secret == Secret(CANARY)
    assert secret != Secret("other")
    assert secret != CANARY
    assert hash(secret) == hash(Secret(CANARY))
    assert copy.deepcopy(secret) is secret
    assert copy.copy(secret) is secret
    assert secret.reveal() == CANARY
    with pytest.raises(AttributeError):
        secret._text = "changed"
