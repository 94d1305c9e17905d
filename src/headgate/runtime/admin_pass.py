"""Owns the passes by which this user's commands find a running admin listener: its address and a token made at start.

A pass is a file that nobody else can read, in the user's folder for state, named by the port. A token that an operator
chose is written nowhere: who chose it has it.
"""

import os
import secrets
from pathlib import Path
from typing import Final

import msgspec

from headgate.runtime.settings_secret import Secret

TOKEN_BYTES: Final = 32
TOKEN_PREFIX: Final = "hga_"
FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600
PASS_BYTES_MAX: Final = 4_096


class AdminPass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a pass holds. `process` is the one that listens there."""

    url: str
    token: str
    process: int

    def __repr__(self) -> str:
        return f"AdminPass(url={self.url!r}, process={self.process})"


def new_token() -> Secret:
    """A token that nobody can guess."""
    return Secret(TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES))


def usual_folder() -> Path:
    """Where passes lie."""
    import platformdirs

    return platformdirs.user_state_path("headgate")


def pass_path(folder: Path, port: int) -> Path:
    """The file of the listener on a port."""
    return folder / f"admin-{port}.json"


def write_pass(folder: Path, port: int, url: str, token: Secret) -> Path:
    """Leave a pass, in place of an older one of this port. Raises OSError."""
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    path = pass_path(folder, port)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        os.write(file, msgspec.json.encode(AdminPass(url, token.reveal(), os.getpid())))
    finally:
        os.close(file)
    fresh.replace(path)
    return path


def read_pass(path: Path) -> AdminPass | None:
    """The pass in a file; None where there is none that can be used."""
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(PASS_BYTES_MAX), type=AdminPass)
    except (OSError, msgspec.DecodeError):
        return None


def drop_pass(path: Path) -> None:
    """Take a pass away, unless another process has left its own there."""
    held = read_pass(path)
    if held is not None and held.process == os.getpid():
        path.unlink(missing_ok=True)
