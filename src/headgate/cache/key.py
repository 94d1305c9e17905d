"""Owns the key of a request: what may be answered by the same answer has the same key, and nothing else has.

A key is an HMAC, under a secret of whoever shares the entry, of the request in canonical form: names in order, what
cannot change the answer left out, the models that may serve, and the version of this form. Who may share is part of the
secret, so entries of different tenants cannot meet even where they lie in one place.
"""

import hmac
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from headgate.cache.rules import CacheScope

FORM_VERSION: Final = 1
"""Of the canonical form: what was kept under another one is never found again."""
KEY_CHARS: Final = 40
SPACES_REMEMBERED: Final = 4_096

LEFT_OUT: Final[Mapping[str, str]] = {
    "model": "the models that may serve stand in the key instead, whatever name they were asked by",
    "max_tokens": "stands in the key as the maximum that was asked for, whichever of the two names it had",
    "max_completion_tokens": "as max_tokens",
    "stream": "an answer is given out whole or as a stream, however it was made",
    "stream_options": "as stream: usage is sent where it is asked for",
    "n": "one choice is all that is served",
    "user": "names who asks; scope `user` keeps users apart",
    "safety_identifier": "as user",
    "metadata": "labels for the provider's own records",
    "store": "asks the provider to keep the answer",
    "service_tier": "how fast and at what price, not what",
    "prompt_cache_key": "where the provider looks for a prompt that it has seen",
    "prompt_cache_retention": "as prompt_cache_key",
    "headgate": "controls of ours; those that change an answer (route, tier) show in the models",
}
"""Fields of a chat that cannot change its answer, and why."""

_NUMBERS: Final = frozenset({"temperature", "top_p", "frequency_penalty", "presence_penalty"})
"""Fields whose 0 is 0.0; elsewhere a model reads the digits as they are written."""
_NULL: Final = b"null"
_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode
_encode_sorted: Final = msgspec.json.Encoder(order="sorted").encode


class Space(msgspec.Struct, frozen=True, gc=False):
    """Whose entries these are: a name that stands in each of them, and the secret that their keys are made with."""

    name: str
    secret: bytes


@lru_cache(maxsize=SPACES_REMEMBERED)
def space_of(root: bytes, scope: CacheScope, tenant: str, user: str | None) -> Space | None:
    """The space of a request; None for scope `user` without a user. `root` is this installation's secret."""
    parts = [scope.value]
    if scope is not CacheScope.SHARED:
        parts.append(tenant)
    if scope is CacheScope.USER:
        if not user:
            return None
        parts.append(user)
    name = _encode(parts).decode()
    return Space(name, hmac.digest(root, b"headgate cache space v1 " + name.encode(), "sha256"))


def canonical(fields: Mapping[str, bytes | msgspec.Raw], models: Sequence[str], ask_tokens: int | None) -> bytes | None:
    """A body's fields (their raw JSON by name) in the one form that all equal requests have; None where there is none,
    because an object has two values for one name and readers differ in which they take, or a value that cannot be read.

    Objects are equal whatever the order of their names; fields that are null are fields that are not there.
    """
    try:
        return _canonical(fields, models, ask_tokens)
    except (_Twice, msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _canonical(fields: Mapping[str, bytes | msgspec.Raw], models: Sequence[str], ask_tokens: int | None) -> bytes:
    parts = [_encode((FORM_VERSION, list(models), ask_tokens))]
    for name in sorted(fields.keys() - LEFT_OUT.keys()):
        raw = bytes(fields[name])
        if raw == _NULL:
            continue
        value = _decode(raw)
        if name in _NUMBERS and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        elif _encode(value) != raw:  # it is not what we would write: so look at every name
            json.loads(raw, object_pairs_hook=_once, parse_int=str, parse_float=str)
        parts += (_encode(name), _encode_sorted(value))
    return b"\n".join(parts)


def key_of(space: Space, form: bytes) -> str:
    """The key of a canonical form in a space."""
    return hmac.digest(space.secret, form, "sha256").hex()[:KEY_CHARS]


class _Twice(Exception):
    """An object has two values for one name."""


def _once(pairs: Sequence[tuple[str, object]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise _Twice
