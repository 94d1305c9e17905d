"""What lies in object storage that is no entry of ours, what is taken away from a folder, and what a place may be."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.store.s3_server import S3Server, s3_server

from headgate.cache.tier import TierDown
from headgate.store.folder_sweep import HALF_WRITTEN_S, Sweeper, Swept, sweep
from headgate.store.object_tier import (
    HEAD,
    MAGIC,
    MAX_ENTRY_BYTES,
    InvalidPlace,
    ObjectPlace,
    ObjectTier,
    mark_path,
    place_of,
    read_mark_path,
)

NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    """One server for all tests of this file."""
    with s3_server() as server:
        yield server


def tier_in(folder: Path, now: float = NOW) -> ObjectTier:
    """A tier in a folder, at a time that stands still."""
    return ObjectTier(place_of(str(folder)), wall=lambda: now)


def files_of(folder: Path) -> list[Path]:
    """All entries' files."""
    return sorted(path for path in (folder / "entries").rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "poison",
    [
        b"",
        b"\x00",
        os.urandom(4096),
        b"HGo2" + b"\xff" * 100,
        HEAD.pack(MAGIC, 2**60),
        HEAD.pack(MAGIC, 2**60)[:-1],
        HEAD.pack(MAGIC, 2**60) + b"x" * (MAX_ENTRY_BYTES + 1),
    ],
    ids=["empty", "a byte", "random", "another version", "nothing but a head", "half a head", "beyond all bounds"],
)
async def test_object_that_is_no_entry(tmp_path: Path, poison: bytes) -> None:
    """What no gateway of this version wrote is a miss and counted, and the next entry replaces it."""
    tier = tier_in(tmp_path)
    await tier.put("key", b"entry", 60.0)
    [path] = files_of(tmp_path)
    path.write_bytes(poison)
    assert await tier.get("key") is None
    assert tier.poisoned == 1
    await tier.put("key", b"entry", 60.0)
    assert await tier.get("key") == b"entry"


async def test_bucket_that_is_not_there(s3: S3Server) -> None:
    """A missing bucket is no miss: the tier is down and says why, without its URL."""
    tier = ObjectTier(place_of(s3.url("p", bucket="elsewhere")), wall=lambda: NOW)
    for work in (tier.get("key"), tier.put("key", b"entry", 60.0), tier.mark_void("all", NOW), tier.marks()):
        with pytest.raises(TierDown, match=r"^there is no such bucket") as told:
            await work
        assert told.value.__cause__ is None


async def test_nobody_listens_at_the_endpoint() -> None:
    """Down, in words that show neither the address nor the secret."""
    place = place_of("s3://b/p?endpoint=http://127.0.0.1:1&region=us-east-1&access_key_id=me&secret_access_key=hush")
    with pytest.raises(TierDown) as told:
        await ObjectTier(place, wall=lambda: NOW).get("key")
    assert str(told.value) == "unreachable"


async def test_two_prefixes_of_a_bucket(s3: S3Server) -> None:
    """Gateways with prefixes of their own see nothing of each other, marks included."""
    one, other = (ObjectTier(place_of(s3.url(prefix)), wall=lambda: NOW) for prefix in ("one", "other"))
    await one.put("key", b"entry", 60.0)
    await one.mark_void("all", NOW)
    assert await other.get("key") is None
    assert await other.marks() == {}


async def test_sweep_takes_what_is_over(tmp_path: Path) -> None:
    """Expired entries go, others stay, and marks are not touched."""
    tier = tier_in(tmp_path)
    for n in range(30):
        await tier.put(f"key-{n}", b"entry", 10.0 if n % 3 else 100.0)
    await tier.mark_void("all", NOW)
    swept = sweep(tmp_path, wall_s=NOW + 50.0, max_bytes=10**9)
    assert (swept.expired, swept.crowded_out, swept.kept) == (20, 0, 10)
    assert len(files_of(tmp_path)) == 10
    assert await tier_in(tmp_path, NOW + 50.0).get("key-3") == b"entry"
    assert await tier.marks() == {"all": NOW}


async def test_sweep_keeps_the_newest_within_the_bound(tmp_path: Path) -> None:
    """A folder that is too large loses its oldest entries, until a tenth of the bound is free."""
    tier = tier_in(tmp_path)
    for n in range(40):
        await tier.put(f"key-{n}", bytes(1000 - HEAD.size), 1e6)
        newest = max(files_of(tmp_path), key=lambda path: path.stat().st_ctime_ns)
        os.utime(newest, (n, n))
    swept = sweep(tmp_path, wall_s=NOW, max_bytes=20_000)
    assert swept == Swept(expired=0, crowded_out=22, kept=18, kept_bytes=18_000)
    kept = [n for n in range(40) if await tier.get(f"key-{n}") is not None]
    assert kept == list(range(22, 40))


async def test_sweep_of_what_is_no_entry(tmp_path: Path) -> None:
    """A file that may still be half written stays; an old one that is no entry goes."""
    branch = tmp_path / "entries" / "ab"
    branch.mkdir(parents=True)
    for name, age_s in (("new", 0.0), ("old", HALF_WRITTEN_S + 1.0)):
        (branch / name).write_bytes(b"no entry")
        os.utime(branch / name, (NOW - age_s, NOW - age_s))
    sweep(tmp_path, wall_s=NOW, max_bytes=10**9)
    assert [path.name for path in files_of(tmp_path)] == ["new"]


async def test_sweeper_goes_on(tmp_path: Path) -> None:
    """While a gateway runs its folder is swept again and again, and no more once it has stopped."""
    tier = tier_in(tmp_path)
    sweeper = Sweeper(tmp_path, wall=lambda: NOW + 50.0, max_bytes=10**9)
    sweeper.start(first_s=0.0, every_s=0.01)
    for n in range(2):
        await tier.put(f"key-{n}", b"entry", 10.0)
        async with asyncio.timeout(10):
            while files_of(tmp_path):  # noqa: ASYNC110 - a sweep announces nothing
                await asyncio.sleep(0.005)
    await sweeper.stop()
    await tier.put("key", b"entry", 10.0)
    await asyncio.sleep(0.05)
    assert len(files_of(tmp_path)) == 1


def test_sweep_of_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """Nothing to do."""
    assert sweep(tmp_path / "nowhere", wall_s=NOW, max_bytes=1) == Swept()


async def test_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Answers are nobody else's business: a folder that the tier makes is readable by its owner only."""
    await tier_in(tmp_path / "made" / "here").put("key", b"entry", 60.0)
    assert (tmp_path / "made" / "here").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "text, place",
    [
        ("/var/cache/answers", ObjectPlace(Path("/var/cache/answers"))),
        ("answers", ObjectPlace(Path("answers"))),
        ("file:///var/cache/answers", ObjectPlace(Path("/var/cache/answers"))),
        ("s3://bucket/a/prefix", ObjectPlace(url="s3://bucket/a/prefix")),
        ("gs://bucket", ObjectPlace(url="gs://bucket")),
        ("az://container/x", ObjectPlace(url="az://container/x")),
        ("s3://b/p?region=eu-1", ObjectPlace(url="s3://b/p", options={"region": "eu-1"})),
    ],
)
def test_places(text: str, place: ObjectPlace) -> None:
    """Folders and URLs, and what stands behind them."""
    assert place_of(text) == place


@pytest.mark.parametrize(
    "text", ["http://host/x", "ftp://host/x", "s3:///prefix", "file://host/x", "s3://b/p?colour=red"]
)
def test_no_places(text: str) -> None:
    """What cannot be a place is refused with what can."""
    with pytest.raises(InvalidPlace):
        place_of(text)


@given(st.text(min_size=1, max_size=300), st.floats(0, 4e9))
def test_marks_as_names(mark: str, before: float) -> None:
    """Any mark and time is a name that comes back, none of whose parts a file system refuses."""
    mark = mark.encode(errors="ignore").decode() or "all"
    path = mark_path(mark, before)
    assert all(0 < len(part) <= 255 and part == part.lower() for part in path.split("/"))
    found = read_mark_path(path)
    assert found is not None
    assert found[0] == mark
    assert abs(found[1] - before) < 1e-6
