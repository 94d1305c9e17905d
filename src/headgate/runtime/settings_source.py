"""Owns the reading of headgate.toml and headgate.yaml into plain values, with the line of every key.

Knows no section and no type. Raises InvalidSettings, whose message never quotes a value.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from headgate.runtime.settings_lines import toml_lines

FILE_BYTES_MAX: Final = 1024 * 1024
YAML_NODES_MAX: Final = 100_000
"""Nodes of a YAML file after its aliases are followed."""
SHOWN_KEY_CHARS_MAX: Final = 120

KeyPath: TypeAlias = tuple[str | int, ...]

_LOOKS_SECRET = re.compile(r"\b(?:gsk_|sk-|hg_)[A-Za-z0-9_-]{6,}")


class InvalidSettings(ValueError):
    """The settings cannot be used. The message names the place, the key, what is wrong and what to write instead."""

    def __init__(self, place: str, key: str, what: str, fix: str) -> None:
        self.place = place
        self.key = _shown(key)
        self.what = _LOOKS_SECRET.sub("***", what)
        self.fix = _LOOKS_SECRET.sub("***", fix)
        named = f"{self.key}: " if self.key else ""
        super().__init__(f"{place}: {named}{self.what}. Fix: {self.fix}.")


class Tree:
    """Plain values by key, and for every key path the place it came from. Later layers are laid over earlier ones."""

    __slots__ = ("name", "places", "values")

    def __init__(self, name: str, values: dict[str, Any], places: Mapping[KeyPath, str] | None = None) -> None:
        self.name = name
        self.values = values
        self.places = dict(places or {})

    def place(self, path: KeyPath) -> str:
        """Where a key stands, or else the nearest table around it."""
        for end in range(len(path), 0, -1):
            if (found := self.places.get(path[:end])) is not None:
                return found
        return self.name

    def get(self, path: KeyPath) -> Any:
        """The value at a path; None where there is none."""
        value: Any = self.values
        for step in path:
            if not isinstance(value, dict) or step not in value:
                return None
            value = value[step]
        return value

    def lay(self, path: KeyPath, value: Any, place: str) -> None:
        """Put one value over what is there; tables on the way are made."""
        table: Any = self.values
        for step in path[:-1]:
            inner = table.get(step)
            table[step] = table = dict(inner) if isinstance(inner, dict) else {}
        table[path[-1]] = value
        self._forget_below(path)
        self.places[path] = place

    def lay_tree(self, over: dict[str, Any], at: KeyPath, below: KeyPath = ()) -> None:
        """Lay the table `over`, which stands at `at` in this tree, over the root: tables merge, the rest replaces."""
        for key, value in over.items():
            path = (*below, key)
            if isinstance(value, dict) and isinstance(self.get(path), dict):
                self.lay_tree(value, (*at, key), path)
                continue
            self.lay(path, value, self.place((*at, key)))
            source = (*at, key)
            inner = [p for p in self.places if p[: len(source)] == source]
            self.places.update({(*path, *p[len(source) :]): self.places[p] for p in inner})

    def copy(self) -> "Tree":
        """A tree that can be laid over without changing this one."""
        return Tree(self.name, dict(self.values), self.places)

    def error(self, path: KeyPath, what: str, fix: str) -> InvalidSettings:
        return InvalidSettings(self.place(path), dotted(path), what, fix)

    def _forget_below(self, path: KeyPath) -> None:
        for known in [known for known in self.places if known[: len(path)] == path]:
            del self.places[known]


def dotted(path: KeyPath) -> str:
    """A key path as it is written: `auth.virtual_keys[2].id`."""
    text = ""
    for step in path:
        text += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def nearest(word: str, known: Iterable[str]) -> str:
    """The fix for a word that is not known: the one that was probably meant, else all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(word[:SHOWN_KEY_CHARS_MAX], names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}? Else take it out"
    return f"use one of {', '.join(names)}" if names else "take it out"


def read_settings_file(path: Path) -> Tree:
    """The values and lines of one file. Raises InvalidSettings when it cannot be read or understood."""
    name = path.name
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        why = error.strerror or type(error).__name__
        fix = "name a readable file in HEADGATE_CONFIG"
        raise InvalidSettings(str(path), "", f"cannot be read ({why})", fix) from None
    if len(raw) > FILE_BYTES_MAX:
        raise InvalidSettings(name, "", f"is longer than {FILE_BYTES_MAX} bytes", "shorten it")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InvalidSettings(f"{name}, line {line}", "", "is not UTF-8", "save the file as UTF-8") from None
    return parse_yaml(name, text) if path.suffix in {".yaml", ".yml"} else parse_toml(name, text)


def parse_toml(name: str, text: str) -> Tree:
    """A TOML text as a tree."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what, line = _toml_complaint(str(error), text)
        raise InvalidSettings(f"{name}, line {line}", "", what, "correct the TOML there") from None
    except RecursionError:
        raise InvalidSettings(name, "", "is nested too deeply", "write it flatter") from None
    except ValueError:  # an impossible date, or a number of thousands of digits
        raise InvalidSettings(name, "", "holds a number or date that does not exist", "correct the value") from None
    return Tree(name, values, {key: f"{name}, line {line}" for key, line in toml_lines(text).items()})


def parse_yaml(name: str, text: str) -> Tree:
    """A YAML text as a tree; only the safe types, no key twice."""
    import yaml

    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return Tree(name, {})
            places: dict[KeyPath, str] = {}
            _walk_yaml(name, node, (), places, [YAML_NODES_MAX])
            values = loader.construct_document(node)
        finally:
            loader.dispose()
    except InvalidSettings:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}, line {mark.line + 1}" if mark else name
        what = f"is not YAML ({error.problem or error.context})"
        raise InvalidSettings(place, "", what, "correct the YAML there") from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError, AttributeError, KeyError, IndexError):
        # The constructors of PyYAML let these through for impossible dates, empty numbers and very deep nesting.
        raise InvalidSettings(name, "", "holds a value that YAML does not allow", "correct the YAML") from None
    if not isinstance(values, dict):
        raise InvalidSettings(f"{name}, line 1", "", "is not a table of sections", "begin with a section, as `server:`")
    return Tree(name, values, places)


def _walk_yaml(name: str, node: Any, path: KeyPath, places: dict[KeyPath, str], budget: list[int]) -> None:
    import yaml

    budget[0] -= 1
    if budget[0] < 0:
        raise InvalidSettings(name, "", f"has more than {YAML_NODES_MAX} nodes", "take aliases out")
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            places[(*path, index)] = _line(name, item)
            _walk_yaml(name, item, (*path, index), places, budget)
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.tag != "tag:yaml.org,2002:str":
                what = "has a key that is not text"
                raise InvalidSettings(_line(name, key), dotted(path), what, "put the key in quotes")
            here = (*path, key.value)
            if key.value in seen:
                raise InvalidSettings(_line(name, key), dotted(here), "is given twice", "keep one of them")
            seen.add(key.value)
            places[here] = _line(name, key)
            _walk_yaml(name, value, here, places, budget)


def _line(name: str, node: Any) -> str:
    return f"{name}, line {node.start_mark.line + 1}"


def _toml_complaint(message: str, text: str) -> tuple[str, int]:
    what, _, where = message.rpartition(" (at ")
    found = re.match(r"line (\d+)", where)
    return f"is not TOML ({what or message})", int(found[1]) if found else text.count("\n") + 1


def _shown(key: str) -> str:
    """A key as it may be printed: short, on one line, and masked where somebody wrote a secret as a key."""
    printable = "".join(char if char.isprintable() else "?" for char in key[:SHOWN_KEY_CHARS_MAX])
    return _LOOKS_SECRET.sub("***", printable)
