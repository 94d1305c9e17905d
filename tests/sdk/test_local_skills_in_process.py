"""`gate.local`: every skill as a method of the in-process door, the same in both forms of it."""

from pathlib import Path
from typing import TypedDict

import pytest

from headgate import Headgate, HeadgateSync, InvalidRequest
from headgate.local import Label
from headgate.local.skills import SKILLS
from headgate.sdk.local_skills import LocalSkills

MESSAGE = "Please refund order 4711 to ramesh.k@okaxis today."


class Payment(TypedDict):
    """What is asked for."""

    upi_id: str


def test_every_skill_has_its_method() -> None:
    """Nothing in the table can only be had by its name."""
    assert not [name for name in SKILLS if not callable(getattr(LocalSkills, name, None))]


def test_skills_answer_without_starting_anything() -> None:
    """No loop, no socket, no pretend Groq: the gate is not even started."""
    gate = Headgate(simulate=True)
    local = gate.local
    assert local.extract(MESSAGE, kinds=["upi"]).entities[0].value == "ramesh.k@okaxis"
    assert local.classify(MESSAGE, ["refund", Label("delivery", ("courier",))]).label == "refund"
    assert local.reply(MESSAGE, persona="helpdesk", slots={"customer": "Asha"}, seed=3).situation == "order"
    assert local.repetition(MESSAGE, [MESSAGE.upper()]).is_exact
    assert local.language(MESSAGE).code == "en"
    assert local.summary(MESSAGE, max_sentences=1).text == MESSAGE
    assert local.fill(MESSAGE, Payment).value == {"upi_id": "ramesh.k@okaxis"}
    assert local.run("language", MESSAGE).confidence == local.language(MESSAGE).confidence
    assert gate._gateway is None


def test_wrong_options_are_invalid_requests() -> None:
    """As everywhere in the SDK, the argument at fault is named."""
    with pytest.raises(InvalidRequest) as caught:
        Headgate(simulate=True).local.summary(MESSAGE, max_sentences=0)
    assert caught.value.param == "max_sentences"


def test_blocking_door_has_the_same_skills_and_the_operators_personas(tmp_path: Path) -> None:
    """Libraries of the settings' folder are read when a skill first needs them."""
    (tmp_path / "shop.toml").write_text('name = "shop"\n[situations.otherwise]\nreplies = ["We are closed."]\n')
    config = tmp_path / "headgate.toml"
    config.write_text(f'[local]\npersonas = "{tmp_path / "own"}"\n')
    (tmp_path / "own").mkdir()
    (tmp_path / "shop.toml").rename(tmp_path / "own" / "shop.toml")
    with HeadgateSync(config=config, simulate=True) as gate:
        assert gate.local.reply("hello", persona="shop").text == "We are closed."
        assert set(gate.local.personas) == {"shop", "helpdesk", "sahayak", "elder"}
