"""The catalogue: which models exist, what a name means, and which models may serve it. Knows no quota and no health."""

from collections.abc import Mapping, Sequence
from typing import Final

from headgate.catalog.model import Kind, Lifecycle, Model, Resolution
from headgate.catalog.providers import GROQ
from headgate.catalog.tables import LADDER, PREFIX, TIERS, Table, check_names, check_successors, merged, read_model
from headgate.domain.limits import Dimension
from headgate.domain.request import Need

AUTO: Final = "auto"
REMEMBERED_RESOLUTIONS: Final = 4096
LONGEST_COMPARED_NAME: Final = 200
SUBSTITUTED: Final = frozenset({Kind.CHAT, Kind.TRANSCRIPTION})
"""Kinds whose models can stand in for each other: a voice, a vector or a verdict is nobody else's."""

_STANDARD: Final = LADDER.index("standard")
_NO_LIMITS: Final[dict[Dimension, int]] = {}


class Catalog:
    """All models by name. Never changes; `with_overrides` and `with_chain` make another one.

    `chain` are the providers that take part, in the order in which they stand in for each other. Models of others are
    known by name and serve nobody.
    """

    __slots__ = ("_by_name", "_members", "_models", "_resolved", "_tables", "chain")

    def __init__(
        self,
        tables: Mapping[str, Table],
        tiers: Mapping[str, Sequence[str]] | None = None,
        chain: Sequence[str] = (GROQ,),
    ) -> None:
        """`tables` go from id to the fields of `Model`; `tiers` order their members. Raises CatalogError."""
        self.chain = tuple(chain)
        members = {tier: tuple((tiers or {}).get(tier, ())) for tier in TIERS}
        self._tables = {model_id: _with_tiers(model_id, table, members) for model_id, table in tables.items()}
        self._models = {model_id: read_model(model_id, table) for model_id, table in self._tables.items()}
        check_names(self._models)
        check_successors(self._models)
        self._members = {tier: self._in_order(tier, order) for tier, order in members.items()}
        self._by_name = _names(self._models)
        self._resolved: dict[tuple[str, Need, bool], Resolution] = {}

    def __repr__(self) -> str:
        return f"<Catalog {len(self.current())} running of {len(self._models)} models>"

    def model(self, name: str) -> Model | None:
        """The model of an id, an alias, a bare name without its owner, or a name behind its provider's."""
        return self._by_name.get(name)

    def all(self) -> tuple[Model, ...]:
        """Every model of the providers that take part, in the order of the data."""
        return tuple(model for model in self._models.values() if model.provider in self.chain)

    def current(self) -> tuple[Model, ...]:
        """Those of them that run for everybody, previews included."""
        return tuple(model for model in self.all() if model.is_running)

    def tier(self, name: str) -> tuple[Model, ...]:
        """The running models of a tier, best first; empty for a name that is no tier."""
        return self._members.get(name, ())

    def successor(self, name: str) -> Model | None:
        """The running model at the end of the chain of successors; None where the chain ends before one."""
        model = self._by_name.get(name)
        while model is not None and model.successor is not None:
            model = self._models[model.successor]
            if model.is_running:
                return model
        return None

    def limits(self, model_id: str, plan: str) -> dict[Dimension, int]:
        """The limits of a model on a plan, not to be changed; empty where nothing is known."""
        model = self._by_name.get(model_id)
        return _NO_LIMITS if model is None else model.limits.get(plan, _NO_LIMITS)

    def plan_for(self, model_id: str, limit_requests: int | None, limit_tokens: int | None) -> str | None:
        """The plan whose RPD and TPM are what the headers show; None when no plan says so.

        A number that one side does not state contradicts nothing, but at least one must agree, and the plan with the
        most agreement wins.
        """
        model = self._by_name.get(model_id)
        if model is None:
            return None
        best, best_agreement = None, 0
        for plan, limits in model.limits.items():
            pairs = ((limits.get(Dimension.RPD), limit_requests), (limits.get(Dimension.TPM), limit_tokens))
            stated = [stated == seen for stated, seen in pairs if stated is not None and seen is not None]
            if all(stated) and len(stated) > best_agreement:
                best, best_agreement = plan, len(stated)
        return best

    def resolve(self, name: str, needs: Need = Need.NONE, *, substitute: bool = True) -> Resolution | None:
        """What a model name means for a request with these needs; None for a name that nobody knows.

        The named model comes first (the end of its successors when it no longer runs), then, if `substitute`, the
        other running models of its kind and provider that meet the needs: same tier, neighbouring tier, the rest; those
        of other providers stand in `elsewhere`. Only models for chat and transcription have substitutes. A model that
        cannot meet the needs stays only when nothing else can.
        """
        key = (name, needs, substitute)
        found = self._resolved.get(key)
        if found is None:
            found = self._resolve(name, needs, substitute=substitute)
            if found is not None:
                if len(self._resolved) >= REMEMBERED_RESOLUTIONS:
                    self._resolved.clear()
                self._resolved[key] = found
        return found

    def nearest(self, name: str, n: int = 3) -> tuple[str, ...]:
        """Up to `n` names that may have been meant, nearest first: ids of running models and tiers."""
        import difflib  # only a mistake needs it

        asked = name[:LONGEST_COMPARED_NAME].lower()
        meant = {f"{PREFIX}{tier}": f"{PREFIX}{tier}" for tier in (AUTO, *TIERS)}
        for known, model in self._by_name.items():
            runs = self._running(model)
            if runs is not None and runs.provider in self.chain:
                meant[known.lower()] = runs.id
        close = difflib.get_close_matches(asked, meant, n=4 * n, cutoff=0.6)
        return tuple(dict.fromkeys(meant[known] for known in close))[:n]

    def with_overrides(self, tables: Mapping[str, Table]) -> "Catalog":
        """Another catalogue after the `[models."id"]` tables of headgate.toml. Raises CatalogError.

        A known id has the given keys changed; an unknown one is added, behind the others. Names that only stand for an
        id do not count here: `gpt-oss-20b` may well be the id that a server of one's own uses.
        """
        changed = dict(self._tables)
        for model_id, change in tables.items():
            changed[model_id] = merged(model_id, changed.get(model_id), change, self._tables)
        return Catalog(changed, self._order(), self.chain)

    def with_chain(self, chain: Sequence[str]) -> "Catalog":
        """Another catalogue in which these providers take part, in this order."""
        return Catalog(self._tables, self._order(), chain)

    def _order(self) -> dict[str, list[str]]:
        ordered = {tier: [model.id for model in members] for tier, members in self._members.items()}
        for model in self._models.values():  # those that take no part now may do so in another chain
            for tier in model.tiers:
                if model.id not in ordered[tier]:
                    ordered[tier].append(model.id)
        return ordered

    def _resolve(self, name: str, needs: Need, *, substitute: bool) -> Resolution | None:
        model = self._by_name.get(name)
        if model is not None:
            return self._resolve_model(name, model, needs, substitute=substitute)
        tier = name.removeprefix(PREFIX)
        if tier == name or (tier != AUTO and not self._members.get(tier)):
            return None
        members = self._members.get(tier, ())
        if tier == AUTO or (substitute and members[0].kind in SUBSTITUTED):
            kind = members[0].kind if members else Kind.CHAT
            members = (*members, *self._substitutes(kind, _rungs_of_tier(tier, members), members))
        home = min(members, key=self._place).provider if members else GROQ
        return Resolution(name, None, *self._split(members, home, needs), tier=tier)

    def _resolve_model(self, name: str, asked: Model, needs: Need, *, substitute: bool) -> Resolution | None:
        model = self._running(asked)
        home = (model or asked).provider
        if home not in self.chain:
            return None
        first = () if model is None else (model,)
        candidates = first
        if substitute and asked.kind in SUBSTITUTED:
            candidates = (*first, *self._substitutes(asked.kind, _rungs(model or asked), first))
        retired = asked.id if model is not asked else None
        return Resolution(name, model, *self._split(candidates, home, needs), retired=retired)

    def _split(self, models: Sequence[Model], home: str, needs: Need) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The ids of one provider's models that are able, and those of the others in the order of the chain."""
        able = [model for model in models if model.meets(needs)]
        here = tuple(model.id for model in able if model.provider == home)
        there = tuple(model.id for model in sorted(able, key=self._place) if model.provider != home)
        if here or there:
            return here or there, there if here else ()
        return tuple(model.id for model in models[:1]), ()

    def _place(self, model: Model) -> int:
        """Where the model's provider stands in the chain."""
        return self.chain.index(model.provider)

    def _running(self, model: Model) -> Model | None:
        """The model itself, or who serves instead. An enterprise model without successor is asked for by contract."""
        if model.is_running or (model.lifecycle is Lifecycle.ENTERPRISE and model.successor is None):
            return model
        return self.successor(model.id)

    def _substitutes(self, kind: Kind, rungs: tuple[int, ...], besides: tuple[Model, ...]) -> list[Model]:
        """Running models of a kind by their distance on the ladder of tiers."""
        taken = {model.id for model in besides}
        others = [
            model for model in self.current() if model.substitute and model.kind is kind and model.id not in taken
        ]
        return sorted(others, key=lambda model: min(abs(a - b) for a in rungs for b in _rungs(model)))

    def _in_order(self, tier: str, order: tuple[str, ...]) -> tuple[Model, ...]:
        place = {model_id: index for index, model_id in enumerate(order)}
        members = [model for model in self.current() if tier in model.tiers]
        return tuple(sorted(members, key=lambda model: place.get(model.id, len(place))))


def _rungs(model: Model) -> tuple[int, ...]:
    return tuple(LADDER.index(tier) for tier in model.tiers if tier in LADDER) or (_STANDARD,)


def _rungs_of_tier(tier: str, members: Sequence[Model]) -> tuple[int, ...]:
    if tier in LADDER:
        return (LADDER.index(tier),)
    return _rungs(members[0]) if members else (_STANDARD,)


def _with_tiers(model_id: str, table: Table, members: Mapping[str, tuple[str, ...]]) -> Table:
    if "tiers" in table:
        return table
    return {**table, "tiers": [tier for tier, ids in members.items() if model_id in ids]}


def _names(models: Mapping[str, Model]) -> dict[str, Model]:
    """Every name a model can be asked by; ids win over aliases, aliases over names that are only derived.

    A bare name that two owners share means neither of them; one that two providers share means the first provider's.
    """
    derived: dict[str, Model | None] = {}
    for model in models.values():
        for name in {model.id.rpartition("/")[2], f"{model.provider}/{model.sent_as()}"} - {model.id}:
            known = derived.get(name, model)
            if known is None or known.provider == model.provider:
                derived[name] = model if known is model else None
    names = {name: model for name, model in derived.items() if model is not None}
    for model in models.values():
        names.update(dict.fromkeys(model.aliases, model))
    return {**names, **models}
