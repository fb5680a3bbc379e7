"""Who is who: names of one person, groups, and complaints that say where."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchfloor.errors import ConfigError
from watchfloor.people import People, read
from watchfloor.records.ledgerentry import Party, Who

TEXT = """\
people:
  anna: [anna@example.org, "SHA256:abc"]
groups:
  operators: [anna, "group:night"]
  night: [bob, "service:cron"]
  everybody: ["*"]
"""


@pytest.fixture
def people(tmp_path: Path) -> People:
    return told(tmp_path, TEXT)


def told(folder: Path, text: str) -> People:
    path = folder / "people.yaml"
    path.write_text(text, "utf-8")
    return read(path)


def test_a_person_is_known_by_account_principal_and_key(people: People) -> None:
    assert people.person("anna@example.org") == people.person("root", "SHA256:abc") == people.person("anna") == "anna"
    assert people.person("mallory", "") == "mallory"


def test_groups_hold_persons_services_and_groups(people: People) -> None:
    assert people.groups_of(Who(Party.PERSON, "root", "SHA256:abc")) == ("everybody", "operators")
    assert people.groups_of(Who(Party.PERSON, "bob")) == ("everybody", "night", "operators")
    assert people.groups_of(Who(Party.SERVICE, "cron")) == ("night", "operators")
    assert people.groups_of(Who(Party.AGENT, "anna")) == ()


def test_groups_of_groups_may_go_round(tmp_path: Path) -> None:
    people = told(tmp_path, 'groups:\n  a: ["group:b"]\n  b: ["group:a", anna]\n')
    assert people.groups_of(Who(Party.PERSON, "anna")) == ("a", "b")


def test_without_a_file_every_person_is_an_operator() -> None:
    assert People().groups_of(Who(Party.PERSON, "anyone")) == ("operators",)
    assert People().groups_of(Who(Party.AGENT, "anyone")) == ()


def test_names_of_one_person_are_taken_for_one(people: People) -> None:
    assert people.same("anna", "SHA256:abc") and people.same("anna@example.org", "anna")
    assert people.same("bob", "bob@example.org")
    assert not people.same("bob", "anna") and not people.same("", "")


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("grups: {}", (1, 1), "did you mean groups"),
        ('groups:\n  a: ["group:b"]\n', (2, 7), "there is no group 'b'"),
        ('groups:\n  a: ["robot:x"]\n', (2, 7), "is no member"),
        ("groups:\n  a: [yes]\n", (2, 7), "YAML may read"),
        ("people:\n  anna: [x]\n  bob: [x]\n", (3, 9), "x is anna already"),
        ("people:\n  anna: [bob]\n  bob: [y]\n", (3, 8), "bob is a further name of anna"),
        ("groups: [a]\n", (1, 9), "should hold keys"),
    ],
)
def test_complaints_say_where(tmp_path: Path, text: str, place: tuple[int, int], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        told(tmp_path, text)
    assert words in str(caught.value)
    assert (caught.value.line, caught.value.column) == place
