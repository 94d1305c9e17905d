"""Owns `[admin]` of headgate.toml: where an operator's listener is, and the token that opens it."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from headgate.runtime.settings_secret import Secret

ADMIN_PORT: Final = 8081
MIN_TOKEN_CHARS: Final = 16


class AdminSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[admin]`: a listener of its own for operators: metrics, the cache, health. No gateway key opens it."""

    enabled: bool = True
    """False: `headgate serve` does not listen for operators at all."""
    host: Annotated[str, Meta(pattern=r"^[A-Za-z0-9.:_%\[\]-]{1,253}$")] = "127.0.0.1"
    """Beyond loopback only with a token of your own."""
    port: Annotated[int, Meta(ge=0, le=65_535)] = ADMIN_PORT
    """0 means any free port. A port that is taken is told, and the gateway serves without this listener."""
    token: Secret | None = None
    """What operators send as `Authorization: Bearer ...`, at least 16 characters; better given as HEADGATE_ADMIN_TOKEN.
    Left out: made anew at each start, and left for this user's `headgate` commands in the folder for state."""
