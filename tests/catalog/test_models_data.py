"""models.toml against the brief's table, field by field, and against itself."""

import csv
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from headgate.catalog import PROVIDERS, TIERS, Kind, Lifecycle, Model, default_catalog
from headgate.domain.limits import Dimension
from headgate.domain.request import Need

BRIEF = Path(__file__).parents[3] / "shared" / "groq-models.csv"
MODELS = default_catalog().all()
IDS = [model.id for model in MODELS]

SERVED_BY_CHOICE = {"groq/compound": "openai/gpt-oss-120b", "groq/compound-mini": "openai/gpt-oss-120b"}
"""Retired without a published replacement: gpt-oss has the built-in tools that made them."""

SEEN_LIVE = {("qwen/qwen3.8-27b", "reasoning_default"): "none"}
"""Where the sources contradict each other, what was seen on the wire."""

GUESSED = {("minimaxai/minimax-m2.7", Need.TOOLS), ("minimaxai/minimax-m2.7", Need.JSON_OBJECT)}
"""What the table does not say and we assume, because only the holder of a contract will ask."""

FREE = {
    Dimension.RPM: "free_rpm",
    Dimension.RPD: "free_rpd",
    Dimension.TPM: "free_tpm",
    Dimension.TPD: "free_tpd",
    Dimension.ASH: "free_ash",
    Dimension.ASD: "free_asd",
    Dimension.ITPM: "free_itpm_observed",
    Dimension.OTPM: "free_otpm_observed",
}
DEVELOPER = {Dimension.RPM: "dev_rpm", Dimension.TPM: "dev_tpm"}
DEVELOPER_ELSEWHERE = {
    ("openai/gpt-oss-120b", Dimension.RPD): 500_000,
    ("whisper-large-v3", Dimension.ASH): 200_000,
    ("whisper-large-v3-turbo", Dimension.ASH): 400_000,
}
"""What the column `dev_other` says in words."""

CAPABILITIES = {
    Need.TOOLS: "tools",
    Need.JSON_OBJECT: "json_object",
    Need.JSON_SCHEMA: "json_schema_best_effort",
    Need.VISION: "vision",
}

Row = dict[str, str]


def number(text: str) -> int:
    return int(text or 0)


def nanousd(text: str) -> int | None:
    return int(Decimal(text) * 10**9) if text else None


def first_price(text: str) -> int | None:
    return nanousd(text.split("/", maxsplit=1)[0].strip("$")) if text else None


def says_yes(text: str) -> bool:
    return bool(text) and not text.startswith(("no", "unclear"))


def lifecycle(row: Row) -> Lifecycle:
    status = row["status_2026_11"]
    if "enterprise" in status:
        return Lifecycle.ENTERPRISE
    if status.startswith("shut down"):
        return Lifecycle.RETIRED
    return Lifecycle.CURRENT if status == "production" else Lifecycle.PREVIEW


def capabilities(row: Row) -> Need:
    can = Need.NONE
    for need, column in CAPABILITIES.items():
        if says_yes(row[column]) or (row["model_id"], need) in GUESSED:
            can |= need
    if row["reasoning_efforts"]:
        can |= Need.REASONING
    if "browser_search" in row["builtin_tools"]:
        can |= Need.BUILTIN_TOOLS
    if "whisper" in row["model_id"]:
        can |= Need.AUDIO
    return can


def limits(row: Row) -> dict[str, dict[Dimension, int]]:
    free = {dimension: number(row[column]) for dimension, column in FREE.items() if row[column]}
    developer = {dimension: number(row[column]) for dimension, column in DEVELOPER.items() if row[column]}
    developer |= {dimension: n for (model, dimension), n in DEVELOPER_ELSEWHERE.items() if model == row["model_id"]}
    return {plan: stated for plan, stated in (("free", free), ("developer", developer)) if stated}


def reasoning_default(row: Row) -> str | None:
    seen = SEEN_LIVE.get((row["model_id"], "reasoning_default"))
    return seen or (row["reasoning_default"] or ("default" if row["reasoning_efforts"] else "")).split(" ")[0] or None


EXPECTED: dict[str, Callable[[Row], object]] = {
    "lifecycle": lifecycle,
    "retired_on": lambda row: row["shutdown_date"][:10] or None,
    "context_window_tokens": lambda row: number(row["context_window"]),
    "max_output_tokens": lambda row: number(row["max_completion_tokens"]),
    "input_nanousd_per_mtok": lambda row: nanousd(row["input_usd_per_1m"]),
    "cached_input_nanousd_per_mtok": lambda row: nanousd(row["cached_input_usd_per_1m"]),
    "output_nanousd_per_mtok": lambda row: nanousd(row["output_usd_per_1m"]),
    "audio_nanousd_per_hour": lambda row: first_price(row["other_price"]) if "hour" in row["other_price"] else None,
    "speech_nanousd_per_mchar": lambda row: first_price(row["other_price"]) if "char" in row["other_price"] else None,
    "min_billed_audio_s": lambda row: 10 if "10 s min" in row["other_price"] else 0,
    "tokens_per_s": lambda row: number(row["speed_tps"]) or None,
    "limits": limits,
    "can": capabilities,
    "parallel_tools": lambda row: says_yes(row["parallel_tools"]),
    "strict_schema": lambda row: row["json_schema_strict"].startswith("yes"),
    "prompt_caching": lambda row: says_yes(row["prompt_caching"]),
    "builtin_tools": lambda row: tuple(filter(None, row["builtin_tools"].split(";"))),
    "reasoning_efforts": lambda row: tuple(filter(None, row["reasoning_efforts"].split("|"))),
    "reasoning_default": reasoning_default,
    "max_images": lambda row: number(row["max_images"].split(" ")[0]),
}


@pytest.fixture(scope="module")
def rows() -> dict[str, Row]:
    if not BRIEF.exists():
        pytest.skip("groq-models.csv is not beside the checkout: the data has nothing to be compared with")
    with BRIEF.open(encoding="utf-8", newline="") as file:
        return {row["model_id"]: row for row in csv.DictReader(file)}


def test_the_same_models_in_the_same_order(rows: dict[str, Row]) -> None:
    """All 36 rows of the brief are models, and there is no other."""
    assert [model.id for model in MODELS] == list(rows)
    assert len(rows) == 36


@pytest.mark.parametrize("field", EXPECTED)
def test_field_is_what_the_brief_says(rows: dict[str, Row], field: str) -> None:
    """Every field of every model is the brief's, or a documented choice where the brief contradicts itself."""
    told = {model.id: getattr(model, field) for model in MODELS}
    if field == "retired_on":
        told = {model_id: day and day.isoformat() for model_id, day in told.items()}
    assert told == {model_id: EXPECTED[field](row) for model_id, row in rows.items()}


@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_successor_is_a_replacement_that_the_brief_names(rows: dict[str, Row], model: Model) -> None:
    """The direct successor stands in the brief's replacement column, but for the documented choices."""
    if model.id in SERVED_BY_CHOICE:
        assert rows[model.id]["replacement"].startswith("none")
        assert model.successor == SERVED_BY_CHOICE[model.id]
    else:
        assert (model.successor or "") in rows[model.id]["replacement"]
        assert (model.successor is None) == (not rows[model.id]["replacement"])


@pytest.mark.parametrize("model", [model for model in MODELS if model.retired_on], ids=lambda model: model.id)
def test_every_retired_model_ends_at_one_that_runs(model: Model) -> None:
    """Whatever a configuration of 2024 names, a model of the same kind answers today."""
    successor = default_catalog().successor(model.id)
    assert successor is not None
    assert successor.lifecycle in (Lifecycle.CURRENT, Lifecycle.PREVIEW)
    assert successor.kind is model.kind


@pytest.mark.parametrize("tier", TIERS)
def test_every_tier_has_members_of_one_kind(tier: str) -> None:
    """A tier asked at one door gives models that this door can use."""
    members = default_catalog().tier(tier)
    assert members
    assert len({member.kind for member in members}) == 1
    assert all(member.is_running for member in members)


def test_running_chat_models_tell_what_decisions_need() -> None:
    """Speed, windows and the free plan's four limits are there for all models that chat requests may reach."""
    for model in default_catalog().current():
        if model.kind is Kind.CHAT:
            assert model.tokens_per_s
            assert {Dimension.RPM, Dimension.RPD, Dimension.TPM, Dimension.TPD} <= set(model.limits["free"])
            assert 0 < model.max_output_tokens <= model.context_window_tokens


def test_models_of_other_providers_say_what_their_provider_calls_them() -> None:
    """Ids begin with a provider that ships as a row, the rest is what is sent, and every one runs with a price or,
    at OpenRouter, none."""
    chain = tuple(PROVIDERS)
    others = [model for model in default_catalog().with_chain(chain).all() if model.provider != "groq"]
    assert {model.provider for model in others} == set(chain) - {"groq"}
    for model in others:
        assert model.id == f"{model.provider}/{model.sent_as()}"
        assert model.is_running
        if model.kind is Kind.CHAT:
            assert (model.output_nanousd_per_mtok is None) == (model.provider == "openrouter")
            assert 0 < model.max_output_tokens <= model.context_window_tokens
            assert set(model.tiers) & set(TIERS)
