"""Owns the metrics page: what is counted anyway, in Prometheus' text, put together when somebody asks for it.

Nothing is counted for it on the path of a request but the tally of facts.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from headgate.cache.counts import CacheStats
from headgate.cache.tier_health import TierHealth, TierState
from headgate.runtime.cache import Cache
from headgate.server.admin import AdminVisit
from headgate.store.guarded_tier import GuardedTier

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

Rows = Iterable[tuple[tuple[str, ...], float]]
PREFIX: Final = "headgate_"
NANO: Final = 1e-9


async def metrics(visit: AdminVisit) -> None:
    """`GET /metrics`."""
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

    body = generate_latest(_registry(visit))
    await visit.reply(body, kind=(b"content-type", CONTENT_TYPE_PLAIN_0_0_4.encode()))


def _registry(visit: AdminVisit) -> "CollectorRegistry":
    from prometheus_client import CollectorRegistry
    from prometheus_client.process_collector import ProcessCollector

    registry = CollectorRegistry(auto_describe=False)
    registry.register(
        _Collector(lambda: [*_of_gateway(visit), *_of_jobs(visit), *_of_coalescing(visit), *_of_cache(visit)])
    )
    ProcessCollector(registry=registry)
    return registry


class _Collector:
    """Gives what a function gives, when it is asked."""

    def __init__(self, collected: "Callable[[], Iterable[Metric]]") -> None:
        self._collected = collected

    def collect(self) -> "Iterable[Metric]":
        return self._collected()


def _of_gateway(visit: AdminVisit) -> "Iterable[Metric]":
    tally, gateway = visit.tally, visit.gateway
    gate = gateway.driver.gate
    now = gateway.now()
    yield _counter("requests", "Requests that are over, by source of the answer", ["source"], _by(tally.requests))
    calls = (((provider, outcome), count) for (provider, outcome), count in tally.calls.items())
    yield _counter("calls", "Upstream exchanges, by provider and outcome", ["provider", "outcome"], calls)
    yield _counter(
        "remedies",
        "Remedies taken after failures",
        ["remedy"],
        _by({remedy.value: count for remedy, count in gate.remedies_taken.items()}),
    )
    yield _counter("tokens", "Tokens that providers counted", ["kind"], _by(tally.tokens))
    screened = tally.screened.items()
    yield _counter("prompts_screened", "Prompts with blocked terms, by category", ["category", "outcome"], screened)
    yield _counter("alerts", "What an operator should have heard of", ["kind"], _by(tally.alerts))
    yield _counter("cost_usd", "What answers cost, by the catalogue's prices", [], [((), tally.cost_nanousd * NANO)])
    yield _gauge("in_flight", "Requests that are being answered", [], [((), gateway.in_flight)])
    yield _gauge("waiting", "Requests that wait for quota", [], [((), gateway.driver.waiting)])
    yield _gauge("keys", "Provider keys in use", [], [((), len(gate.pool.keys) - len(gate.pool.removed))])
    held = sum(not circuit.may_call(now) for circuit in gate.circuits.values())
    yield _gauge("circuits_open", "Deployments that are left alone after failures", [], [((), held)])


def _of_jobs(visit: AdminVisit) -> "Iterable[Metric]":
    runner, tally = visit.gateway.jobs, visit.tally
    if runner is None:
        return
    yield _gauge("jobs_open", "Background jobs that have not ended", [], [((), runner.open)])
    yield _gauge("jobs_running", "Background jobs that are under way", [], [((), runner.running)])
    yield _counter("jobs", "Background jobs that ended, by kind and how", ["kind", "status"], tally.jobs.items())
    yield _counter("deliveries", "Tries to tell a webhook", ["target", "outcome"], tally.deliveries.items())


def _of_coalescing(visit: AdminVisit) -> "Iterable[Metric]":
    coalescer = visit.gateway.coalescer
    if coalescer is None:
        return
    total = coalescer.counts.total
    single = {
        "requests": ("Requests answered together with others", total.requests),
        "calls": ("Calls that were made for several requests", total.calls),
        "alone": ("Requests that such a call brought no answer", total.alone),
        "left": ("Clients that left while they waited for others", coalescer.counts.left),
    }
    for name, (told, count) in single.items():
        yield _counter(f"coalesced_{name}", told, [], [((), count)])
    saved = [((), total.tokens_saved)]  # short prompts save less than nothing, so it is no counter
    yield _gauge("coalesced_tokens_saved", "Prompt tokens that asking together saved, estimated", [], saved)


def _of_cache(visit: AdminVisit) -> "Iterable[Metric]":
    cache = visit.gateway.cache
    if cache is None:
        return
    stats = cache.stats()
    single = {
        "lookups": ("Look-ups", stats.lookups),
        "misses": ("Look-ups that found nothing", stats.misses),
        "shared": ("Requests that shared the call of an equal one", stats.shared),
        "similar": ("Answers to earlier requests that ask the same", stats.similar),
        "stale": ("Answers given beyond their time, as a remedy", stats.stale),
        "stored": ("Answers kept", stats.stored),
        "puts_dropped": ("Entries that a tier was not given", stats.puts_dropped),
        "saved_tokens": ("Tokens that were not asked for again", stats.saved_tokens),
    }
    for name, (told, count) in single.items():
        yield _counter(f"cache_{name}", told, [], [((), count)])
    yield _counter("cache_not_stored", "Answers not kept, by reason", ["reason"], _by(stats.not_stored))
    yield _counter("cache_flaws", "Entries that could not be used, by flaw", ["flaw"], _by(stats.flaws))
    yield from _of_tiers(stats)
    yield from _of_health(health_of(cache))


def _of_tiers(stats: CacheStats) -> "Iterable[Metric]":
    tiers = stats.tiers
    yield _counter("cache_hits", "Answers found, by tier", ["tier"], [((tier.name,), tier.hits) for tier in tiers])
    yield _counter(
        "cache_tier_down", "Times that a tier did not answer", ["tier"], [((tier.name,), tier.down) for tier in tiers]
    )
    rates = [((tier.name,), tier.hit_rate) for tier in tiers if tier.hit_rate is not None]
    yield _gauge("cache_hit_rate", "Hits per look-up that reached the tier, over the last minutes", ["tier"], rates)
    entries = [((tier.name,), float(tier.entries)) for tier in tiers if tier.entries is not None]
    yield _gauge("cache_entries", "Entries that a tier holds", ["tier"], entries)
    sizes = [((tier.name,), float(tier.size_bytes)) for tier in tiers if tier.size_bytes is not None]
    yield _gauge("cache_size_bytes", "Bytes that a tier holds", ["tier"], sizes)


def health_of(cache: Cache) -> tuple[TierHealth, ...]:
    """How the tiers behind memory are."""
    return tuple(each.tier.health() for each in cache.far if isinstance(each.tier, GuardedTier))


def _of_health(tiers: tuple[TierHealth, ...]) -> "Iterable[Metric]":
    ready = [((tier.name.value,), float(tier.state is TierState.READY)) for tier in tiers]
    yield _gauge("cache_tier_ready", "1 for a tier that is asked, 0 for one that rests after failures", ["tier"], ready)
    failures = [((tier.name.value,), tier.failures) for tier in tiers]
    yield _counter("cache_tier_failures", "Exchanges with a tier that failed", ["tier"], failures)
    timeouts = [((tier.name.value,), tier.timeouts) for tier in tiers]
    yield _counter("cache_tier_timeouts", "Exchanges with a tier that took too long", ["tier"], timeouts)


def _by(counts: Mapping[str, int]) -> Rows:
    """Counts by one label."""
    return [((str(name),), count) for name, count in counts.items()]


def _counter(name: str, told: str, labels: list[str], rows: Rows) -> "Metric":
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(PREFIX + name, told, labels=labels)
    for values, count in rows:
        family.add_metric(values, count)
    return family


def _gauge(name: str, told: str, labels: list[str], rows: Rows) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(PREFIX + name, told, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family
