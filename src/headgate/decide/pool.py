"""Which keys reach which organisations, and what of them is out of use. Names of keys only: secrets never come here."""

import zlib
from typing import Final

import msgspec

from headgate.catalog import Catalog
from headgate.domain.limits import Deployment
from headgate.domain.time import Instant

OWN_KEYS_REMEMBERED: Final = 10_000
NAMED_BY_PROVIDER: Final = "org_"


class Key(msgspec.Struct, frozen=True):
    """A provider credential, by name. `organisation` is what it was configured to reach, or its own anonymous one."""

    id: str
    provider: str
    organisation: str


class Pool(msgspec.Struct, dict=True):
    """State of keys, organisations, models and endpoints. `trouble` is False while nothing at all is out."""

    keys: dict[str, Key]
    removed: set[str] = msgspec.field(default_factory=set)
    merged: dict[str, str] = msgspec.field(default_factory=dict)
    named: dict[str, str] = msgspec.field(default_factory=dict)
    out: dict[str, Instant] = msgspec.field(default_factory=dict)
    endpoints: dict[str, int] = msgspec.field(default_factory=dict)
    own: dict[str, str] = msgspec.field(default_factory=dict)
    generation: int = 0
    trouble: bool = False

    def attach(self, catalog: Catalog) -> None:
        """Give the pool its catalogue; looked-up deployments are remembered until keys or organisations change."""
        self._catalog = catalog
        self._known: dict[str, tuple[Deployment, ...]] = {}
        self._names: dict[str, list[str]] = {}
        self._known_at = -1

    # Questions -----------------------------------------------------------------------------------------------------

    def deployments(self, model: str, own_key: str | None = None) -> tuple[Deployment, ...]:
        """The model at every organisation that has a key; with `own_key`, at that caller's organisation only."""
        if self._known_at != self.generation:
            self._forget()
        name = model if own_key is None else f"{own_key} {model}"
        found = self._known.get(name)
        if found is None:
            if len(self._known) > OWN_KEYS_REMEMBERED:
                self._known.clear()
            found = self._known[name] = self._deployments(model, own_key)
        return found

    def _forget(self) -> None:
        self._known.clear()
        self._names.clear()
        self._known_at = self.generation

    def _deployments(self, model: str, own_key: str | None) -> tuple[Deployment, ...]:
        row = self._catalog.model(model)
        if row is None:
            return ()
        if own_key is not None:
            return (Deployment.of(row.provider, self.organisation_of_own(row.provider, own_key), row.id),)
        organisations = dict.fromkeys(
            self.canonical(key.provider, key.organisation)
            for key in self.keys.values()
            if key.provider == row.provider and key.id not in self.removed
        )
        return tuple(Deployment.of(row.provider, organisation, row.id) for organisation in organisations)

    def organisation_of_own(self, provider: str, own_key: str) -> str:
        """The organisation of a caller's own key: anonymous until a body names it."""
        return self.canonical(provider, f"own-{own_key}")

    def canonical(self, provider: str, organisation: str) -> str:
        """The organisation that this one turned out to be."""
        while into := self.merged.get(f"{provider}:{organisation}"):
            organisation = into
        return organisation

    def key_for(self, deployment: Deployment, session: str | None, own_key: str | None) -> str | None:
        """The key to call with: a caller's own, else the session's among the organisation's, else the first."""
        if own_key is not None:
            return f"own:{own_key}"
        if self._known_at != self.generation:
            self._forget()
        names = self._names.get(deployment.id)
        if names is None:
            organisation = self.canonical(deployment.provider, deployment.organisation)
            names = self._names[deployment.id] = self._keys_of(deployment.provider, organisation)
        if not names:
            return None
        return names[zlib.crc32(session.encode()) % len(names) if session and len(names) > 1 else 0]

    def _keys_of(self, provider: str, organisation: str) -> list[str]:
        return [
            key.id
            for key in self.keys.values()
            if key.provider == provider
            and key.id not in self.removed
            and self.canonical(provider, key.organisation) == organisation
        ]

    def is_up(self, deployment: Deployment, now: Instant) -> bool:
        """Whether provider, organisation and model are in use."""
        if not self.trouble:
            return True
        out, provider = self.out, deployment.provider
        return (
            out.get(provider, 0.0) <= now
            and out.get(f"{provider}:{deployment.organisation}", 0.0) <= now
            and out.get(f"{provider}:*:{deployment.model}", 0.0) <= now
            and out.get(deployment.id, 0.0) <= now
        )

    def endpoint(self, provider: str) -> int:
        """Which of the provider's endpoints is in use."""
        return self.endpoints.get(provider, 0)

    # Changes -------------------------------------------------------------------------------------------------------

    def remove_key(self, key: str) -> None:
        """The provider refused the key."""
        if key in self.keys:
            self.removed.add(key)
            self.generation += 1

    def take_out(self, provider: str, organisation: str | None, until: Instant) -> None:
        """An organisation, or the whole provider, is out until its next probe."""
        self._out(provider if organisation is None else f"{provider}:{organisation}", until)

    def retire(self, provider: str, model: str, organisation: str | None, until: Instant) -> None:
        """A model is gone: everywhere, or at one organisation."""
        self._out(f"{provider}:{organisation or '*'}:{model}", until)

    def _out(self, name: str, until: Instant) -> None:
        self.out[name] = max(until, self.out.get(name, 0.0))
        self.trouble = True

    def identify(self, provider: str, organisation: str, name: str) -> str | None:
        """An error body named the organisation. Returns the organisation to merge it into, if it is a known one."""
        organisation = self.canonical(provider, organisation)
        self.named[f"{provider}:{organisation}"] = name
        for other, known in self.named.items():
            into = other.partition(":")[2]
            if known == name and other != f"{provider}:{organisation}" and other.startswith(f"{provider}:"):
                self.merged[f"{provider}:{organisation}"] = into
                self.generation += 1
                return into
        return None

    def knows_name(self, provider: str, organisation: str, name: str) -> bool:
        """Whether that is already known, so that nothing need be done."""
        return self.named.get(f"{provider}:{self.canonical(provider, organisation)}") == name

    def move_endpoint(self, provider: str, seen: int, of: int) -> None:
        """The endpoint `seen` failed: use the next of `of`, unless somebody has moved on already."""
        if of > 1 and self.endpoint(provider) == seen:
            self.endpoints[provider] = (seen + 1) % of


def pool_of(keys: list[Key], catalog: Catalog) -> Pool:
    """A pool over these keys. An organisation that is configured by the provider's own name counts as named."""
    pool = Pool(keys={key.id: key for key in keys})
    for key in keys:
        if key.organisation.startswith(NAMED_BY_PROVIDER):
            pool.named[f"{key.provider}:{key.organisation}"] = key.organisation
    pool.attach(catalog)
    return pool
