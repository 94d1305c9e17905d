"""The skills risk and safety over HTTP, with what the operator brought: feeds and a blocklist."""

from pathlib import Path

import msgspec
from tests.remedies.house import Answer, House, open_house, pretend

from headgate.local.feeds import Feed
from headgate.local.indicators import Indicator, IndicatorKind
from headgate.store.feed_folder import FeedFolder

JSON = {"content-type": "application/json"}
TEXT = "Lunch at one? The menu is on http://lunch.example/menu today."


async def ask(house: House, skill: str, **body: object) -> Answer:
    return await house.fetch("POST", f"/v1/local/{skill}", msgspec.json.encode(body), JSON)


async def test_feed_that_was_imported_counts(tmp_path: Path) -> None:
    """A gateway with a feed raises the risk of a message that holds an indicator, and names the feed."""
    folder = FeedFolder(tmp_path / "feeds")
    folder.keep(Feed("cert", 0.0, "x.csv", (Indicator(IndicatorKind.DOMAIN, "lunch.example"),)))
    async with open_house(pretend(), toml=f'[local]\nfeeds = "{folder.path}"') as house:
        told = (await ask(house, "risk", text=TEXT)).json
    assert (told["level"], told["categories"][0]) == ("high", "feed")
    assert told["evidence"][0]["reason"] == "feed:cert"
    async with open_house(pretend(), toml=f'[local]\nfeeds = "{tmp_path / "none"}"') as house:
        assert (await ask(house, "risk", text=TEXT)).json["level"] == "low"


async def test_callers_cannot_spare_what_the_operator_blocks() -> None:
    """A caller adds to the list for this text; what the caller allows holds for the caller's own list only."""
    async with open_house(pretend(), toml='[local.safety.categories]\nfood = ["lunch"]') as house:
        told = (await ask(house, "safety", text=TEXT, block=["today"], allow=["lunch", "menu today"])).json
        assert told["categories"] == ["food"]
        told = (await ask(house, "safety", text=TEXT, block=["today"])).json
        assert told["categories"] == ["food", "blocked"]
        assert (await ask(house, "safety", text=TEXT, block=["..."])).status == 400
