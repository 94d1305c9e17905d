"""Owns docs/configuration.md: every key of headgate.toml from the types that read it, its default and its bounds."""

import ast
import inspect
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final, get_args, get_origin

import msgspec

from headgate.runtime import settings_background as background
from headgate.runtime import settings_model as model
from headgate.runtime.keys import VirtualKeyRow
from headgate.runtime.settings_admin import AdminSettings
from headgate.runtime.settings_cache import CacheSettings
from headgate.runtime.settings_cache_similar import SimilarTable
from headgate.runtime.settings_convert import fields_of, is_section, members
from headgate.runtime.settings_environment import CHOOSERS, SHORT
from headgate.runtime.settings_safety import SafetySettings
from headgate.runtime.settings_skills import TaskSkillTable

INTRODUCTION: Final = """\
# Configuration

Made from the code: `headgate docs configuration > docs/configuration.md`. What is in force is shown by
`headgate config check`.

Headgate reads the file named by `--config` or `HEADGATE_CONFIG`, else `headgate.toml` or `headgate.yaml` in the current
folder, else in the user's configuration folder. Later ones win: the file, its overlay `[env.NAME]` chosen by
`HEADGATE_ENV=NAME`, `HEADGATE_*` variables, flags. Everything unknown, out of bounds or contradictory is refused at the
start with the line, the key and the fix (exit code 78). Without any file the defaults below hold.

## Environment

| variable | meaning |
| --- | --- |
| `GROQ_API_KEY`, `GROQ_API_KEY_2`, ... | provider keys; the first may be numbered 1, gaps are allowed |
| `GROQ_ORG_1`, `GROQ_ORG_2`, ... | the organisation of the key of that number; its keys share its quota |
| `GROQ_BASE_URL` or `GROQ_API_URL` | another upstream: the host root, or the address ending in `/openai/v1` |
| `OPENAI_API_KEY` and the same of `MISTRAL`, `GEMINI`, `OPENROUTER` | other providers' keys, numbered as Groq's are |
| `REDIS_URL` | a Redis to keep answers in: the same as `[cache] redis` |
| `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY` | the proxy to providers; never to this machine |
"""

CHOOSES: Final = {"HEADGATE_CONFIG": "the file to read", "HEADGATE_ENV": "the overlay of the file to lay over it"}

SECTIONS: Final[tuple[tuple[str, type[msgspec.Struct]], ...]] = (
    ("[server]", model.ServerSettings),
    ("[groq]", model.GroqTable),
    ("[[groq.keys]]", model.ProviderKeyTable),
    ("[[providers]]", model.ProviderTable),
    ("[organisations.NAME]", model.OrganisationSettings),
    ("[defaults]", model.DefaultSettings),
    ("[routes.NAME]", model.RouteTable),
    ("[routes.NAME.similar]", SimilarTable),
    ("[auth]", model.AuthSettings),
    ("[[auth.virtual_keys]]", VirtualKeyRow),
    ("[waiting_room]", model.WaitingRoomSettings),
    ("[upstream]", model.UpstreamSettings),
    ("[local]", model.LocalSettings),
    ("[local.safety]", SafetySettings),
    ("[local.tasks.TASK]", TaskSkillTable),
    ("[handling]", model.HandlingSettings),
    ("[cache]", CacheSettings),
    ("[admin]", AdminSettings),
    ("[audio]", model.AudioSettings),
    ("[batch]", model.BatchSettings),
    ("[store]", model.StoreSettings),
    ("[background]", background.BackgroundSettings),
    ("[webhooks.NAME]", background.WebhookTable),
    ("[schedules.NAME]", background.ScheduleTable),
)

MODELS: Final = """\
## `[models."ID"]`

Changes a model of the catalogue, or adds one: any field that `headgate models --json` shows except `id`, as
`lifecycle`, `successor`, `aliases`, `tiers`, `can`, `context_window_tokens`, `max_output_tokens`, the prices
in integer nano-dollars per million tokens, and `limits.PLAN.DIMENSION`.
"""


def configuration_page() -> str:
    """The whole page."""
    parts = [INTRODUCTION + "\n".join(_variables()), *(_section(*each) for each in SECTIONS), MODELS, _later()]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _variables() -> Iterator[str]:
    for name in sorted(CHOOSERS):
        yield f"| `{name}` | {CHOOSES[name]} |"
    for name, (section, key) in SHORT.items():
        yield f"| `{name}` | short for `HEADGATE_{str(section).upper()}__{str(key).upper()}` |"
    yield "| `HEADGATE_SECTION__KEY` | any key below; two underscores go one table deeper |"


def _section(heading: str, kind: type[msgspec.Struct]) -> str:
    said = " ".join((inspect.getdoc(kind) or "").split())
    lines = [f"## `{heading}`", "", said, "", "| key | value | default | |", "| --- | --- | --- | --- |"]
    told = _told(kind)
    defaults = {field.name: field for field in msgspec.structs.fields(kind)}
    for key, hint in fields_of(kind).items():
        lines.append(f"| `{key}` | {_words(hint)} | {_default(defaults[key])} | {told.get(key, '')} |")
    return "\n".join(lines)


def _later() -> str:
    names = ", ".join(f"`[{name}]`" for name in model.LATER_SECTIONS)
    return f"## Later\n\n{names} are accepted and reported as not active: nothing reads them in this version."


def _told(kind: type[msgspec.Struct]) -> dict[str, str]:
    """The sentence below each field in the source, of the class and of those it is made from."""
    told: dict[str, str] = {}
    for each in reversed(kind.__mro__[:-2]):
        if not issubclass(each, msgspec.Struct) or each.__module__.startswith("msgspec"):
            continue
        tree = ast.parse(Path(inspect.getfile(each)).read_text(encoding="utf-8"))
        found = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == each.__name__)
        for field, after in zip(found.body, found.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                text = _sentence(after)
                if text:
                    told[field.target.id] = text
    return told


def _sentence(node: ast.stmt) -> str:
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return " ".join(node.value.value.split()) if is_text else ""  # type: ignore[attr-defined]


def _default(field: msgspec.structs.FieldInfo) -> str:
    value = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    match value:
        case msgspec.NODEFAULT:
            return "required"
        case None:
            return "–"
        case bool():
            return f"`{str(value).lower()}`"
        case Enum():
            return f'`"{value.value}"`'
        case int() | float():
            return f"`{value}`"
        case str():
            return f'`"{value}"`'
        case _:
            return "none" if not value or isinstance(value, msgspec.Struct) else f"`{value}`"


def _words(hint: Any) -> str:
    """What a value is and how large it may be."""
    bounds = ""
    if get_origin(hint) is Annotated:
        for meta in get_args(hint)[1:]:
            low = meta.gt if meta.ge is None else meta.ge
            if low is not None:
                above = " above" if meta.ge is None else ""
                bounds = f",{above} {low}" + (f" to {meta.le:,}" if meta.le is not None else " or more")
            if meta.max_length is not None:
                bounds += f", at most {meta.max_length:,}"
    return " or ".join(dict.fromkeys(_word(part) for part in members(hint) if part is not type(None))) + bounds


def _word(kind: Any) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    plain = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "anything"}
    if kind in plain:
        return plain[kind]
    if origin is tuple:
        return f"list of {_word(next(members(arguments[0])))}"
    if origin is dict:
        return f"table: {_word(next(members(arguments[0])))} to {_word(next(members(arguments[1])))}"
    if arguments:  # a Literal
        return " or ".join(f'`"{value}"`' for value in arguments)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " or ".join(f'`"{value.value}"`' for value in kind)
    return "table" if is_section(kind) else "text" if kind.__name__ == "Secret" else "time with zone"
