"""`headgate pack`: the prompt on stdout, the account on stderr or as JSON."""

import json
from pathlib import Path

from tests.cli.commands import headgate

CONFIG = '[models."openai/gpt-oss-20b"]\ncontext_window_tokens = 3000\nmax_output_tokens = 500\n'
TO_SMALL = ("--model", "openai/gpt-oss-20b", "--config", "headgate.toml")


def make(folder: Path) -> None:
    (folder / "headgate.toml").write_text(CONFIG, encoding="utf-8")
    (folder / "long.txt").write_text("\n".join(f"line {n} of the log" for n in range(4_000)), encoding="utf-8")
    (folder / "short.txt").write_text("a short note\n", encoding="utf-8")
    (folder / "picture.png").write_bytes(b"\x89PNG\0\0")


def test_files_are_packed(tmp_path: Path) -> None:
    """Whole and cut files in the order given, the question last, and every file is accounted for."""
    make(tmp_path)
    done = headgate("pack", "long.txt", "short.txt", "picture.png", *TO_SMALL, "-q", "What failed?", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("=== long.txt ===\nline 0 of the log\n")
    assert "tokens left out ...]" in done.stdout
    assert "=== short.txt ===\na short note\n" in done.stdout
    assert done.stdout.endswith("What failed?\n")
    told = done.stderr.splitlines()
    assert told[0].startswith("cut ")
    assert told[1].startswith("whole ")
    assert "not read: picture.png (binary)" in done.stderr
    assert "for openai/gpt-oss-20b" in told[-1]


def test_account_as_json(tmp_path: Path) -> None:
    """Everything that `Packed` has."""
    make(tmp_path)
    done = headgate("pack", "long.txt", *TO_SMALL, "--json", folder=tmp_path)
    told = json.loads(done.stdout)
    assert told["model"] == "openai/gpt-oss-20b"
    assert told["tokens"] <= told["limit_tokens"] < told["whole_tokens"]
    assert told["items"][0]["state"] == "cut"
    assert told["messages"][0]["role"] == "user"


def test_messages_are_packed(tmp_path: Path) -> None:
    """A chat's body goes in, its messages come out, the oldest gone."""
    make(tmp_path)
    turns = [{"role": "user", "content": f"{n} " + "word " * 500} for n in range(10)]
    (tmp_path / "chat.json").write_text(json.dumps({"messages": [{"role": "system", "content": "s"}, *turns]}))
    done = headgate("pack", "--messages", "chat.json", *TO_SMALL, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    left = json.loads(done.stdout)
    assert left[0] == {"role": "system", "content": "s"}
    assert left[-1] == turns[-1]
    assert len(left) < 8
    assert "dropped " in done.stderr


def test_what_cannot_be_packed(tmp_path: Path) -> None:
    """Nothing given, both given, no such file, no messages, no room: said on stderr, with exit codes as usual."""
    make(tmp_path)
    assert headgate("pack", folder=tmp_path).returncode == 2
    assert headgate("pack", "long.txt", "--messages", "headgate.toml", folder=tmp_path).returncode == 2
    gone = headgate("pack", "gone.txt", *TO_SMALL, folder=tmp_path)
    assert (gone.returncode, "gone.txt cannot be read" in gone.stderr) == (1, True)
    binary = headgate("pack", "picture.png", *TO_SMALL, folder=tmp_path)
    assert (binary.returncode, "not read: picture.png (binary)" in binary.stderr) == (1, True)
    assert headgate("pack", "--messages", "headgate.toml", folder=tmp_path).returncode == 2
    tight = headgate("pack", "long.txt", *TO_SMALL, "--answer", "2600", folder=tmp_path)
    assert (tight.returncode, tight.stdout) == (1, "")
    assert "larger window" in tight.stderr
