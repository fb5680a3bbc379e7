"""The policies in force: shipped and one's own, checked against the schema, ready to be asked. Whatever is wrong stays
with them as trouble, and then they permit nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import cedarpy

from agents.policyfile import Rule, Source, Trouble, merged, rules, sources
from watchfloor import people as people_file
from watchfloor.change import Risk
from watchfloor.errors import ConfigError
from watchfloor.model import Scope
from watchfloor.people import People
from watchfloor.places import PolicyPlaces
from watchfloor.records.ledgerjson import canonical

SCHEMA = "schema.cedarschema"
ENTITY = {  # what a target is in Cedar
    Scope.NODE: "Node",
    Scope.ACCELERATOR: "Accelerator",
    Scope.LINK: "Link",
    Scope.SERVICE: "Endpoint",
    Scope.JOB: "Job",
}
_ACTION = 'action "{}" appliesTo {{ principal: [Person, Service, Agent], resource: [{}], context: Change }};'


@dataclass(frozen=True, slots=True)
class ActionClass:
    """What policy knows of an action before any plan. `risk`: at most; its `prepare` says it of each step."""

    scope: Scope
    risk: Risk


@dataclass(frozen=True)
class Policies:
    """`digest`: of all that decides, by name and content: schema, policies, people; `told` is that, as JSON."""

    rules: tuple[Rule, ...]
    people: People
    actions: Mapping[str, ActionClass]
    digest: str
    files: tuple[str, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    schema: cedarpy.Schema | None = None
    handle: cedarpy.PolicySet | None = field(default=None, repr=False)
    told: bytes = field(default=b"", repr=False)

    def rule(self, reason: str) -> Rule:
        """By the name that Cedar gives a policy: policy0, policy1 … in their order."""
        return self.rules[int(reason.removeprefix("policy"))]

    def without(self, *ids: str) -> Policies:
        """What would be in force if these policies weren't there."""
        kept = tuple(rule for rule in self.rules if rule.id not in ids)
        return replace(self, rules=kept, handle=_handle(kept))


class InForce:
    """The policies of these places, read anew when a file of theirs is another: a forbid counts once it is saved."""

    def __init__(self, places: PolicyPlaces, actions: Mapping[str, ActionClass]) -> None:
        self._places, self._actions = places, actions
        self._stamps: object = None
        self._policies: Policies | None = None

    def now(self) -> Policies:
        """Never raises."""
        stamps = _stamps(self._places)
        if self._policies is None or stamps != self._stamps:
            self._policies, self._stamps = read(self._places, self._actions), stamps
        return self._policies


def _stamps(places: PolicyPlaces) -> list[tuple[object, ...]]:
    """Of every file: its time, size and inode; a file that is taken away is missing here."""
    folders = [folder for folder in (places.shipped, places.own) if folder is not None]
    paths = [path for folder in folders for path in _listed(folder)]
    return [stamp_of(path) for path in [*folders, *sorted(paths), *([places.people] if places.people else [])]]


def _listed(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.suffix in (".cedar", ".cedarschema")]
    except OSError:
        return []


def stamp_of(path: Path) -> tuple[object, ...]:
    """What changes with a file: its time, size and inode."""
    try:
        found = path.stat()
    except OSError as error:
        return str(path), error.errno
    return str(path), found.st_mtime_ns, found.st_size, found.st_ino


def read(places: PolicyPlaces, actions: Mapping[str, ActionClass]) -> Policies:
    """Never raises: what can't be read is trouble."""
    shipped, troubles = sources(places.shipped, "shipped")
    own, more = sources(places.own, "own") if places.own is not None else ([], [])
    troubles += more
    if places.own is not None and places.own_named and not places.own.is_dir():
        troubles.append(Trouble("there is no such folder of policies", str(places.own)))
    schema_file = places.shipped / SCHEMA
    try:
        schema = Source(f"shipped/{SCHEMA}", schema_file.read_text("utf-8"), str(schema_file))
    except (OSError, UnicodeDecodeError) as error:
        schema = Source(f"shipped/{SCHEMA}", "", str(schema_file))
        troubles.append(Trouble(f"the schema can't be read: {error}", str(schema_file)))
    people, told, more = people_of(places)
    return compiled([*shipped, *own], schema, actions, people, told, [*troubles, *more])


def compiled(
    texts: Sequence[Source],
    schema: Source,
    actions: Mapping[str, ActionClass],
    people: People | None = None,
    people_text: str = "",
    troubles: Iterable[Trouble] = (),
) -> Policies:
    """Pure. Files whose name begins with own/ go before the shipped ones of the same ids."""
    found = [(text, *rules(text)) for text in texts]
    troubles = [*troubles, *(trouble for *_, wrong in found for trouble in wrong)]
    shipped = [rule for text, its, _ in found if not text.own for rule in its]
    own = [rule for text, its, _ in found if text.own for rule in its]
    in_force, twice = merged(shipped, own)
    troubles += twice
    whole = schema.text + "".join(f"\n{line}" for line in declared(actions))
    parsed = _schema(whole, schema, troubles)
    if parsed is not None:
        troubles += [trouble for rule in in_force for trouble in misfits(rule, parsed)]
    if not in_force:
        troubles.append(Trouble("there is no policy, and what isn't named is denied"))
    facts = {"schema": whole, "people": people_text, "files": {text.name: text.text for text in texts}}
    told = canonical(facts)
    return Policies(
        rules=tuple(in_force),
        people=people or People(),
        actions=actions,
        digest=sha256(told).hexdigest(),
        files=tuple(text.name for text in texts),
        troubles=tuple(troubles),
        schema=parsed,
        handle=None if troubles else _handle(in_force),
        told=told,
    )


def declared(actions: Mapping[str, ActionClass]) -> Iterator[str]:
    """Every action in the schema's words."""
    for name, action in sorted(actions.items()):
        yield _ACTION.format(name, ENTITY[action.scope])


def misfits(rule: Rule, schema: cedarpy.Schema) -> Iterator[Trouble]:
    """What of a policy isn't as the schema has it, `has` that is missing among it."""
    try:
        result = cedarpy.validate_policies(rule.text, schema)
        told = [] if result.validation_passed else [str(error.error) for error in result.errors] or ["not valid"]
    except ValueError as error:
        told = [str(error)]
    for text in dict.fromkeys(told):
        words = text.removeprefix("for policy `policy0`, ")
        advice = "ask `has` (or `hasTag`) first" if "guarantee safety of access" in words else ""
        yield rule.trouble(f"{rule.id}: {words}", advice)


def _schema(whole: str, source: Source, troubles: list[Trouble]) -> cedarpy.Schema | None:
    if not source.text:
        return None
    try:
        return cedarpy.Schema.from_str(whole)
    except ValueError as error:
        troubles.append(Trouble(f"the schema is broken: {error}", source.path or source.name))
        return None


def _handle(in_force: Iterable[Rule]) -> cedarpy.PolicySet:
    return cedarpy.PolicySet.from_str("\n".join(rule.text for rule in in_force))


def people_of(places: PolicyPlaces) -> tuple[People, str, list[Trouble]]:
    """Who is who, the file's text, and what is wrong with it. Never raises."""
    path = places.people
    if path is None or (not path.exists() and not places.people_named):
        return People(), "", []
    try:
        return people_file.read(path), path.read_text("utf-8"), []
    except ConfigError as error:
        return People(groups={}), "", [Trouble(error.message, error.file, error.line, error.advice)]
    except (OSError, UnicodeDecodeError) as error:
        return People(groups={}), "", [Trouble(f"can't be read: {error}", str(path))]
