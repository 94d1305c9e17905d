"""`gate.pack`: prompts that fit, made of texts, files and messages, and read by the model that is told."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.running_gateway import KEYS, QUICK, SHORT

from headgate import Headgate, HeadgateSync, InvalidRequest
from headgate.catalog import Model
from headgate.decide.fitting import Larger, Reader, reader
from headgate.runtime.packing import State
from headgate.runtime.settings import Settings, load_settings
from headgate.sdk.collecting import collect
from headgate.simulator.http import serve_simulator
from headgate.simulator.settings import Organisation, SimulatorSettings

SMALL, LARGE = "openai/gpt-oss-20b", "openai/gpt-oss-120b"


def words(count: int, about: str = "word") -> str:
    return " ".join(f"{about}{number}" for number in range(count))


def settings_of(folder: Path, url: str = "http://127.0.0.1:9", *, window: int = 4_000) -> Settings:
    """The small model has a small window."""
    path = folder / "headgate.toml"
    path.write_text(
        f'[models."{SMALL}"]\ncontext_window_tokens = {window}\nmax_output_tokens = 2000\n'
        f'[organisations.sim]\nplan = "developer"\n',
        encoding="utf-8",
    )
    return load_settings(path, {"GROQ_BASE_URL": url, **KEYS})


@asynccontextmanager
async def gate_over(folder: Path) -> AsyncIterator[Headgate]:
    """A gate over a quick pretend Groq on the developer plan."""
    pretended = SimulatorSettings(
        pace=QUICK,
        lengths=SHORT,
        keys=dict.fromkeys(KEYS.values(), "sim"),
        organisations={"sim": Organisation("developer")},
    )
    server = await serve_simulator(pretended)
    try:
        async with Headgate(settings_of(folder, server.base_url)) as gate:
            yield gate
    finally:
        await server.close()


async def test_packed_text_is_answered(tmp_path: Path) -> None:
    """What `pack` makes of a text that is too long goes into `chat`, and the provider counts no more than was said."""
    async with gate_over(tmp_path) as gate:
        packed = await gate.pack(words(9_000), model=SMALL, larger="never", question="Which word comes last?")
        answer = await gate.chat(packed.messages, model=packed.model, max_completion_tokens=50)
    assert not packed.is_whole
    assert packed.count(State.CUT) == 1
    assert packed.tokens <= packed.limit_tokens == int(4_000 * 0.9) - 900
    assert packed.whole_tokens > 9_000
    assert packed.messages[-1] == {"role": "user", "content": "Which word comes last?"}
    assert answer.usage is not None
    assert 500 < answer.usage.prompt_tokens <= packed.tokens
    assert answer.fitted is None


async def test_fitting_messages_come_back_as_they_are(tmp_path: Path) -> None:
    """Nothing is added or changed."""
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello", "name": "Anna"}]
    async with Headgate(settings_of(tmp_path)) as gate:
        packed = await gate.pack(messages, model=SMALL)
    assert list(packed.messages) == messages
    assert packed.is_whole
    assert packed.tokens == packed.whole_tokens
    assert packed.reason == ""


def test_files_and_folders(tmp_path: Path) -> None:
    """Folders in a stable order, binaries and hidden files told, priorities heeded, the same without await."""
    code = tmp_path / "code"
    (code / "sub").mkdir(parents=True)
    (code / ".git").mkdir()
    (code / ".git" / "config").write_text("secret", encoding="utf-8")
    (code / "b.py").write_text(words(4_000, "b"), encoding="utf-8")
    (code / "a.py").write_text(words(50, "a"), encoding="utf-8")
    (code / "sub" / "c.py").write_text(words(50, "c"), encoding="utf-8")
    (code / "x.bin").write_bytes(b"\x7fELF\0\0")
    (code / "latin.txt").write_bytes(b"caf\xe9")
    with HeadgateSync(settings_of(tmp_path)) as gate:
        packed = gate.pack([code], model=SMALL, larger="never", question="Why?", priorities={"*/c.py": 1})
    names = [Path(item.name).name for item in packed.items]
    assert names == ["a.py", "b.py", "c.py"]
    assert [item.state for item in packed.items] == [State.WHOLE, State.CUT, State.WHOLE]
    assert {(Path(left.name).name, left.why) for left in packed.left} == {
        ("x.bin", "binary"),
        ("latin.txt", "not UTF-8"),
    }
    assert "secret" not in packed.text
    assert packed.text.endswith("Why?")


def test_links_in_a_ring_are_not_followed(tmp_path: Path) -> None:
    """A folder that links to itself is read once."""
    (tmp_path / "a.txt").write_text("hello", encoding="utf-8")
    (tmp_path / "again").symlink_to(tmp_path)
    assert [Path(source.name).name for source in collect([tmp_path]).sources] == ["a.txt"]


async def test_texts_by_name(tmp_path: Path) -> None:
    """A mapping of names to texts is packed like files."""
    async with Headgate(settings_of(tmp_path)) as gate:
        packed = await gate.pack({"one": "first text", "two": "second text"}, model=SMALL)
    assert packed.text == "=== one ===\nfirst text\n\n=== two ===\nsecond text\n\n"


async def test_larger_window(tmp_path: Path) -> None:
    """A model that holds everything takes over where reading it all there costs no more, or if it always may; never if
    it may not."""
    async with Headgate(settings_of(tmp_path)) as gate:
        whole = words(3_000)
        always = await gate.pack(whole, model=SMALL, larger="always")
        never = await gate.pack(whole, model=SMALL, larger="never")
        cheaper = await gate.pack(whole, model=SMALL)
        short = await gate.pack("hello", model=SMALL, larger="always")
    assert always.model != SMALL
    assert (always.reason, always.is_whole) == ("larger_window", True)
    assert (never.model, never.is_whole) == (SMALL, False)
    assert (cheaper.model, short.model) == (SMALL, SMALL)


def model_of(name: str, price: int | None) -> Model:
    return Model(id=name, context_window_tokens=10_000, input_nanousd_per_mtok=price)


@pytest.mark.parametrize(
    "larger, price_here, price_there, expected",
    [
        (Larger.CHEAPER, 100_000_000, 40_000_000, "there"),
        (Larger.CHEAPER, 100_000_000, 60_000_000, "here"),
        (Larger.CHEAPER, None, 40_000_000, "here"),
        (Larger.CHEAPER, 100_000_000, None, "here"),
        (Larger.ALWAYS, 100_000_000, 900_000_000, "there"),
        (Larger.ALWAYS, None, None, "there"),
        (Larger.NEVER, 100_000_000, 1, "here"),
    ],
)
def test_who_reads(larger: Larger, price_here: int | None, price_there: int | None, expected: str) -> None:
    """20,000 tokens, of which 10,000 fit here: the whole there is cheaper below half the price."""
    here = Reader(model_of("here", price_here), 20_000, 10_000)
    small = Reader(model_of("small", 1), 20_000, 500)
    there = Reader(model_of("there", price_there), 20_000, 30_000)
    assert reader([here, small, there], larger).model.id == expected
    assert reader([there, here], larger).model.id == "there"


@pytest.mark.parametrize(
    "what, options, why",
    [
        (words(3_000), {"answer_tokens": 3_500}, "larger window"),
        (["no/such/file"], {}, "No such file"),
        ([], {}, "no text"),
        ([sys.executable], {}, r"no text to pack; not read: .* \(larger than|no text to pack; not read: .* \(binary"),
        (__file__, {}, "Give a list of paths"),
        (["a", {"role": "user", "content": "b"}], {}, "not both"),
        ("hello", {"model": "no/such"}, "not known"),
        ("hello", {"share": 0.0}, "share"),
        ("hello", {"larger": "perhaps"}, "larger"),
    ],
)
async def test_what_cannot_be_packed(tmp_path: Path, what: object, options: dict[str, object], why: str) -> None:
    """Said clearly."""
    async with Headgate(settings_of(tmp_path)) as gate:
        with pytest.raises((InvalidRequest, OSError), match=why):
            await gate.pack(what, **{"model": SMALL, "larger": "never", **options})  # type: ignore[arg-type]


async def test_words_that_happen_to_name_a_file_can_be_packed(tmp_path: Path) -> None:
    """By a name of their own; what only looks like a path is a text as any other."""
    async with Headgate(settings_of(tmp_path)) as gate:
        assert __file__ in (await gate.pack({"text": __file__}, model=SMALL)).text
        assert (await gate.pack("no/such/file.txt", model=SMALL)).text == "no/such/file.txt"
        assert (await gate.pack("\0", model=SMALL)).text == "\0"
