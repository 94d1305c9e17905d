"""What names mean: ids, aliases, bare names, tiers, retired models, and names that nobody knows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.catalog import TIERS, Catalog, CatalogError, Kind, default_catalog
from headgate.catalog.directory import REMEMBERED_RESOLUTIONS
from headgate.domain.answer import Usage
from headgate.domain.limits import Dimension
from headgate.domain.request import Need

BIG, SMALL, QWEN = "openai/gpt-oss-120b", "openai/gpt-oss-20b", "qwen/qwen3.8-27b"
SCOUT = "meta-llama/llama-4-scout-17b-16e-instruct"
CATALOG = default_catalog()
ALL_NEEDS = [need for need in Need if need is not Need.NONE]


@pytest.mark.parametrize(
    "name, needs, candidates",
    [
        (BIG, Need.NONE, (BIG, QWEN, SMALL)),
        (SMALL, Need.NONE, (SMALL, BIG, QWEN)),
        (QWEN, Need.NONE, (QWEN, BIG, SMALL)),
        ("gpt-oss-120b", Need.TOOLS, (BIG, QWEN, SMALL)),
        ("groq/openai/gpt-oss-20b", Need.NONE, (SMALL, BIG, QWEN)),
        (BIG, Need.BUILTIN_TOOLS, (BIG, SMALL)),
        (BIG, Need.VISION, (QWEN,)),
        (BIG, Need.AUDIO, (BIG,)),
        (SCOUT, Need.NONE, (BIG, QWEN, SMALL)),
        (SCOUT, Need.VISION | Need.TOOLS, (QWEN,)),
        ("gemma-7b-it", Need.NONE, (SMALL, BIG, QWEN)),
        ("compound-beta-mini", Need.NONE, (BIG, QWEN, SMALL)),
        ("allam-2-7b", Need.NONE, ("allam-2-7b", BIG, QWEN, SMALL)),
        ("minimaxai/minimax-m2.7", Need.NONE, ("minimaxai/minimax-m2.7", BIG, QWEN, SMALL)),
        ("openai/gpt-oss-safeguard-20b", Need.NONE, ("openai/gpt-oss-safeguard-20b",)),
        ("whisper-large-v3", Need.NONE, ("whisper-large-v3", "whisper-large-v3-turbo")),
        ("whisper-large-v3-turbo", Need.AUDIO, ("whisper-large-v3-turbo", "whisper-large-v3")),
        ("whisper-large-v3", Need.TRANSLATION, ("whisper-large-v3",)),
        ("whisper-large-v3-turbo", Need.TRANSLATION, ("whisper-large-v3",)),
        ("distil-whisper-large-v3-en", Need.AUDIO, ("whisper-large-v3-turbo", "whisper-large-v3")),
        ("canopylabs/orpheus-v1-english", Need.NONE, ("canopylabs/orpheus-v1-english",)),
        ("headgate/fast", Need.NONE, (SMALL, BIG, QWEN)),
        ("headgate/standard", Need.NONE, (BIG, QWEN, SMALL)),
        ("headgate/multilingual", Need.NONE, (QWEN, BIG, SMALL)),
        ("headgate/fast", Need.VISION, (QWEN,)),
        ("headgate/audio", Need.NONE, ("whisper-large-v3-turbo", "whisper-large-v3")),
        ("headgate/safety", Need.NONE, ("openai/gpt-oss-safeguard-20b",)),
        ("headgate/auto", Need.NONE, (BIG, QWEN, SMALL)),
    ],
)
def test_candidates_of_a_name(name: str, needs: Need, candidates: tuple[str, ...]) -> None:
    """The named model first, then able ones by distance; guards, ears, voices and tiny windows never stand in."""
    resolution = CATALOG.resolve(name, needs)
    assert resolution is not None
    assert resolution.candidates == candidates
    assert resolution.asked == name


@pytest.mark.parametrize(
    "name, needs, candidates",
    [
        (BIG, Need.NONE, (BIG,)),
        (BIG, Need.VISION, (BIG,)),
        ("llama-3.3-70b-versatile", Need.NONE, (BIG,)),
        ("headgate/fast", Need.NONE, (SMALL,)),
        ("headgate/premium", Need.VISION, (QWEN,)),
        ("headgate/fast", Need.VISION, (SMALL,)),
    ],
)
def test_without_substitution_only_what_was_named(name: str, needs: Need, candidates: tuple[str, ...]) -> None:
    """`substitute=False` leaves the named model, its successor, or the members of the named tier."""
    resolution = CATALOG.resolve(name, needs, substitute=False)
    assert resolution is not None
    assert resolution.candidates == candidates


@pytest.mark.parametrize(
    "name, model, retired, tier",
    [
        (BIG, BIG, None, None),
        ("gpt-oss-20b", SMALL, None, None),
        ("llama3-8b-8192", SMALL, "llama3-8b-8192", None),
        ("mixtral-8x7b-32768", BIG, "mixtral-8x7b-32768", None),
        ("compound-beta", BIG, "groq/compound", None),
        ("minimaxai/minimax-m2.7", "minimaxai/minimax-m2.7", None, None),
        ("headgate/reasoning", None, None, "reasoning"),
        ("headgate/auto", None, None, "auto"),
    ],
)
def test_resolution_says_how_it_came_about(name: str, model: str | None, retired: str | None, tier: str | None) -> None:
    """The door can tell the client which retired model was replaced by which, and which tier was taken."""
    resolution = CATALOG.resolve(name)
    assert resolution is not None
    assert (resolution.model and resolution.model.id, resolution.retired, resolution.tier) == (model, retired, tier)


@pytest.mark.parametrize(
    "name", ["", "gpt-4o", "headgate/", "headgate/quick", "fast", "auto", "openai/", "GPT-OSS-120B"]
)
def test_unknown_name_means_nothing(name: str) -> None:
    """No guessing: what is no id, alias, bare name or tier is unknown, and leaves no trace in memory."""
    before = len(CATALOG._resolved)
    assert CATALOG.resolve(name) is None
    assert len(CATALOG._resolved) == before


@given(
    name=st.sampled_from([model.id for model in CATALOG.all()] + [f"headgate/{tier}" for tier in (*TIERS, "auto")]),
    needs=st.sets(st.sampled_from(ALL_NEEDS)),
    substitute=st.booleans(),
)
def test_candidates_are_able_running_and_of_one_kind(name: str, needs: set[Need], *, substitute: bool) -> None:
    """Whatever is asked: no candidate twice, none retired, and one that lacks a need only when it stands alone."""
    wanted = Need.NONE
    for need in needs:
        wanted |= need
    resolution = CATALOG.resolve(name, wanted, substitute=substitute)
    assert resolution is not None
    models = [CATALOG.model(candidate) for candidate in resolution.candidates]
    assert models
    assert len(set(resolution.candidates)) == len(models)
    assert len({model.kind for model in models if model}) == 1
    assert all(model and (model.is_running or model.id == name) for model in models)
    assert len(models) == 1 or all(model and model.meets(wanted) for model in models)


def test_resolutions_are_remembered_within_a_bound() -> None:
    """The same question is answered by the same object, and many questions do not fill the memory."""
    catalog = Catalog({f"m{n}": {"context_window_tokens": 1, "max_output_tokens": 1} for n in range(70)})
    assert catalog.resolve("m1") is catalog.resolve("m1")
    for model in catalog.all():
        for bits in range(64):
            catalog.resolve(model.id, Need(bits))
    assert len(catalog._resolved) <= REMEMBERED_RESOLUTIONS


@pytest.mark.parametrize(
    "name, near",
    [
        ("gpt-oss-12b", BIG),
        ("openai/gpt-oss-20", SMALL),
        ("qwen3.8", QWEN),
        ("llama-3.3-70b", BIG),
        ("headgate/fats", "headgate/fast"),
        ("GPT-OSS-120B", BIG),
    ],
)
def test_nearest_names_lead_on(name: str, near: str) -> None:
    """A slip of the pen is answered by the name that was meant, as one that is served today."""
    assert CATALOG.nearest(name)[0] == near


def test_nearest_never_suggests_what_does_not_run() -> None:
    """Suggestions are few, distinct, and each resolves without a detour; nonsense gets none."""
    for model in CATALOG.all():
        suggestions = CATALOG.nearest(model.id + "x", 2)
        assert len(set(suggestions)) == len(suggestions) <= 2
        for suggestion in suggestions:
            resolution = CATALOG.resolve(suggestion)
            assert resolution is not None
            assert resolution.retired is None
    assert CATALOG.nearest("§§§§" * 10_000) == ()


@pytest.mark.parametrize(
    "model, requests, tokens, plan",
    [
        (BIG, 1000, 8000, "free"),
        ("gpt-oss-120b", 1000, 8000, "free"),
        (BIG, 500_000, 250_000, "developer"),
        (SMALL, 500_000, 250_000, "developer"),
        (BIG, 1000, 250_000, None),
        (BIG, 1000, None, "free"),
        (BIG, None, None, None),
        ("whisper-large-v3", 2000, None, "free"),
        ("whisper-large-v3", 7, None, None),
        ("unknown", 1000, 8000, None),
    ],
)
def test_headers_select_the_plan(model: str, requests: int | None, tokens: int | None, plan: str | None) -> None:
    """The pair of RPD and TPM selects a plan that it agrees with; a contradiction selects none."""
    assert CATALOG.plan_for(model, requests, tokens) == plan


def test_limits_by_plan() -> None:
    """Limits are those of the plan; what nobody knows is empty, which means not limited."""
    assert CATALOG.limits(QWEN, "free")[Dimension.OTPM] == 1000
    assert CATALOG.limits(BIG, "developer") == {Dimension.RPM: 1000, Dimension.RPD: 500_000, Dimension.TPM: 250_000}
    assert CATALOG.limits(BIG, "enterprise") == {}
    assert CATALOG.limits("unknown", "free") == {}


@pytest.mark.parametrize(
    "name, successor",
    [("gemma-7b-it", SMALL), ("mixtral-8x7b-32768", BIG), (BIG, None), ("minimaxai/minimax-m2.7", None), ("?", None)],
)
def test_successor_is_followed_to_the_end(name: str, successor: str | None) -> None:
    """The chain is followed over retired and enterprise models; who runs has none."""
    found = CATALOG.successor(name)
    assert (found and found.id) == successor


@given(
    prompt=st.integers(0, 200_000),
    cached=st.integers(0, 200_000),
    completion=st.integers(0, 100_000),
    odd=st.integers(0, 9),
)
def test_cost_is_rounded_once_half_to_even(prompt: int, cached: int, completion: int, odd: int) -> None:
    """Money is exact: the sum is rounded as one number, never part by part, and cached tokens cost their own price."""
    from fractions import Fraction

    prices = {
        "input_nanousd_per_mtok": 500_000 * odd,
        "cached_input_nanousd_per_mtok": 250_000 * odd,
        "output_nanousd_per_mtok": 1_500_001,
    }
    model = CATALOG.with_overrides({BIG: prices}).model(BIG)
    assert model is not None
    hit = min(cached, prompt)
    exact = Fraction(500_000 * odd * (prompt - hit) + 250_000 * odd * hit + 1_500_001 * completion, 1_000_000)
    assert model.cost_nanousd(Usage(prompt, completion, cached_tokens=cached)) == round(exact)


def test_cost_of_a_known_row() -> None:
    """1,000 prompt tokens, 400 of them cached, and 500 completion tokens of gpt-oss-120b cost $0.00042."""
    model = CATALOG.model(BIG)
    assert model is not None
    assert model.cost_nanousd(Usage(1000, 500, cached_tokens=400)) == 420_000


def test_override_changes_only_what_it_names() -> None:
    """A key of headgate.toml replaces that key; limits are changed dimension by dimension; the original stays."""
    changed = CATALOG.with_overrides({BIG: {"max_images": 2, "limits": {"free": {"TPM": 9000}, "mine": {"RPM": 5}}}})
    before, after = CATALOG.model(BIG), changed.model(BIG)
    assert before is not None
    assert after is not None
    assert after.max_images == 2
    assert after.limits["free"] == {**before.limits["free"], Dimension.TPM: 9000}
    assert after.limits["mine"] == {Dimension.RPM: 5}
    assert after.limits["developer"] == before.limits["developer"]
    assert after.context_window_tokens == before.context_window_tokens
    assert before.limits["free"][Dimension.TPM] == 8000


def test_override_adds_a_model_of_ones_own_server() -> None:
    """A new id joins the candidates of its tier, behind the models that ship, and can be asked by its bare name."""
    table = {"provider": "vllm", "context_window_tokens": 32_768, "tiers": ["fast"]}
    catalog = CATALOG.with_overrides({"local/tiny": table}).with_chain(("groq", "vllm"))
    tiny = catalog.model("tiny")
    assert tiny is not None
    assert (tiny.provider, tiny.max_output_tokens, tiny.kind) == ("vllm", 32_768, Kind.CHAT)
    assert [model.id for model in catalog.tier("fast")] == [SMALL, "local/tiny"]
    resolution = catalog.resolve(SMALL, Need.TOOLS)
    assert resolution is not None
    assert resolution.candidates == (SMALL, BIG, QWEN)
    assert resolution.elsewhere == ("local/tiny",)


CHAINED = CATALOG.with_chain(("groq", "mistral", "openai"))


@pytest.mark.parametrize(
    "name, needs, first, firsts_elsewhere",
    [
        (SMALL, Need.NONE, SMALL, ["mistral/ministral-8b-latest", "openai/gpt-5.4-nano"]),
        ("openai/gpt-5.4-nano", Need.NONE, "openai/gpt-5.4-nano", [SMALL, "mistral/ministral-8b-latest"]),
        ("gpt-5.4-nano", Need.BUILTIN_TOOLS, SMALL, []),
        (QWEN, Need.BUILTIN_TOOLS | Need.AUDIO, QWEN, []),
        ("headgate/fast", Need.NONE, SMALL, ["mistral/ministral-8b-latest", "openai/gpt-5.4-nano"]),
        ("whisper-large-v3", Need.NONE, "whisper-large-v3", ["openai/whisper-1"]),
        ("headgate/audio", Need.NONE, "whisper-large-v3-turbo", ["openai/whisper-1"]),
    ],
)
def test_other_providers_stand_in_behind_the_asked_one(
    name: str, needs: Need, first: str, firsts_elsewhere: list[str]
) -> None:
    """Candidates are of one provider; those of others come by the order of the chain, nearest tier first."""
    resolution = CHAINED.resolve(name, needs)
    assert resolution is not None
    assert resolution.candidates[0] == first
    assert len({_provider(model_id) for model_id in resolution.candidates}) == 1
    firsts: dict[str, str] = {}
    for model_id in resolution.elsewhere:
        firsts.setdefault(_provider(model_id), model_id)
    assert list(firsts.values()) == firsts_elsewhere
    assert not set(resolution.candidates) & set(resolution.elsewhere)


def _provider(model_id: str) -> str:
    model = CHAINED.model(model_id)
    assert model is not None
    return model.provider


def test_model_of_a_provider_that_takes_no_part_serves_nobody() -> None:
    """Without a key for the provider its models are known by name only: for a message that says what is missing."""
    assert CATALOG.model("openai/gpt-5.4") is not None
    assert CATALOG.resolve("openai/gpt-5.4") is None
    assert "openai/gpt-5.4" not in {model.id for model in CATALOG.current()}


def test_override_moves_a_model_between_tiers() -> None:
    """`tiers` replaces the tiers of a model, and the members follow."""
    catalog = CATALOG.with_overrides({QWEN: {"tiers": ["fast"]}})
    assert [model.id for model in catalog.tier("fast")] == [SMALL, QWEN]
    assert catalog.tier("vision") == ()
    assert catalog.resolve("headgate/vision") is None


def test_contract_holder_revives_a_model() -> None:
    """`lifecycle = "current"` makes an enterprise model serve under its own name again."""
    catalog = CATALOG.with_overrides({"llama-3.3-70b-versatile": {"lifecycle": "current"}})
    resolution = catalog.resolve("llama-3.1-70b-versatile")
    assert resolution is not None
    assert resolution.candidates[0] == "llama-3.3-70b-versatile"


def test_retired_model_without_successor_is_served_by_substitutes_only() -> None:
    """Nothing to follow: other models may answer if that is allowed, else there is no candidate."""
    catalog = CATALOG.with_overrides({SMALL: {"lifecycle": "retired"}})
    allowed, forbidden = catalog.resolve(SMALL), catalog.resolve(SMALL, substitute=False)
    assert allowed is not None
    assert forbidden is not None
    assert (allowed.model, allowed.retired, allowed.candidates) == (None, SMALL, (BIG, QWEN))
    assert forbidden.candidates == ()


@pytest.mark.parametrize(
    "tables, told",
    [
        ({BIG: {"max_image": 3}}, [BIG, "max_image", "did you mean 'max_images'"]),
        ({BIG: {"max_images": "three"}}, [BIG, "max_images", "`int`"]),
        ({BIG: {"max_images": -1}}, [BIG, "max_images", ">= 0"]),
        ({BIG: {"can": ["tool"]}}, [BIG, "can", "'tool'", "json_schema"]),
        ({BIG: {"can": "tools"}}, [BIG, "can", "list"]),
        ({BIG: {"tiers": ["fats"]}}, [BIG, "tiers", "did you mean 'fast'"]),
        ({BIG: {"lifecycle": "gone"}}, [BIG, "lifecycle", "retired"]),
        ({BIG: {"limits": {"free": {"RPH": 3}}}}, [BIG, "limits", "RPH", "TPM"]),
        ({BIG: {"limits": {"free": {"RPM": 0}}}}, [BIG, "limits", ">= 1"]),
        ({BIG: {"successor": "llama-9"}}, [BIG, "successor", "'llama-9' is not in the catalogue"]),
        ({BIG: {"successor": SMALL}, SMALL: {"successor": BIG}}, [BIG, "successor", f"{BIG} -> {SMALL} -> {BIG}"]),
        ({BIG: {"aliases": [SMALL]}}, [BIG, "aliases", SMALL, "choose another"]),
        ({BIG: {"aliases": ["headgate/fast"]}}, [BIG, "aliases", "headgate/"]),
        ({BIG: {"context_window_tokens": 0}}, [BIG, "context_window_tokens", "tokens"]),
        ({"gpt-oss-120b": {"max_images": 1}}, ["gpt-oss-120b", "context_window_tokens", f"did you mean '{BIG}'"]),
        ({"whisper-large-v3": {"tiers": ["fast"]}}, ["whisper-large-v3", "tiers", "transcription"]),
        ({BIG: 3}, [BIG, "table"]),
    ],
)
def test_bad_override_names_the_key_and_the_fix(tables: dict[str, dict[str, object]], told: list[str]) -> None:
    """An operator reads which model, which key, what is wrong and what to write."""
    with pytest.raises(CatalogError) as refused:
        CATALOG.with_overrides(tables)
    for words in told:
        assert words in str(refused.value)


def test_bare_name_of_two_owners_means_neither() -> None:
    """Guessing between two owners would send a prompt to the wrong one."""
    row = {"context_window_tokens": 1, "max_output_tokens": 1}
    catalog = Catalog({"a/m": row, "b/m": row, "c/m": row})
    assert catalog.model("m") is None
    assert catalog.model("b/m") is not None
