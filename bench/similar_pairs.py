"""Pairs of messages to measure similar requests: those that must not be answered for one another, and those that may.

`written` are the pairs of `data/similar_pairs.tsv`; `made` fills templates from many domains, one seed, so that every
pair differs in a number, a name, a negation, a direction or a plain word and in nothing else; `varied` writes one
message again with other capitals, punctuation, politeness or a slip of the fingers.

Of the written pairs every third of a class, and of the made ones every third template, is kept aside.
"""

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

WRITTEN: Final = Path(__file__).parent / "data" / "similar_pairs.tsv"
SAME: Final = "same"
PER_TEMPLATE: Final = 60
ASIDE_EVERY: Final = 3


class Pair(NamedTuple):
    """Two messages, what they differ in, and whether the pair was kept aside."""

    kind: str
    one: str
    other: str
    aside: bool


def written() -> list[Pair]:
    """The pairs that were written one by one."""
    rows = [line.split("\t") for line in WRITTEN.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    seen: dict[str, int] = {}
    pairs = []
    for kind, one, other in rows:
        at = seen[kind] = seen.get(kind, 0) + 1
        pairs.append(Pair(kind, one, other, at % ASIDE_EVERY == 0))
    return pairs


PEOPLE: Final = (
    "Asha|Bilal|Chitra|David|Elena|Farhan|Grace|Hiro|Ines|Jamal|Kiran|Lucia|Maria|Mario|Nadia|Nadira|Omar|Ravi|Rani"
)
CITIES: Final = (
    "Pune|Patna|Paris|Parma|Lyon|Leeds|Quito|Kyoto|Osaka|Lagos|Laos|Bergen|Turin|Tunis|Oslo|Ostia|Salem|Surat"
)
FIRMS: Final = "Acme|Apex|Vertex|Vortex|Globex|Initech|Umbra|Hooli|Zenith|Zenit|Nimbus|Cirrus|Tata Steel|Tata Motors"
DRUGS: Final = "amlodipine|amiodarone|cetirizine|cefixime|losartan|lorazepam|prednisone|prednisolone|tramadol|trazodone"
TOOLS: Final = "numpy|scipy|pandas|polars|flask|fastapi|pytest|pylint|kafka|rabbitmq|nginx|caddy|vim|emacs|bazel|gradle"
FOODS: Final = "rice|pasta|lentils|potatoes|chicken|mushrooms|spinach|salmon|noodles|beans|carrots|onions"
THINGS: Final = "invoice|refund|parcel|passport|password|account|contract|warranty|ticket|policy|receipt|subscription"
TOPICS: Final = (
    "gravity|osmosis|inflation|photosynthesis|recursion|entropy|democracy|evaporation|evolution|erosion|friction"
)
ANIMALS: Final = "dog|cat|horse|lion|tiger|whale|rabbit|eagle|snake|monkey|goat|wolf"
COLOURS: Final = "red|blue|green|yellow|black|white|purple|orange"
COINS: Final = "dollars|euros|rupees|yen|pesos|francs|pounds|dirhams"
TONGUES: Final = "Hindi|Tamil|French|German|Swahili|Korean|Polish|Basque|Welsh|Zulu|Yoruba|Quechua"

_LISTED: Final = {
    "person": PEOPLE,
    "city": CITIES,
    "firm": FIRMS,
    "drug": DRUGS,
    "tool": TOOLS,
    "food": FOODS,
    "thing": THINGS,
    "topic": TOPICS,
    "animal": ANIMALS,
    "colour": COLOURS,
    "coin": COINS,
    "tongue": TONGUES,
    "word_number": "two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty|forty",
    "ordinal": "first|second|third|fourth|fifth|sixth|seventh|ninth|tenth",
    "unit": "kg|grams|pounds|ounces|litres|ml|metres|miles|km|inches|hours|minutes|days|weeks",
    "month": "January|February|March|April|May|June|July|August|October|November",
    "weekday": "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday",
}
SLOTS: Final = {name: listed.split("|") for name, listed in _LISTED.items()}
NUMBERS: Final = {"small": (1, 30), "hundred": (31, 999), "thousand": (1_000, 99_999), "year": (1850, 2026)}

CHANGED: Final = {
    "number": """What is {small*} percent of {hundred}?|How many {unit} are in {hundred*} {unit}?
        |Who won the cup in {year*}?
        |My invoice {thousand*} has not been paid, what now?|Give me {word_number*} ideas for a party in {city}
        |What happened in {city} on {small*} {month} {year}?|Is {drug} {hundred*} mg too much for an adult?
        |What was the {ordinal*} law of {topic}?|Convert {hundred} {unit*} to stones|Meet {person} on {small} {month*}
        |How long do I cook {small*} {unit} of {food}?|Pay {thousand*} {coin} to {person} now
        |Is {firm} stock worth {small*}.{small} {coin}?|Write {word_number*} lines about the {animal}
        |My flight leaves at {small}:{hundred*}, is that late?|Does the {thing} end after {small*} months?
        |{tool} version {small}.{small*} does not start|List the top {small*} companies like {firm}
        |My {thing} number is {thousand*}|Book a table for {word_number*} on {weekday} in {city}
        |Who is number {small*} on the list of {firm}?""",
    "name": """Who is the mayor of {city*}?|Is {drug*} safe during pregnancy?|How do I install {tool*} on Linux?
        |Write a birthday wish for {person*}|What does {firm*} sell?|Translate "good morning" into {tongue*}
        |is {drug*} taken with food|how do i configure {tool*} for production|Convert {hundred} {coin*} to roubles
        |Does {firm} have an office in {city*}?|Send the {thing} to {person*} please|who founded {firm*}
        |Is the museum in {city*} open on {weekday}?|When does {person*} arrive in {city}?
        |Explain how {tool*} works to a beginner|Do they speak {tongue*} in {city}?|Tell {person*} that I am late
        |What is the weather like in {city*} in {month}?|Is {person} the sister of {person*}?
        |Does {tool} work together with {tool*}?|Is the shop open on {weekday*}?""",
    "other word": """How do I cook {food*}?|Explain {topic*} in simple words|Why does my {animal*} sleep so much?
        |How do I renew my {thing*}?|What goes well with {food*} and bread?|Paint the wall {colour*}
        |Tell me a story about a {animal*} and a king|What is the history of {topic*} as an idea?
        |I lost my {thing*}, what should I do?|Can I freeze {food*} after it was cooked?
        |Is a {colour*} car safer at night?|Write a formal letter about my {thing*} to the bank""",
}
"""What is marked with a star is filled with two different values; the rest of the slots with the same."""

TURNED: Final = {
    "negation": """Should I {take/not take} {drug} before bed?|Which {animal}s {can/cannot} swim?
        |I {did/did not} get my {thing}
        |Write a recipe {with/without} {food}|Why {does/doesn't} {tool} start?|Show every {thing} that {is/is not} paid
        |{Do/Don't} send the {thing} to {person}|Is it {safe/unsafe} to eat {food} raw?
        |{Everybody/Nobody} at {firm} knows {topic}
        |Is the {thing} from {firm} {valid/invalid}?|I {want/don't want} to visit {city}
        |Is {topic} {possible/impossible} in space?
        |{Person/No person} from {city} may enter|The {thing} {has/hasn't} arrived in {city}
        |Use {food} {and/instead of} {food}
        |Does {firm} {ever/never} pay in {coin}?|Is it {legal/illegal} to keep a {animal} in {city}?
        |I {can/can't} open the {thing} in {tool}|Give me reasons {to/not to} move to {city}
        |How do I {install/uninstall} {tool}?|{Include/Exclude} {food} from the list""",
    "reversal": """Flights from {city1} to {city2}|Convert {coin1} to {coin2}|Is a {animal1} faster than a {animal2}?
        |Translate from {tongue1} to {tongue2}|Did {person1} meet {city} before {person2}?
        |Does {topic1} cause {topic2}?
        |{person1} owes {person2} {hundred} {coin}|Put the {colour1} box on the {colour2} box|Did {firm1} buy {firm2}?
        |Add {food1} to {food2} and stir|Replace {tool1} by {tool2} in my project|The {animal1} chased the {animal2}
        |Is {city1} north of {city2}?|Send {hundred} {coin} from {person1} to {person2}
        |Subtract {food1} cost from {food2} cost
        |Is {firm1} bigger than {firm2}?|Does {tool1} depend on {tool2}?|Is {topic1} a kind of {topic2}?
        |{person1} is the father of {person2}, right?|Should I learn {tongue1} before {tongue2}?
        |Swap my {thing1} for a {thing2}""",
    "direction": """Is {food} {more/less} healthy than bread?
        |What is the {maximum/minimum} age for a {thing} in {city}?
        |How do I {increase/decrease} {topic}?|Shops that open {before/after} {small} in {city}
        |The {cheapest/dearest} {thing} at {firm}
        |Sort the {animal}s in {ascending/descending} order|Turn {on/off} the {colour} light
        |{Buy/Sell} shares of {firm}
        |Is {city} {above/below} sea level?|When does the {earliest/latest} train to {city} leave?
        |{Import/Export} the {thing} with {tool}|What are the {advantages/disadvantages} of {tool}?
        |{Lend/Borrow} {hundred} {coin}|{Who/When} founded {firm}?|{How/Why} does {topic} work?
        |{Create/Delete} the {thing} of {person}|{Enable/Disable} {tool} on start
        |What is {better/worse} than {tool}?""",
}
"""`{this/that}` is said once so and once so; slots numbered 1 and 2 change places."""

_SLOT: Final = re.compile(r"\{([^{}]+)\}")


def made(seed: int = 4) -> list[Pair]:
    """Pairs from all templates."""
    dice = random.Random(seed)
    pairs: dict[tuple[str, str], Pair] = {}
    for kind, template, aside in templates():
        for _ in range(PER_TEMPLATE):
            one, other = _filled(template, dice)
            if one.casefold() != other.casefold():
                pairs.setdefault((one, other), Pair(kind, one, other, aside))
    return list(pairs.values())


def templates() -> Iterator[tuple[str, str, bool]]:
    """Kind and template, and whether it is kept aside."""
    for kind, listed in {**CHANGED, **TURNED}.items():
        for at, template in enumerate(listed.split("|"), 1):
            yield kind, " ".join(template.split()), at % ASIDE_EVERY == 0


def _filled(template: str, dice: random.Random) -> tuple[str, str]:
    """One pair of a template."""
    swapped: dict[str, list[str]] = {}
    for match in _SLOT.finditer(template):
        if match[1][-1] in "12":
            name = match[1][:-1]
            swapped.setdefault(name, dice.sample(SLOTS[name], 2))
    one, other, end = "", "", 0
    for match in _SLOT.finditer(template):
        first, second = _values(match[1], swapped, dice)
        between = template[end : match.start()]
        one, other, end = one + between + first, other + between + second, match.end()
    return one + template[end:], other + template[end:]


def _values(slot: str, swapped: dict[str, list[str]], dice: random.Random) -> tuple[str, str]:
    if "/" in slot:
        first, _, second = slot.partition("/")
        return first, second
    if slot[-1] in "12":
        at = int(slot[-1]) - 1
        return swapped[slot[:-1]][at], swapped[slot[:-1]][1 - at]
    name = slot.removesuffix("*")
    if name in NUMBERS:
        values = [str(number) for number in dice.sample(range(*NUMBERS[name]), 2)]
    else:
        values = dice.sample(SLOTS[name], 2)
    return (values[0], values[1]) if slot.endswith("*") else (values[0], values[0])


POLITE: Final = (
    "Please {}",
    "Hi, {}",
    "Hello! {}",
    "Could you tell me, {}",
    "{} Thanks!",
    "{} Thank you.",
    "Can you please {}",
    "Hey, quick question: {}",
)


def varied(text: str, dice: random.Random) -> list[tuple[str, str]]:
    """The same message in other clothes: what was changed, and the message."""
    return [
        ("case", text.lower()),
        ("case", text.upper()),
        ("punctuation", text.rstrip("?.!")),
        ("punctuation", text + dice.choice(("!", "?", " ...", "??"))),
        ("punctuation", "  " + text.replace(",", "") + "\n"),
        ("politeness", dice.choice(POLITE).format(text)),
        ("typo", slipped(text, dice)),
    ]


def slipped(text: str, dice: random.Random) -> str:
    """With one letter left out, doubled, swapped with its neighbour or hit wrong, in one of its longer words."""
    words = text.split(" ")
    long = [at for at, word in enumerate(words) if len(word) > 4 and word.isalpha()]
    if not long:
        return text
    at = dice.choice(long)
    word = words[at]
    place = dice.randrange(1, len(word) - 1)
    match dice.randrange(4):
        case 0:
            word = word[:place] + word[place + 1 :]
        case 1:
            word = word[:place] + word[place] + word[place:]
        case 2:
            word = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
        case _:
            word = word[:place] + dice.choice("qwertyuiopasdfghjklzxcvbnm") + word[place + 1 :]
    return " ".join([*words[:at], word, *words[at + 1 :]])
