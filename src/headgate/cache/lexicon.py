"""Owns the words that decide whether two sentences ask the same: which turn a meaning, and which carry none.

English, because a rule is only as good as what it was measured on; of other languages every word has to be the same.
"""

from collections.abc import Mapping
from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _pairs(text: str) -> Mapping[str, str]:
    """`this:that` entries."""
    return dict(entry.split(":", 1) for entry in text.split())


def _groups(text: str) -> tuple[frozenset[str], ...]:
    """`this/that/other` entries."""
    return tuple(frozenset(entry.split("/")) for entry in text.split())


def _phrases(text: str, at: int) -> Mapping[str, tuple[tuple[str, ...], ...]]:
    """`several_words` entries, by their first or last word."""
    phrases = tuple(tuple(entry.split("_")) for entry in text.split())
    return {word: tuple(each for each in phrases if each[at] == word) for word in {each[at] for each in phrases}}


NEGATIONS: Final = _words(
    """no not never none nobody nothing nowhere neither nor without except excluding exclude excludes avoid avoiding
    lack lacks lacking instead rather unless barely hardly scarcely seldom rarely cannot non minus neglect refuse deny
    stop stopped cease prevent forbid forbidden prohibit prohibited against unable false omit omits omitting free"""
)

DENYING_PREFIXES: Final = ("un", "in", "im", "il", "ir", "dis", "non", "de", "mis", "anti")

NUMBERS: Final = _pairs(
    """zero:0 one:1 two:2 three:3 four:4 five:5 six:6 seven:7 eight:8 nine:9 ten:10 eleven:11 twelve:12 thirteen:13
    fourteen:14 fifteen:15 sixteen:16 seventeen:17 eighteen:18 nineteen:19 twenty:20 thirty:30 forty:40 fifty:50
    sixty:60 seventy:70 eighty:80 ninety:90 hundred:100 thousand:1000 lakh:100000 million:1000000 crore:10000000
    billion:1000000000 trillion:1000000000000 first:1st second:2nd third:3rd fourth:4th fifth:5th sixth:6th
    seventh:7th eighth:8th ninth:9th tenth:10th eleventh:11th twelfth:12th twentieth:20th hundredth:100th half:0.5
    quarter:0.25 once:1x twice:2x thrice:3x double:2x triple:3x quadruple:4x dozen:12 couple:2 pair:2 both:2"""
)
"""What a word for a number is compared as."""

QUESTIONS: Final = _pairs(
    "who:who whom:who whose:whose when:when where:where why:why how:how howto:how what:what which:what"
)
"""What is asked for, and what it is compared as."""

ASKING_VERBS: Final = _pairs(
    "can:can may:can is:is are:is am:is was:was were:was will:will shall:will should:should must:must do:do does:do "
    "did:did has:has have:has had:had would:would could:could"
)
"""What a question begins with that wants a yes or a no."""

LIGHT: Final = _words("is are am be that do does really actually basically exactly simply currently also then")
"""Words that may be there or not."""

SPARED: Final = _words("me")
"""Words that one of two texts may do without."""

POSSESSIVES: Final = _words("my your his her its our their whose")
"""Words that make a thing somebody's: my address is not what an address is."""

PERSONS: Final = _words("i you he she we they me him her us them my your his our their mine yours hers ours theirs")

PREPOSITIONS: Final = _words(
    """in into inside within on onto upon at by to toward towards from for of off with without about above below under
    over across through during before after since until till between among against near behind beside beyond than via
    per as if because while when unless although using vs versus out up down like around along"""
)
"""What a phrase begins with that may stand at the beginning of a sentence as well as at its end."""

OPPOSITES: Final = _groups(
    """more/less/fewer most/least/fewest before/after prior/following earlier/later early/late earliest/latest min/max
    minimum/maximum minimize/maximize minimise/maximise minimal/maximal increase/decrease/reduce
    increases/decreases/reduces increasing/decreasing/reducing increased/decreased/reduced rise/fall rising/falling
    raise/lower raising/lowering grow/shrink gain/lose gains/losses profit/loss up/down upward/downward over/under
    above/below top/bottom high/low higher/lower highest/lowest big/small bigger/smaller biggest/smallest large/small
    larger/smaller largest/smallest long/short longer/shorter longest/shortest tall/short fast/slow faster/slower
    fastest/slowest quick/slow hot/cold hotter/colder hottest/coldest warm/cool old/young/new older/younger/newer
    oldest/youngest/newest rich/poor strong/weak stronger/weaker strongest/weakest heavy/light heavier/lighter
    cheap/expensive cheaper/dearer cheapest/dearest good/bad/worse better/worse best/worst right/wrong true/false
    left/right open/close/closed opening/closing start/stop/end begin/end starting/ending started/stopped first/last
    next/previous into/out in/out inside/outside on/off enable/disable enabled/disabled enabling/disabling
    activate/deactivate allow/block/deny allowed/blocked/forbidden accept/reject/decline approve/reject lock/unlock
    install/uninstall connect/disconnect connected/disconnected subscribe/unsubscribe follow/unfollow mute/unmute
    pin/unpin hide/show visible/hidden add/remove/delete added/removed/deleted adding/removing/deleting
    create/delete/destroy insert/delete include/exclude includes/excludes including/excluding included/excluded
    buy/sell buying/selling bought/sold buyer/seller lend/borrow lender/borrower send/receive sending/receiving
    sent/received sender/receiver/recipient push/pull import/export importing/exporting imports/exports
    upload/download uploading/downloading encrypt/decrypt encode/decode encoding/decoding compress/decompress
    zip/unzip serialize/deserialize deposit/withdraw debit/credit income/expense expenses/revenue assets/liabilities
    win/lose winner/loser winners/losers love/hate like/dislike pros/cons advantages/disadvantages
    advantage/disadvantage benefits/drawbacks strengths/weaknesses positive/negative positives/negatives
    success/failure succeed/fail pass/fail passed/failed alive/dead birth/death born/died male/female man/woman
    men/women boy/girl boys/girls mother/father mum/dad son/daughter husband/wife brother/sister aunt/uncle king/queen
    north/south east/west northern/southern eastern/western morning/evening/afternoon/night day/night
    today/tomorrow/yesterday day/week/month/year days/weeks/months/years daily/weekly/monthly/yearly
    hour/minute/second hours/minutes/seconds always/never often/rarely sometimes/never all/none/some any/none
    everyone/nobody everything/nothing always/sometimes only/also with/without internal/external public/private
    local/remote online/offline legal/illegal possible/impossible safe/unsafe/dangerous healthy/unhealthy
    happy/unhappy/sad valid/invalid complete/incomplete correct/incorrect direct/indirect active/inactive
    active/passive regular/irregular formal/informal dependent/independent known/unknown used/unused paid/unpaid
    read/unread read/write reading/writing do/undo synchronous/asynchronous sync/async ascending/descending asc/desc
    horizontal/vertical row/column rows/columns input/output inputs/outputs client/server host/guest front/back
    arrive/depart arrival/departure arrivals/departures arrive/leave entry/exit enter/exit entrance/exit
    landing/takeoff attack/defend attacker/defender cause/effect causes/effects/symptoms/treatment question/answer
    teacher/student parent/child parents/children employer/employee doctor/patient landlord/tenant theory/practice
    import/domestic acid/base acidic/alkaline solid/liquid/gas freeze/melt freezing/boiling melting/boiling
    breakfast/lunch/dinner summer/winter/spring/autumn sunrise/sunset past/present/future singular/plural
    prefix/suffix forward/backward forwards/backwards clockwise/counterclockwise gross/net fixed/variable
    mean/median/mode sum/difference/product/quotient multiply/divide add/subtract addition/subtraction plus/minus
    even/odd near/far nearer/farther/further nearest/farthest rise/set rises/sets"""
)
"""Words that are never said for one another, in groups; of a group each is another's opposite or rival."""

OPERATIONS: Final = _groups(
    """translate summarize/summarise/condense explain/describe list/enumerate compare/contrast
    rewrite/rephrase/paraphrase write/compose/draft correct/fix/repair delete/remove/erase create/make/build/generate
    update/change/modify/edit cancel/abort convert/transform calculate/compute count sort/order filter
    merge/combine/join split/divide/separate copy/duplicate move rename reset restart/reboot install/setup
    send/transfer pay refund return/exchange book/reserve find/search/locate buy/purchase/order sell test debug
    optimize/optimise/improve classify/categorize evaluate/assess predict/forecast recommend/suggest define
    analyze/analyse extract parse validate/verify/check schedule postpone/delay format encrypt decrypt upload download
    backup restore deploy expand shorten continue outline criticize/criticise prove solve/answer draw/plot"""
)
"""What is to be done. Of a group each may be said for another."""

PLACES: Final = _words(
    """afghanistan albania algeria angola argentina armenia australia austria azerbaijan bahrain bangladesh belarus
    belgium bhutan bolivia bosnia botswana brazil britain bulgaria cambodia cameroon canada chile china colombia congo
    croatia cuba cyprus denmark ecuador egypt england eritrea estonia ethiopia fiji finland france gabon gambia
    georgia germany ghana greece guatemala guinea guyana haiti honduras hungary iceland india indonesia iran iraq
    ireland israel italy jamaica japan jordan kazakhstan kenya korea kuwait kyrgyzstan laos latvia lebanon lesotho
    liberia libya lithuania luxembourg madagascar malawi malaysia maldives mali malta mauritania mauritius mexico
    moldova monaco mongolia montenegro morocco mozambique myanmar namibia nepal netherlands nicaragua niger nigeria
    norway oman pakistan palestine panama paraguay peru philippines poland portugal qatar romania russia rwanda samoa
    scotland senegal serbia singapore slovakia slovenia somalia spain sudan suriname sweden switzerland syria taiwan
    tajikistan tanzania thailand togo tunisia turkey turkmenistan uganda ukraine uruguay uzbekistan venezuela vietnam
    wales yemen zambia zimbabwe usa uk us uae eu africa asia europe america antarctica oceania delhi mumbai kolkata
    chennai bengaluru bangalore hyderabad pune jaipur ahmedabad lucknow kanpur nagpur surat goa kerala gujarat punjab
    bihar assam odisha rajasthan maharashtra karnataka london paris berlin rome madrid vienna prague warsaw moscow
    tokyo beijing shanghai seoul bangkok hanoi jakarta manila dubai cairo lagos nairobi sydney melbourne auckland
    toronto montreal vancouver chicago boston seattle houston dallas austin denver miami atlanta detroit phoenix
    philadelphia york washington texas california florida nevada oregon ohio utah alaska hawaii virginia carolina
    dakota amsterdam brussels dublin lisbon oslo stockholm copenhagen helsinki athens budapest zurich geneva munich
    hamburg frankfurt cologne milan naples venice florence barcelona istanbul ankara tehran baghdad riyadh doha
    karachi lahore dhaka colombo kathmandu mars venus jupiter saturn mercury neptune uranus pluto earth moon sun
    everest amazon nile ganges danube rhine"""
)
TONGUES: Final = _words(
    """english french german spanish italian portuguese dutch russian ukrainian polish czech swedish norwegian danish
    finnish greek turkish arabic hebrew persian hindi urdu bengali tamil telugu marathi gujarati kannada malayalam
    punjabi chinese mandarin cantonese japanese korean thai vietnamese indonesian malay swahili latin sanskrit python
    java javascript typescript kotlin swift rust ruby perl php scala haskell golang fortran cobol lisp bash sql html
    css json xml yaml toml csv pdf docx mysql postgres postgresql sqlite mongodb redis react angular vue django flask
    rails spring linux windows macos ubuntu debian android ios"""
)
MEASURES: Final = _words(
    """dollar dollars euro euros pound pounds rupee rupees yen yuan franc francs peso pesos rouble rubles won dirham
    dirhams usd eur gbp inr jpy cny chf aud cad sgd aed rs bitcoin ethereum cent cents paise percent meter meters
    metre metres km kilometer kilometers kilometre kilometres cm mm mile miles yard yards foot feet inch inches gram
    grams kg kilogram kilograms tonne tonnes ton tons ounce ounces lb lbs litre litres liter liters ml gallon gallons
    cup cups teaspoon teaspoons tablespoon tablespoons celsius fahrenheit kelvin joule joules calorie calories kcal
    watt watts kw kwh volt volts ampere amperes hertz mhz ghz byte bytes bit bits kb mb gb tb kib mib gib ms seconds
    minutes hours days weeks months years decade decades century centuries monday tuesday wednesday thursday friday
    saturday sunday january february march april may june july august september october november december spring
    summer autumn winter am pm"""
)
NAMED: Final = PLACES | TONGUES | MEASURES
"""Words that name something whatever their case."""

SIGNED: Final = _words(
    "us it who or in is so pa al ma de do add may can all polish turkey china march august mark bill"
)
"""Words that, written with capitals, are others."""

ARTICLES: Final = _words("a an the")
COUNTED: Final = _words("few little lot bit number")
"""Words before which an article is none: a few are not few."""
LETTERED: Final = _words(
    """vitamin hepatitis plan option type grade class group section part appendix exhibit answer team series point level
    blood schedule size side room gate zone block string note key letter drive version influenza category row column"""
)
"""Words behind which an `a` is a letter."""

OPENINGS: Final = _phrases(
    """hi hello hey dear_assistant good_morning good_afternoon good_evening please kindly ok okay so could_you can_you
    would_you will_you i_want_to_know i_would_like_to_know i_need_to_know i_was_wondering i_am_wondering do_you_know
    tell_me let_me_know may_i_ask can_i_ask quick_question help_me_understand i_have_a_question my_question_is
    excuse_me there""",
    at=0,
)
"""Politeness that a sentence may begin with."""
ENDINGS: Final = _phrases(
    """please thanks thank_you thank_you_very_much thank_you_so_much thanks_a_lot thanks_in_advance many_thanks
    thank_you_in_advance cheers kindly""",
    at=-1,
)
"""Politeness that it may end with."""

_SAID: Final = tuple(
    (tuple(said.split("_")), tuple(meant.split("_")))
    for said, meant in _pairs(
        """how_to:howto how_do_i:howto how_can_i:howto how_could_i:howto how_does_one:howto how_can_one:howto
    what_is_the_way_to:howto what_is_the_best_way_to:howto_best how_do_i_best:howto_best can_not:cannot e_mail:email
    log_in:login sign_in:login sign_up:signup set_up:setup web_site:website in_order_to:to as_well_as:and
    is_it_possible_to:can_i am_i_able_to:can_i"""
    ).items()
)
SAME_PHRASES: Final = {
    first: tuple(pair for pair in _SAID if pair[0][0] == first) for first in {said[0] for said, _ in _SAID}
}
"""What is said in two ways, by its first word."""

CONTRACTIONS: Final = _pairs(
    """dont:do_not doesnt:does_not didnt:did_not isnt:is_not arent:are_not wasnt:was_not werent:were_not cant:cannot
    couldnt:could_not wont:will_not wouldnt:would_not shouldnt:should_not hasnt:has_not havent:have_not hadnt:had_not
    mustnt:must_not whats:what_is hows:how_is wheres:where_is whos:who_is thats:that_is im:i_am ive:i_have
    youre:you_are theyre:they_are"""
)
SAME_WORDS: Final = _pairs(
    """colour:color favourite:favorite behaviour:behavior honour:honor labour:labor neighbour:neighbor centre:center
    theatre:theater travelling:traveling cancelled:canceled cancelling:canceling modelling:modeling organise:organize
    organisation:organization recognise:recognize analyse:analyze optimise:optimize summarise:summarize
    normalise:normalize initialise:initialize customise:customize realise:realize apologise:apologize
    catalogue:catalog dialogue:dialog programme:program grey:gray licence:license defence:defense pyjamas:pajamas
    cheque:check utilise:use utilize:use e-mail:email wi-fi:wifi assist:help purchase:buy employ:use"""
)
"""What a word is compared as."""
