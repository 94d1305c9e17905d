"""Owns where commands look for a running gateway when no address is given."""

import os
from typing import Final

from headgate.cli.terminal import Failed

URL: Final = "HEADGATE_BASE_URL"
PORT: Final = "HEADGATE_PORT"
USUAL_PORT: Final = 8080
BASE_URL_HELP: Final = f"The gateway ({URL}, else by {PORT} on this machine). [default: http://127.0.0.1:{USUAL_PORT}]"


def base_url(named: str | None) -> str:
    """The gateway's root: as it is named, else by the environment that `serve` reads too. Raises Failed."""
    if found := named or os.environ.get(URL, "").strip():
        return found
    return f"http://127.0.0.1:{port_of(PORT) or USUAL_PORT}"


def port_of(variable: str) -> int | None:
    """The port that a variable names; None where it names none, or 0, which may be any, or where a container link has
    put an address there. Raises Failed."""
    text = os.environ.get(variable, "").strip()
    if not text or "://" in text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65_535):
        raise Failed(f"{variable} is {text[:20]!r}: write a port from 1 to 65535.", 2)
    return int(text) or None


def no_answer(url: str, error: object) -> Failed:
    """Nobody answers there."""
    return Failed(f"{url} gave no answer ({error}). Is the gateway running? --base-url or {URL} names another address.")
