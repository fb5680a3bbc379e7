"""Policy files: Cedar texts -> rules that know where they stand. What is wrong in one is trouble, with its line.

A folder holds `*.cedar` files. Each policy has `@id("…")` and `@explain("…")`; it may have `@approvers("group, group")`
(who approves must be of all of these) and `@not_requester("true")`. No other annotation is taken: a misspelt one would
weaken a policy without a word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cedarpy

from watchfloor.units import nearest

LARGEST_FILE_BYTES = 2**20
ANNOTATIONS = ("id", "explain", "approvers", "not_requester")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
# a text in quotes, a comment to the end of its line, or the end of a policy
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|;', re.DOTALL)
_BLANK = re.compile(r"(?:\s+|//[^\n]*(?:\n|$))+")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why nothing is permitted as long as it lasts."""

    text: str
    file: str = ""
    line: int = 0
    advice: str = ""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part)
        told = f"{self.text} ({self.advice})" if self.advice else self.text
        return f"{place}: {told}" if place else told


@dataclass(frozen=True, slots=True)
class Source:
    """A file as it was read. `name` is the same on every machine: shipped/default.cedar, own/lab.cedar."""

    name: str
    text: str
    path: str = ""

    @property
    def own(self) -> bool:
        return self.name.startswith("own/")


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy."""

    id: str
    explain: str
    permits: bool
    text: str
    source: Source
    line: int
    approvers: tuple[str, ...] = ()
    not_requester: bool = False

    @property
    def where(self) -> str:
        return f"{self.source.path or self.source.name}:{self.line}"

    def trouble(self, text: str, advice: str = "") -> Trouble:
        return Trouble(text, self.source.path or self.source.name, self.line, advice)


def sources(folder: Path, prefix: str) -> tuple[list[Source], list[Trouble]]:
    """The policy files of a folder, in the order of their names. A folder that isn't there has none."""
    found: list[Source] = []
    troubles: list[Trouble] = []
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".cedar")
    except FileNotFoundError:
        return [], []
    except OSError as error:
        return [], [Trouble(f"can't be read: {error.strerror}", str(folder))]
    for path in paths:
        try:
            with path.open("rb") as file:
                data = file.read(LARGEST_FILE_BYTES + 1)
            if len(data) > LARGEST_FILE_BYTES:
                raise ValueError(f"is larger than {LARGEST_FILE_BYTES // 2**20} MiB")
            found.append(Source(f"{prefix}/{path.name}", data.decode("utf-8"), str(path)))
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            troubles.append(Trouble("is not UTF-8", str(path), line, "save it as UTF-8"))
        except (OSError, ValueError) as error:
            troubles.append(Trouble(f"can't be read: {getattr(error, 'strerror', '') or error}", str(path)))
    return found, troubles


def rules(source: Source) -> tuple[list[Rule], list[Trouble]]:
    """The policies of one file, and what is wrong in it."""
    found: list[Rule] = []
    troubles: list[Trouble] = []
    for text, line in pieces(source.text):
        made = _rule(text, line, source)
        if isinstance(made, Rule):
            found.append(made)
        else:
            troubles.append(made)
    return found, troubles


def pieces(text: str) -> Iterator[tuple[str, int]]:
    """Each policy's text with the line that it begins on; what follows the last `;` is one, too."""
    begin = 0
    for token in _TOKEN.finditer(text):
        if token.group() == ";":
            yield _piece(text, begin, token.end())
            begin = token.end()
    rest, line = _piece(text, begin, len(text))
    if rest:
        yield rest, line


def _piece(text: str, begin: int, end: int) -> tuple[str, int]:
    blank = _BLANK.match(text, begin, end)
    start = blank.end() if blank else begin
    return text[start:end].rstrip(), text.count("\n", 0, start) + 1


def _rule(text: str, line: int, source: Source) -> Rule | Trouble:
    def wrong(told: str, advice: str = "") -> Trouble:
        return Trouble(told, source.path or source.name, line, advice)

    try:
        parsed = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        return wrong(f"not Cedar: {error}", "docs/policy.md shows how a policy looks")
    if parsed["templates"] or len(parsed["staticPolicies"]) != 1:
        return wrong("a template, with ?principal or ?resource", "write the policy out")
    (policy,) = parsed["staticPolicies"].values()
    told: dict[str, str] = {name: value or "" for name, value in policy.get("annotations", {}).items()}
    if complaint := _complaint(told):
        return wrong(*complaint)
    return Rule(
        told["id"],
        told["explain"],
        policy["effect"] == "permit",
        text,
        source,
        line,
        tuple(_groups(told)),
        told.get("not_requester") == "true",
    )


def _complaint(told: dict[str, str]) -> tuple[str, str] | None:
    for name in told:
        if name not in ANNOTATIONS:
            guess = nearest(name, list(ANNOTATIONS))
            return f"no annotation @{name} is known", f"did you mean @{guess}?" if guess else ", ".join(ANNOTATIONS)
    if not _NAME.fullmatch(told.get("id", "")):
        return "a policy needs an id", 'as in @id("nodes-of-the-lab"): small letters, digits and hyphens'
    if not told.get("explain", "").strip():
        return f"the policy {told['id']} explains nothing", 'as in @explain("a node goes out only by two people")'
    if told.get("not_requester", "true") not in ("true", "false"):
        return f"@not_requester of {told['id']} is neither true nor false", '@not_requester("true")'
    if "approvers" in told and not list(_groups(told)):
        return f"@approvers of {told['id']} names no group", '@approvers("admins")'
    return None


def _groups(told: dict[str, str]) -> Iterator[str]:
    return (name.strip() for name in told.get("approvers", "").split(",") if name.strip())


def merged(shipped: Sequence[Rule], own: Sequence[Rule]) -> tuple[list[Rule], list[Trouble]]:
    """What is in force: a policy of one's own replaces the shipped one of its id, every other one is added."""
    troubles = [*_twice(shipped), *_twice(own)]
    replaced = {rule.id for rule in own}
    return [*(rule for rule in shipped if rule.id not in replaced), *own], troubles


def _twice(among: Sequence[Rule]) -> Iterator[Trouble]:
    first: dict[str, Rule] = {}
    for rule in among:
        other = first.setdefault(rule.id, rule)
        if other is not rule:
            yield rule.trouble(f"the id {rule.id} is taken by {other.where}", "give each policy an id of its own")
