"""Owns the cache tier in object storage: a folder, or S3, GCS or Azure by URL. Everything in it is one small object.

Object stores end nothing by itself, so each entry carries the time of its end before its bytes; whoever reads it later
finds nothing. What lies there beyond its time is removed from a folder by `store/folder_sweep.py`, and from a bucket by
a lifecycle rule of the operator. A mark is an empty object whose name says everything, so that two processes can never
write over each other's, and one listing reads them all.
"""

import base64
import contextlib
import errno
import hashlib
import importlib.util
import os
import struct
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar, cast
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

import msgspec

from headgate.cache.tier import TierDown, TierName
from headgate.domain.time import Seconds
from headgate.store.extras import MissingExtra

if TYPE_CHECKING:
    from obstore.store import ObjectStore

T = TypeVar("T")

ENTRIES: Final = "entries"
MARKS: Final = "marks"
HEAD: Final = struct.Struct(">4sQ")
"""Before an entry's bytes: whose it is, and the millisecond since 1970 at which it is over."""
MAGIC: Final = b"HGo1"
MAX_ENTRY_BYTES: Final = 8 * 1024 * 1024
MAX_MARKS: Final = 10_000
MAX_MARKS_REMOVED: Final = 100
"""Marks that a newer one replaced, or that matter no more, taken away by one look at all."""
MARKS_MATTER_S: Final[Seconds] = 31 * 86_400.0
LISTED_EVERY_S: Final[Seconds] = 30.0
"""How often the marks of a bucket are listed, which is paid for; who asks sooner is told what the last list said."""
SEGMENT_CHARS: Final = 200
"""Of a name between slashes; file systems take 255."""
CONNECT_S: Final = 1
REQUEST_S: Final = 5
"""What nobody waits for any more ends by itself then."""
REMOTE: Final = frozenset({"s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl"})
NO_BUCKET: Final = "NoSuchBucket"
"""What S3 says of a bucket that is not there, for a look-up as well."""
_OPTIONS: Final = frozenset({"endpoint", "region", "access_key_id", "secret_access_key"})


class InvalidPlace(ValueError):
    """A place for objects that cannot be one. The text never quotes the URL, which may hold a secret."""


class ObjectPlace(msgspec.Struct, frozen=True):
    """Where objects lie. Exactly one of `folder` and `url`; `options` were the query of the URL."""

    folder: Path | None = None
    url: str = ""
    options: Mapping[str, str] = {}


def place_of(text: str) -> ObjectPlace:
    """A folder's path, `file:///path`, or `s3://bucket/prefix`, `gs://...`, `az://container/prefix`; a bucket's URL may
    end in `?endpoint=http://host:9000&region=...`. Raises InvalidPlace."""
    scheme, colon, _ = text.partition("://")
    if not colon:
        return ObjectPlace(Path(text).expanduser())
    parts = urlsplit(text)
    if scheme == "file":
        if parts.netloc not in {"", "localhost"} or not parts.path:
            raise InvalidPlace("a file URL has three slashes, as file:///var/cache/headgate")
        return ObjectPlace(Path(unquote(parts.path)))
    if scheme not in REMOTE or not parts.netloc:
        raise InvalidPlace("write a folder, or s3://bucket/prefix, gs://bucket/prefix or az://container/prefix")
    options = dict(parse_qsl(parts.query))
    if unknown := options.keys() - _OPTIONS:
        known = ", ".join(sorted(_OPTIONS))
        raise InvalidPlace(f"there is no option {min(unknown)[:50]!r} of an object store; there are {known}")
    return ObjectPlace(url=urlunsplit((scheme, parts.netloc, parts.path, "", "")), options=options)


class ObjectTier:
    """Implements `Tier` at a place. Raises `MissingExtra` without the object extra, `InvalidPlace` where the store
    cannot be made of the place, `OSError` where the folder cannot be made. `wall` gives seconds since 1970."""

    name = TierName.OBJECT

    def __init__(self, place: ObjectPlace, *, wall: Callable[[], float]) -> None:
        self._store = _store(place)
        self._wall = wall
        self._relist_s = LISTED_EVERY_S if place.folder is None else 0.0
        self._listed_at = float("-inf")
        self._newest: dict[str, float] = {}
        self.poisoned = 0

    async def get(self, key: str) -> bytes | None:
        """The entry, or None; what no gateway wrote there is counted and is None."""
        found = await self._do(self._read(_path(key)))
        if found is None:
            return None
        if len(found) <= HEAD.size or not found.startswith(MAGIC) or len(found) > HEAD.size + MAX_ENTRY_BYTES:
            self.poisoned += 1
            return None
        _, over_ms = HEAD.unpack_from(found)
        return found[HEAD.size :] if self._wall() * 1000 < over_ms else None

    async def put(self, key: str, entry: bytes, ttl_s: Seconds) -> None:
        if 0 < len(entry) <= MAX_ENTRY_BYTES and ttl_s > 0:
            head = HEAD.pack(MAGIC, int((self._wall() + ttl_s) * 1000))
            await self._do(self._store.put_async(_path(key), head + entry))

    async def delete(self, key: str) -> bool:
        path = _path(key)
        if await self._do(self._exists(path)):
            await self._do(self._gone(path))
            return True
        return False

    async def mark_void(self, mark: str, before_wall_s: float) -> None:
        await self._do(self._store.put_async(mark_path(mark, before_wall_s), b"\n"))
        self._newest[mark] = max(before_wall_s, self._newest.get(mark, before_wall_s))

    async def marks(self) -> Mapping[str, float]:
        """The newest of each mark. Older ones and those that matter no more are taken away on the way, some at a time;
        of more than `MAX_MARKS` objects the rest is not read."""
        now = self._wall()
        least = now - MARKS_MATTER_S
        if now - self._listed_at >= self._relist_s or now < self._listed_at:
            paths = await self._do(self._listed(MARKS))
            newest: dict[str, float] = {}
            for mark, before in filter(None, map(read_mark_path, paths)):
                newest[mark] = max(before, newest.get(mark, before))
            self._listed_at, self._newest = now, newest
            for path in list(_replaced(paths, newest, least))[:MAX_MARKS_REMOVED]:
                await self._do(self._gone(path))
        return {mark: before for mark, before in self._newest.items() if before >= least}

    async def close(self) -> None:
        """Nothing is held that does not end by itself."""

    async def _read(self, path: str) -> bytes | None:
        try:
            found = await self._store.get_async(path)
        except FileNotFoundError as problem:
            if NO_BUCKET in str(problem):
                raise
            return None
        if found.meta["size"] > HEAD.size + MAX_ENTRY_BYTES:
            return b"?"
        return bytes(await found.bytes_async())

    async def _exists(self, path: str) -> bool:
        try:
            await self._store.head_async(path)
        except FileNotFoundError:
            return False
        return True

    async def _gone(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):  # somebody else was quicker
            await self._store.delete_async(path)

    async def _listed(self, prefix: str) -> list[str]:
        paths: list[str] = []
        async for chunk in self._store.list(prefix, chunk_size=1000):
            paths += [meta["path"] for meta in chunk]
            if len(paths) >= MAX_MARKS:
                break
        return paths

    async def _do(self, work: Awaitable[T]) -> T:
        """Foreign words about a failure may hold an address with a secret, so they go no further."""
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

        try:
            return await work
        except (PermissionDeniedError, UnauthenticatedError, PermissionError):
            raise TierDown("access denied") from None
        except (BaseError, OSError, ValueError) as problem:
            missing = isinstance(problem, FileNotFoundError) or NO_BUCKET in str(problem)
            raise TierDown("there is no such bucket or folder" if missing else "unreachable") from None


def _store(place: ObjectPlace) -> "ObjectStore":
    try:
        from obstore.exceptions import BaseError
        from obstore.store import LocalStore, from_url
    except ImportError:
        raise MissingExtra("object", "a cache tier in object storage") from None
    if place.folder is not None:
        place.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return LocalStore(place.folder.absolute())
    # Plain HTTP is spoken only to an endpoint that says so, in the URL or in the environment.
    client = {"timeout": f"{REQUEST_S}s", "connect_timeout": f"{CONNECT_S}s", "allow_http": True}
    make = cast("Callable[..., ObjectStore]", from_url)  # its overloads are by store, and which one the URL says
    try:
        return make(
            place.url, config=dict(place.options) or None, client_options=client, retry_config={"max_retries": 0}
        )
    except (BaseError, ValueError, OSError):
        fix = "give it an account, a region and credentials by AWS_*, GOOGLE_* or AZURE_* in the environment"
        raise InvalidPlace(f"no object store can be made of this URL and its options: {fix}") from None


def check_place(place: ObjectPlace) -> None:
    """Raises what making a tier there would, and makes no folder."""
    if place.folder is None:
        _store(place)
        return
    if importlib.util.find_spec("obstore") is None:
        raise MissingExtra("object", "a cache tier in object storage")
    folder = place.folder.absolute()
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))


def _path(key: str) -> str:
    """Where a key's entry lies: any text is a key, and in no folder of a tree are too many."""
    name = hashlib.sha256(key.encode()).hexdigest()
    return f"{ENTRIES}/{name[:2]}/{name[2:]}"


def mark_path(mark: str, before_wall_s: float) -> str:
    """The name of a mark's object: the mark in lower-case base 32, which every file system keeps apart, and the
    microsecond since 1970."""
    text = base64.b32hexencode(mark.encode()).decode().rstrip("=").lower()
    parts = [text[at : at + SEGMENT_CHARS] for at in range(0, len(text), SEGMENT_CHARS)]
    return "/".join([MARKS, *parts, f"{round(before_wall_s * 1_000_000):020d}"])


def read_mark_path(path: str) -> tuple[str, float] | None:
    """The way back; None for what is no mark's name."""
    _, *parts, before = path.split("/")
    text = "".join(parts).upper()
    try:
        mark = base64.b32hexdecode(text + "=" * (-len(text) % 8)).decode()
        return (mark, int(before) / 1_000_000) if mark else None
    except ValueError:
        return None


def _replaced(paths: Iterable[str], newest: Mapping[str, float], least: float) -> Iterable[str]:
    for path in paths:
        found = read_mark_path(path)
        if found is not None and found[1] < max(least, newest[found[0]]):
            yield path
