"""Owns the extraction skill: what a message holds of payment and contact details, with spans, normalised.

    >>> from headgate.local import extract
    >>> [entity.value for entity in extract("Pay ₹1,25,000.50 to ramesh.k@okaxis").entities]
    ['INR 125000.50', 'ramesh.k@okaxis']

The parts of an address, a link or a date are nothing else, so kinds are looked for in the order of how well they are
marked, and what is found is taken for good. Refuses to know what a message is for: risk is scored elsewhere.
"""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from datetime import date

from headgate.local.evidence import Evidence
from headgate.local.extract_address import addresses, written_out
from headgate.local.extract_amount import amounts
from headgate.local.extract_date import dates
from headgate.local.extract_digits import ibans
from headgate.local.extract_ifsc import codes
from headgate.local.extract_link import bare, defanged, schemed
from headgate.local.extract_numbers import Numbers
from headgate.local.extract_spoken import spoken_amounts, spoken_phones
from headgate.local.extract_types import ALL, Entity, Extraction, Kind
from headgate.local.extract_view import View, look


def extract(text: str, *, wanted: AbstractSet[Kind] = ALL, region: str = "IN", today: date | None = None) -> Extraction:
    """What a text holds of these kinds.

    `region` is the country (ISO 3166) whose national phone numbers are understood; only within IN are ten bare digits
    an Indian mobile. With `today`, days said without a year ("12 Jan") or relatively ("tomorrow") count as well. Time
    grows linearly with the text.
    """
    view = look(text)
    found = sorted(_Search(view, region, today).run(), key=lambda entity: entity.start)
    entities = tuple([entity for entity in found if entity.kind in wanted])
    confidence = min([entity.confidence for entity in entities], default=0.0)
    evidence = tuple([Evidence(entity.start, entity.end, f"{entity.kind}: {entity.reason}") for entity in entities])
    return Extraction(entities, confidence, evidence)


class _Search:
    """One text's search: `taken` marks with 1 each character of `seen` that belongs to something found."""

    __slots__ = ("found", "region", "taken", "today", "view")

    def __init__(self, view: View, region: str, today: date | None) -> None:
        self.view, self.region, self.today = view, region, today
        self.taken = bytearray(len(view.seen))
        self.found: list[Entity] = []

    def run(self) -> list[Entity]:
        """Everything, kind by kind; the better marked first."""
        view = self.view
        self._take(schemed(view))
        self._take(addresses(view))
        self._take(written_out(view))
        self._take(bare(view))
        self._take(defanged(view))
        for start, end in ibans(view):
            self.taken[start:end] = b"\1" * (end - start)
        code_spans = tuple([view.span(entity) for entity in self._take(codes(view))])
        self._take(dates(view, self.taken, self.today))
        self._take(amounts(view, self.taken))
        self._take(Numbers(view, self.taken, self.region, code_spans).found())
        self._take(spoken_phones(view))
        self._take(spoken_amounts(view))
        return self.found

    def _take(self, entities: Iterable[Entity]) -> list[Entity]:
        """Keeps those that lie where nothing was found yet, and marks their places."""
        new = list(self._fresh(entities))
        self.found += new
        return new

    def _fresh(self, entities: Iterable[Entity]) -> Iterator[Entity]:
        for entity in entities:
            start, end = self.view.span(entity)
            if self.taken.find(1, start, end) < 0:
                self.taken[start:end] = b"\1" * (end - start)
                yield entity
