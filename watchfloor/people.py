"""Who is who: the further names of one person, and the groups that policies speak of, from people.yaml.

    people:
      anna: [anna@example.org, "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"]
    groups:
      operators: [anna, bob, service:cron]
      admins: [carol]
      everybody: [group:operators, group:admins]

A member is a person (an account of the operating system, a key's fingerprint, or a name of `people:`), `service:NAME`,
`agent:NAME`, `group:NAME`, or "*": every person. Without a file every person at this console is an operator: what they
may reach is bounded by their own SSH keys and accounts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from watchfloor.config import Item, load
from watchfloor.records.ledgerentry import Party, Who
from watchfloor.units import nearest

EVERYBODY = "*"
OPERATORS = "operators"
_KINDS = ("service", "agent", "group")


@dataclass(frozen=True)
class People:
    """`aliases`: every further name of a person -> the person. `groups`: members as written, persons by their name."""

    aliases: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, frozenset[str]] = field(default_factory=lambda: {OPERATORS: frozenset({EVERYBODY})})
    file: str = ""  # "" where there is none

    def person(self, *names: str) -> str:
        """The one person behind an account, a principal or a fingerprint; the first name itself where none is known."""
        known = (self.aliases[name] for name in names if name in self.aliases)
        return next(known, next((name for name in names if name), ""))

    def same(self, one: str, other: str) -> bool:
        """Whether two names are one person's. anna@example.org is taken for the account anna: rather once too often."""
        return bool(one and other) and bool(self._names(one) & self._names(other))

    def _names(self, name: str) -> set[str]:
        person = self.person(name)
        return {person, _account(person), name, _account(name)}

    def groups_of(self, who: Who) -> tuple[str, ...]:
        """Every group that somebody is of, by way of other groups too, in order."""
        member = self._member(who)
        words = {member, EVERYBODY} if who.kind is Party.PERSON else {member}
        found: set[str] = set()
        fresh = {name for name, members in self.groups.items() if words & members}
        while fresh:
            found |= fresh
            inner = {f"group:{name}" for name in fresh}
            fresh = {name for name, members in self.groups.items() if inner & members} - found
        return tuple(sorted(found))

    def _member(self, who: Who) -> str:
        if who.kind is Party.PERSON:
            return self.person(who.name, who.fingerprint)
        return f"{who.kind}:{who.name}"


def _account(name: str) -> str:
    return name.partition("@")[0]


def read(path: Path) -> People:
    """Raises ConfigError with file, line and column."""
    section = load(path).section(("people", "groups"))
    aliases = section.get("people", _aliases) or {}
    return People(aliases, section.get("groups", lambda item: groups(item, aliases)) or {}, str(path))


def _aliases(item: Item) -> dict[str, str]:
    found: dict[str, str] = {}
    for person, names in item.entries().items():
        found.setdefault(person, person)
        for name in names.items():
            alias = name.text()
            if found.setdefault(alias, person) != person:
                name.fail(f"{alias} is {found[alias]} already", "each name belongs to one person")
    for person, names in item.entries().items():
        if found[person] != person:
            names.fail(f"{person} is a further name of {found[person]}", "name each person once")
    return found


def groups(item: Item, aliases: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """Name -> members, persons by the name that `aliases` has for them. Raises ConfigError."""
    entries = item.entries()
    return {name: frozenset(_members(members, aliases, list(entries))) for name, members in entries.items()}


def _members(item: Item, aliases: Mapping[str, str], groups: list[str]) -> Iterator[str]:
    for member in item.items():
        text = member.text()
        kind, colon, name = text.partition(":")
        if not colon or kind == "SHA256":
            yield aliases.get(text, text)
        elif kind not in _KINDS or not name:
            member.fail(f"{text!r} is no member", "a name, SHA256:…, service:NAME, agent:NAME or group:NAME")
        elif kind == "group" and name not in groups:
            guess = nearest(name, groups)
            member.fail(f"there is no group {name!r}", f"did you mean {guess}?" if guess else "name it under groups:")
        else:
            yield text
