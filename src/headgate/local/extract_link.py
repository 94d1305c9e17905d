"""Owns which stretches are web addresses: with a scheme, with `www.`, bare domains, shorteners, and disguised ones.

A bare domain needs a top-level domain of the list below. Where that is also a word ("thanks.it", "ok.me") a path, a
known shortener or several labels must speak for it, so that a sentence without a blank behind its dot is no address.
"""

import re
from collections.abc import Iterator
from typing import Final

from headgate.local.extract_types import Entity, Kind
from headgate.local.extract_view import View

LABEL_CHARS_MAX: Final = 63
URL_CHARS_MAX: Final = 2_048
"""A longer one is cut: nobody's link is."""

LINK_CHARS: Final = 30
"""How far before a spelled-out domain a word that speaks of pages may stand."""

_LINK_WORDS: Final = ("www", "site", "link", "visit", "open", "go to", "log in", "login", "click", "url")
_TOPS_PLAIN = """
    com net org info biz edu gov mil int in io ai app dev xyz top pro name mobi travel asia tel jobs cat aero
    co ly gl gd gg cc tv fm ws vip icu win bid loan loans work tech cloud page site online store shop club live life fun
    space website link click buzz cam bar rest world today support center services solutions agency digital media
    network systems email news blog wiki finance financial money bank insurance credit cash fund capital exchange games
    game casino bet poker lottery win rewards gift gifts deals sale discount market trade trading company
    uk eu de fr ru cn jp au ca br nl ch es se dk fi pl cz gr hu ro pt ie bg hr sk si lt lv ee ua by kz tr ir il ae sa qa
    kw om bh pk np lk bd bt mv sg ph vn th kr hk tw nz za ng ke gh eg mx ar cl pe ve id mm kh la mn lu li mc sm va ax
    tk ml ga cf gq su st nu mu sc ac ms cx tc vg bz ag lc vc dm ag tt jm bs bb pw fyi ist ink lol guru expert zone
    bharat
"""
_TOPS_WORDS = "it is me to no so at be my us am as do pm in"
_TOPS: Final = frozenset(_TOPS_PLAIN.split()) | frozenset(_TOPS_WORDS.split())
_WORDY: Final = frozenset(_TOPS_WORDS.split()) - {"in"}
_SHORTENERS_PLAIN = """
    bit.ly t.me wa.me goo.gl tinyurl.com t.co is.gd ow.ly cutt.ly rb.gy shorturl.at tiny.cc bl.ink fb.me youtu.be
    amzn.to amzn.in fkrt.it rebrand.ly s.id v.gd u.to dl.flipkart.com lnkd.in forms.gle g.co gg.gg adf.ly clck.ru
    telegram.me m.me g.page surl.li shorturl.me i.me x.com qr.ae db.tt buff.ly trib.al soo.gd clk.im vu.fr sbi.to
    me-qr.com linktr.ee onelink.to page.link app.link upi.link rzp.io pay.me paytm.me p-y.tm gpay.app airtel.in jio.com
"""
_SHORTENERS: Final = frozenset(_SHORTENERS_PLAIN.split())
_SENTENCE_ENDS_PLAIN = """
    done paid received back home sir here today you it now money him her them this that came went put got check come
    go signed logged ok okay yes thanks bro cash turn drop step plug fill hand log sign cut move all way pay gave give
"""
_SENTENCE_ENDS: Final = frozenset(_SENTENCE_ENDS_PLAIN.split())
"""Words before a dot and an "in" that is more likely the next word than a domain."""
_NO_DOMAINS: Final = frozenset(("asp.net", "ado.net", "vb.net", "ml.net", "system.io", "java.io", "java.net", "e.tc"))

_SCHEME: Final = re.compile(r"(?<![a-z0-9])(h[tx]{2}ps?|ftps?)(?:\s?:\s?//|\[:\]//|:/\\|;//)\s?")
_SCHEME_CHARS: Final = 10
"""How far before its slashes a scheme may begin."""
_BODY: Final = re.compile(rf"[^\s<>\"'`{{}}|\\^।॥“”‘’«»…。，、]{{1,{URL_CHARS_MAX}}}")
_BARE: Final = re.compile(r"(?:[a-z0-9][a-z0-9-]{0,62}\.){1,6}+(?<=\.)([a-z][a-z0-9-]{1,23})(?![\w@-])")
_HOST_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789-"
_HOST: Final = re.compile(r"(?:[^\s/?#@]{1,120}@)?((?:[\w-]{1,63}\.)*[\w-]{1,63}\.?)(:\d{1,5})?(?=[/?#\s,.;:!)\]]|$)")
_TAIL: Final = re.compile(r"(?::\d{2,5})?(?:[/?#][^\s<>\"'`{}|\\^।॥“”‘’«»…。，、]{0,2000})?")
_DEFANGED: Final = re.compile(
    r"((?:www\s?(?:\[\.\]|\(\.\)|\[dot\]|\(dot\)|\sdot\s|\.)\s?)?[a-z0-9][a-z0-9-]{0,62})"
    r"((?:(?:\s?(?:\[\s?(?:\.|dot)\s?\]|\(\s?(?:\.|dot)\s?\)|\{dot\})\s?|\s+(?:dot|डॉट)\s+|\s\.\s|\.\s(?=com|co\.in|in/|ly/))"
    r"[a-z]{2,12}(?:\.[a-z]{2,3})?){1,4})"
    r"((?:\s?/\s?|\s+slash\s+)[\w./?=&%-]{1,200})?(?![\w@])"
)
_SIGNS: Final = (
    "[.]",
    "(.)",
    "[dot]",
    "(dot)",
    "{dot}",
    "[ dot",
    "( dot",
    " dot ",
    " डॉट ",
    " . ",
    ". com",
    ". co.in",
    ". in/",
    ". ly/",
)
_BRACKETED: Final = re.compile(r"\[\.\]|\(\.\)|\[dot\]")
_WWW: Final = re.compile(r"www\s?(?:\[\.\]|\(\.\)|\[dot\]|\(dot\)|\sdot\s|\.)\s?\Z")
_DOTS: Final = re.compile(r"\s?(?:\[\.\]|\(\.\)|\[dot\]|\(dot\)|\{dot\})\s?|\s+(?:dot|डॉट)\s+|\s?\.\s?", re.IGNORECASE)
_SLASH: Final = re.compile(r"\s?/\s?|\s+slash\s+", re.IGNORECASE)
_TRIMMED: Final = ".,;:!?*_~'\""


def defanged(view: View) -> Iterator[Entity]:
    """Addresses whose dots are in brackets, in words or stand apart."""
    low, done = view.low, 0
    for dot in sorted({at for sign in _SIGNS if sign in low for at in _hits(low, sign)}):
        if dot < done:
            continue
        start = _host_start(low, dot)
        match = _DEFANGED.match(low, start) if start >= done else None
        entity = _taken_apart(view, match) if match else None
        if match and entity:
            done = match.end()
            yield entity


def _hits(low: str, sign: str) -> Iterator[int]:
    at = low.find(sign)
    while at >= 0:
        yield at
        at = low.find(sign, at + 1)


def _host_start(low: str, dot: int) -> int:
    """Where the label before a dot begins, with a `www` before it."""
    window = low[max(0, dot - LABEL_CHARS_MAX - 14) : dot].rstrip(" ")
    head = window.rstrip(_HOST_LETTERS)
    www = _WWW.search(head)
    at = www.start() if www else len(head)
    return max(0, dot - LABEL_CHARS_MAX - 14) + at


def _taken_apart(view: View, match: re.Match[str]) -> Entity | None:
    before = view.low[match.start() - 1 : match.start()]
    if before and (before.isalnum() or before in "_@."):
        return None
    host = _DOTS.sub(".", match[1] + match[2])
    labels = host.split(".")
    is_known = host in _SHORTENERS
    if not is_known and (labels[-1] not in _TOPS or labels[-1] in _WORDY or len(labels[0]) < 2 or labels[0].isdigit()):
        return None
    is_apart = "dot" not in match[2] and "डॉट" not in match[2] and "[" not in match[2] and "(" not in match[2]
    path = match[3] or ""
    if is_apart and not path and not is_known and labels[0] != "www":
        return None  # "paid . in cash"
    is_spelled = match[2].split()[:1] in (["dot"], ["डॉट"])
    if (
        is_spelled
        and not path
        and labels[0].isalpha()
        and match[0] != view.low
        and not _is_linked(view.low, match.start())
    ):
        return None  # "the dot in the middle"
    length = len(path.rstrip(_TRIMMED))
    end = match.end() - len(path) + length
    path = _SLASH.sub("/", view.seen[match.end() - len(match[3] or "") : end])
    return view.entity(
        Kind.URL, match.start(), end, f"http://{host}{path}", 0.7, "a domain taken apart", obfuscated=True
    )


def _is_linked(low: str, start: int) -> bool:
    """A word that speaks of web pages stands before."""
    window = low[max(0, start - LINK_CHARS) : start]
    return any(
        word in window for word in ("www", "site", "link", "visit", "open", "go to", "log in", "login", "click", "url")
    )


def schemed(view: View) -> Iterator[Entity]:
    """Addresses with a scheme, also a disguised one."""
    seen, low, done = view.seen, view.low, 0
    for slashes in sorted({at for sign in ("//", ":/\\") if sign in low for at in _hits(low, sign)}):
        match = _SCHEME.search(low, max(done, slashes - _SCHEME_CHARS), min(len(low), slashes + 4))
        if slashes < done or not match:
            continue
        body = _BODY.match(seen, match.end())
        entity = _schemed(view, match, body) if body else None
        if body and entity:
            done = body.end()
            yield entity


def _schemed(view: View, match: re.Match[str], body: re.Match[str]) -> Entity | None:
    rest = _trimmed(body[0])
    is_defanged = "[" in rest.partition("/")[0] or "(." in rest.partition("/")[0]
    plain = _BRACKETED.sub(".", rest) if is_defanged else rest
    host = _HOST.match(plain)
    if not host or not _is_host(host[1]):
        return None
    scheme = match[1].replace("x", "t")
    is_plain = match[0] == f"{scheme}://" and not is_defanged
    value = f"{scheme}://{_low_host(plain, host)}"
    end = body.start() + len(rest)
    return view.entity(Kind.URL, match.start(), end, value, 0.98, "a scheme and a host", obfuscated=not is_plain)


def _low_host(plain: str, host: re.Match[str]) -> str:
    return plain[: host.start(1)] + host[1].lower() + plain[host.end(1) :]


def _is_host(host: str) -> bool:
    labels = host.rstrip(".").split(".")
    if host == "localhost":
        return True
    if len(labels) == 4 and all(label.isdigit() and int(label) < 256 for label in labels if label.isascii()):
        return all(label.isdigit() for label in labels)
    return len(labels) > 1 and all(labels) and not labels[-1].isdigit() and len(labels[-1]) > 1


def bare(view: View) -> Iterator[Entity]:
    """Domains without a scheme, and what follows them; some lie within addresses of other kinds."""
    low, done = view.low, 0
    for dot in _hits(low, "."):
        if dot < done or not low[dot - 1 : dot].isalnum() or not low[dot + 1 : dot + 2].isalnum():
            continue
        window = low[max(0, dot - LABEL_CHARS_MAX) : dot]
        start = dot - len(window) + len(window.rstrip(_HOST_LETTERS).rstrip("-"))
        before = low[start - 1 : start]
        match = _BARE.match(low, start)
        if not match:
            continue
        done = match.end()
        if before and (before.isalnum() or before in "_@.%+=/$-"):
            continue
        entity = _bare_at(view, match)
        if entity:
            yield entity


def _bare_at(view: View, match: re.Match[str]) -> Entity | None:
    tail = _TAIL.match(view.seen, match.end())
    assert tail  # it can match nothing at all
    path = _trimmed(tail[0])
    if path in {":", "#", "?"}:
        path = ""
    how = _how_bare(match[0], view.seen[match.start(1) : match.end(1)], path)
    if not how:
        return None
    return view.entity(Kind.URL, match.start(), match.end() + len(path), f"http://{match[0]}{path}", *how)


def _how_bare(host: str, written: str, path: str) -> tuple[float, str] | None:
    """How sure a bare host is; `written` is its top-level domain as the text has it."""
    top = written.lower()
    labels = host.split(".")
    if host in _SHORTENERS and (path or top in {"com", "in"}):
        return 0.95, "a shortener"
    if host in _SHORTENERS:
        return None  # one speaks of it
    if labels[0] == "www" and len(labels) > 2 and top in _TOPS:
        return 0.96, "www and a domain"
    if top not in _TOPS or host in _NO_DOMAINS or labels[-2].isdigit():
        return None
    if written[0].isupper() and written[1:].islower() and not path and len(labels) == 2 and top != "com":
        return None  # the next sentence begins: "done.In"
    if top in _WORDY:
        return (0.8, "a domain and a path") if path and len(path) > 1 and len(labels[-2]) > 1 else None
    if top == "in" and len(labels) == 2 and not path and (labels[0] in _SENTENCE_ENDS or len(labels[0]) < 2):
        return None
    if len(labels[-2]) == 1 and not path and len(labels) == 2:
        return None
    return (0.9, "a domain") if path or len(labels) > 2 or top in {"com", "net", "org", "io"} else (0.85, "a domain")


def _trimmed(url: str) -> str:
    """Without what ends the sentence rather than the address."""
    while url:
        last = url[-1]
        if last in _TRIMMED or (last in ")]" and url.count(last) > url.count("(["[")]".index(last)])):
            url = url[:-1]
        else:
            break
    return url
