"""Owns what the environment says: `HEADGATE_*` laid over the file, and the providers' keys and organisations.

- HEADGATE_SERVER__PORT=9000: server.port; two underscores go one table deeper
- HEADGATE_PORT, HEADGATE_HOST, HEADGATE_LOG_LEVEL: short forms for [server]; HEADGATE_ADMIN_PORT, HEADGATE_ADMIN_TOKEN
  for [admin]
- HEADGATE_CONFIG, HEADGATE_ENV: which file, which overlay of it
- GROQ_API_KEY, GROQ_API_KEY_2, ...: keys; GROQ_ORG_2 names the organisation that key 2 belongs to; the same for
  OPENAI, MISTRAL, GEMINI and OPENROUTER
- REDIS_URL: cache.redis
- GROQ_BASE_URL or GROQ_API_URL: another upstream, as the host root or as the address that ends in /openai/v1
"""

import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final, get_args, get_origin

from headgate.runtime.settings_convert import fields_of, is_section, is_sendable, members
from headgate.runtime.settings_model import ProviderKey, SettingsFile
from headgate.runtime.settings_secret import Secret
from headgate.runtime.settings_source import InvalidSettings, KeyPath, Tree, nearest
from headgate.runtime.upstream import Endpoint

PREFIX: Final = "HEADGATE_"
SHORT: Final[dict[str, KeyPath]] = {
    "HEADGATE_PORT": ("server", "port"),
    "HEADGATE_HOST": ("server", "host"),
    "HEADGATE_LOG_LEVEL": ("server", "log_level"),
    "HEADGATE_ADMIN_PORT": ("admin", "port"),
    "HEADGATE_ADMIN_TOKEN": ("admin", "token"),
}
CHOOSERS: Final = frozenset({"HEADGATE_CONFIG", "HEADGATE_ENV"})
CLIENT: Final = frozenset({"HEADGATE_API_KEY", "HEADGATE_BASE_URL", "HEADGATE_ADMIN_URL"})
"""What a client of a gateway has in its environment; nothing of ours."""

_SERVICE_LINK = re.compile(r"HEADGATE_(?:SERVICE_(?:HOST|PORT)(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?)")
"""What Kubernetes and Docker links put into the environment of everything beside a service named headgate."""
_LINKED_PORT = re.compile(r"(?:tcp|udp|sctp)://")
_NUMBER = re.compile(r"[1-9][0-9]{0,3}")
_ORGANISATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_QUOTES = frozenset("\"'")
_YES_NO: Final = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


def lay_environment(tree: Tree, environ: Mapping[str, str]) -> None:
    """Lay every `HEADGATE_*` variable, and `REDIS_URL`, over the file. Raises InvalidSettings for a name that means
    nothing."""
    if url := environ.get("REDIS_URL", "").strip():
        tree.lay(("cache", "redis"), url, "environment variable REDIS_URL")
    for name in sorted(name for name in environ if name.startswith(PREFIX)):
        text = environ[name].strip()
        if name in CHOOSERS or name in CLIENT or _SERVICE_LINK.fullmatch(name) or not text:
            continue
        if name == "HEADGATE_PORT" and _LINKED_PORT.match(text):
            continue
        path, kind = _path_of(tree, name)
        tree.lay(path, _from_text(kind, text), f"environment variable {name}")


def lay_flags(tree: Tree, flags: Mapping[str, object]) -> None:
    """Lay what the command line said over all else: dotted key to value; None means that it said nothing."""
    for key, value in flags.items():
        if value is not None:
            tree.lay(tuple(key.split(".")), value, f"--{key.rpartition('.')[2].replace('_', '-')}")


def provider_keys(environ: Mapping[str, str], variable: str) -> tuple[ProviderKey, ...]:
    """One provider's keys (`GROQ_API_KEY`, `GROQ_API_KEY_2`, ...) in the order of their numbers. Raises
    InvalidSettings."""
    named: dict[int, str] = {}
    for name in sorted(environ):
        if not name.startswith(variable) or not environ[name].strip():
            continue
        suffix = name.removeprefix(variable)
        if suffix and not suffix.startswith("_"):
            continue
        number = _number(name, variable, suffix.removeprefix("_") if suffix else None)
        if number in named:
            both = f"{named[number]} and {name} both give key {number}"
            raise InvalidSettings("environment", name, both, f"keep one; {variable} is the same as {name}")
        named[number] = name
    _refuse_ownerless(environ, variable, named)
    return tuple(_key(environ, variable, number, named[number]) for number in sorted(named))


def groq_endpoint(environ: Mapping[str, str]) -> Endpoint | None:
    """The upstream of GROQ_BASE_URL or GROQ_API_URL, either of which may have either form."""
    found: dict[str, Endpoint] = {}
    for variable in ("GROQ_BASE_URL", "GROQ_API_URL"):
        if text := environ.get(variable, "").strip():
            try:
                found[variable] = Endpoint.parse_groq(text)
            except ValueError:
                raise InvalidSettings("environment", variable, *BAD_URL) from None
    endpoints = list(found.values())
    if len(endpoints) > 1 and endpoints[0] != endpoints[1]:
        what = "GROQ_BASE_URL and GROQ_API_URL name two different upstreams"
        raise InvalidSettings("environment", "GROQ_API_URL", what, "keep one of them")
    return endpoints[0] if endpoints else None


BAD_URL: Final = (
    "is not the address of an upstream",
    "write http:// or https:// and a host, without user, password, query or fragment, as https://api.groq.com",
)


def _number(name: str, variable: str, suffix: str | None) -> int:
    if suffix is None:
        return 1
    if _NUMBER.fullmatch(suffix) is None:
        what = "is not the name of a key"
        raise InvalidSettings("environment", name, what, f"number the keys {variable}_1, {variable}_2, ...")
    return int(suffix)


def _refuse_ownerless(environ: Mapping[str, str], variable: str, named: Mapping[int, str]) -> None:
    """Raise InvalidSettings for an organisation whose key is not there: it would be heeded by nobody."""
    start = f"{variable.removesuffix('_API_KEY')}_ORG_"
    for name in sorted(name for name in environ if name.startswith(start) and environ[name].strip()):
        number = name.removeprefix(start)
        if _NUMBER.fullmatch(number) and int(number) not in named:
            what = f"names the organisation of key {number}, and there is no {variable}_{number}"
            raise InvalidSettings("environment", name, what, f"set {variable}_{number}, or take {name} out")


def _key(environ: Mapping[str, str], variable: str, number: int, name: str) -> ProviderKey:
    text = environ[name].strip()
    if not is_sendable(text):
        what = "is too long, or has blanks or characters that no key has"
        raise InvalidSettings("environment", name, what, "set it to the key alone, as the provider shows it")
    if text[0] in _QUOTES:  # which `docker run --env-file` passes on as they stand
        raise InvalidSettings("environment", name, "begins with a quote, which no key does", "take the quotes out")
    owner = f"{variable.removesuffix('_API_KEY')}_ORG_{number}"
    organisation = environ.get(owner, "").strip() or None
    if organisation is not None and _ORGANISATION.fullmatch(organisation) is None:
        what = "is not the name of an organisation"
        fix = "use letters, digits, dots, dashes and underscores, at most 100"
        raise InvalidSettings("environment", owner, what, fix)
    return ProviderKey(name, Secret(text), organisation)


def _path_of(tree: Tree, name: str) -> tuple[KeyPath, Any]:
    """The key path that a variable means, and the type of its value."""
    if name in SHORT:
        section, key = SHORT[name]
        return (section, key), fields_of(fields_of(SettingsFile)[str(section)])[str(key)]
    kind: Any = SettingsFile
    path: KeyPath = ()
    for word in name.removeprefix(PREFIX).lower().split("__"):
        step, kind = _step(tree, kind, path, word, name)
        path = (*path, step)
    return path, kind


def _step(tree: Tree, kind: Any, path: KeyPath, word: str, variable: str) -> tuple[str, Any]:
    for part in members(kind):
        if is_section(part):
            known = fields_of(part)
            if word in known:
                return word, known[word]
            rest = variable[len(PREFIX + "__".join((*map(str, path), word))) :]
            names = [name + rest for name in _variables(path, known)] + ([] if path or rest else [*SHORT])
            raise InvalidSettings("environment", variable, "means no setting", nearest(variable, names))
        if get_origin(part) is dict and word:
            there = tree.get(path)
            known_names = {str(key).lower(): str(key) for key in there} if isinstance(there, dict) else {}
            return known_names.get(word, word), get_args(part)[1]
        if part is Any and word:
            return word, Any
    raise InvalidSettings("environment", variable, "goes deeper than the settings do", "set the whole value instead")


def _variables(path: KeyPath, known: Mapping[str, object]) -> list[str]:
    return [PREFIX + "__".join(str(step).upper() for step in (*path, key)) for key in known]


def _from_text(kind: Any, text: str) -> Any:
    """What a variable's text means for its type. A text that fits no type stays, and is refused with the rest."""
    parts = tuple(members(kind))
    if bool in parts and text.lower() in _YES_NO:
        return _YES_NO[text.lower()]
    if any(is_section(part) or part is Any or get_origin(part) in {tuple, dict} for part in parts):
        return _structure(parts, text)
    for number in (int, float):
        if number in parts:
            try:
                return number(text)
            except ValueError:
                continue
    return text


def _structure(parts: tuple[Any, ...], text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, ValueError, RecursionError, KeyError):
        is_list = any(get_origin(part) is tuple for part in parts)
        return [item.strip() for item in text.split(",") if item.strip()] if is_list else text
