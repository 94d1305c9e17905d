"""`headgate local feed`: import, list and remove, as a person runs them."""

import json
import sys
from pathlib import Path

import pytest
from tests.cli.commands import headgate

from headgate.store.feed_folder import FeedFolder


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HEADGATE_LOCAL__FEEDS": str(tmp_path / "feeds")}


def test_feed_comes_and_goes(tmp_path: Path, environ: dict[str, str]) -> None:
    """An import is listed, a second one of the name replaces it, and removing it leaves nothing."""
    feed = tmp_path / "bad.csv"
    feed.write_text("type,value\ndomain,bad.example\nupi,refund@ybl\n", encoding="utf-8")
    done = headgate("local", "feed", "import", str(feed), "--name", "cert", environ=environ)
    assert (done.returncode, done.stdout) == (0, "Imported cert: 2 indicators.\n")
    again = headgate("local", "feed", "import", str(feed), "--name", "cert", environ=environ)
    assert again.stdout.startswith("Replaced cert")
    shown = json.loads(headgate("local", "feed", "list", "--json", environ=environ).stdout)
    assert [(row["name"], row["indicators"], row["source"]) for row in shown["feeds"]] == [("cert", 2, "bad.csv")]
    assert "cert" in headgate("local", "feed", "list", environ=environ).stdout
    assert headgate("local", "feed", "remove", "cert", environ=environ).returncode == 0
    assert json.loads(headgate("local", "feed", "list", "--json", environ=environ).stdout)["feeds"] == []
    assert headgate("local", "feed", "remove", "cert", environ=environ).returncode == 1


def test_feed_with_bad_lines(tmp_path: Path, environ: dict[str, str]) -> None:
    """The bad lines are named on stderr, the rest is kept, and the exit code says that it was done in part."""
    feed = tmp_path / "mixed.csv"
    feed.write_text("domain,bad.example\ncolour,blue\n", encoding="utf-8")
    done = headgate("local", "feed", "import", str(feed), "--name", "mixed", "--json", environ=environ)
    assert done.returncode == 3
    assert f"{feed}:2: there are no indicators of type 'colour'" in done.stderr
    assert json.loads(done.stdout)["bad_lines"] == 1


def test_programs_are_no_feeds(environ: dict[str, str]) -> None:
    """A binary is refused before a line of it is taken for an indicator."""
    done = headgate("local", "feed", "import", sys.executable, "--name", "x", environ=environ)
    assert (done.returncode, done.stdout) == (1, "")
    assert json.loads(headgate("local", "feed", "list", "--json", environ=environ).stdout)["feeds"] == []


def test_csv_that_is_called_json(tmp_path: Path, environ: dict[str, str]) -> None:
    """What is wrong with the whole file is said once, not for each of its lines."""
    feed = tmp_path / "feed.csv"
    feed.write_text("type,value\n" + "domain,bad.example\n" * 30, encoding="utf-8")
    done = headgate("local", "feed", "import", str(feed), "--name", "x", "--format", "json", environ=environ)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)


def test_stix_bundle_is_recognised(tmp_path: Path, environ: dict[str, str]) -> None:
    """A bundle needs no --format."""
    bundle = {"type": "bundle", "objects": [{"type": "indicator", "pattern": "[url:value = 'http://bad.example/x']"}]}
    feed = tmp_path / "bundle.json"
    feed.write_text(json.dumps(bundle), encoding="utf-8")
    assert headgate("local", "feed", "import", str(feed), "--name", "stix", environ=environ).returncode == 0
    (kept,), problems = FeedFolder(tmp_path / "feeds").load()
    assert ([each.value for each in kept.indicators], problems) == (["bad.example/x"], ())


@pytest.mark.parametrize(
    "text, name, more, told",
    [
        ("colour,blue\n", "cert", (), "holds no indicator"),
        ("bad.example\n", "../cert", (), "cannot name a feed"),
        ("bad.example\n", "cert", ("--format", "xml"), "there are csv, json, stix"),
        ("[]", "cert", ("--format", "stix"), "no STIX 2.1 bundle"),
        ("bad.example\n\0\n", "cert", (), "it holds NUL bytes"),
        ("bad\x01example\n", "cert", (), "holds control characters"),
        ("domain,bad.example\ncolour,blue\ncolour,red\n", "cert", (), "More than half"),
        ("type,value\ndomain,bad.example\n", "cert", ("--format", "json"), "it is no JSON"),
        ("keyword,OTP\n", "cert", (), "a keyword has at least 4 characters; 'OTP' is"),
        ("keyword,1930 1931\n", "cert", (), "a keyword has at least one letter"),
    ],
)
def test_feed_that_cannot_be_used(
    tmp_path: Path, environ: dict[str, str], text: str, name: str, more: tuple[str, ...], told: str
) -> None:
    """It is refused in words, and nothing is kept."""
    feed = tmp_path / "feed.txt"
    feed.write_text(text, encoding="utf-8")
    done = headgate("local", "feed", "import", str(feed), "--name", name, *more, environ=environ)
    assert done.returncode in {1, 2}
    assert told in done.stderr
    assert not list(tmp_path.glob("feeds/*.json"))


def test_damaged_feed_is_told(tmp_path: Path, environ: dict[str, str]) -> None:
    """A file that cannot be read is named, and the others are still there."""
    (tmp_path / "feeds").mkdir()
    (tmp_path / "feeds" / "broken.json").write_text("{", encoding="utf-8")
    feed = tmp_path / "f.csv"
    feed.write_text("bad.example\n", encoding="utf-8")
    headgate("local", "feed", "import", str(feed), "--name", "good", environ=environ)
    shown = headgate("local", "feed", "list", "--json", environ=environ)
    assert "broken.json is damaged" in shown.stderr
    assert [row["name"] for row in json.loads(shown.stdout)["feeds"]] == ["good"]
