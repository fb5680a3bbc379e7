"""Whose approval counts: real keys of ssh-keygen, one agent's, and everything that must not count."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from msgspec.structs import replace as altered

from agents.approvals import NAMESPACE, Choice, Standing, Statement, Tally, Word, standing, statements
from tests.support.governed import NEEDS_ONE, NOW, Person, person, plan, ssh_agent
from watchfloor.change import Plan, Ruling, Verdict
from watchfloor.people import People
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgerentry import Note, Party, Who, time_of
from watchfloor.records.ledgerreader import LedgerReader, Wanted
from watchfloor.signing import Signers, SshSigner, fingerprint_of

PLAN = plan("drain_node")
NEEDS_TWO = altered(NEEDS_ONE, approvals=2)
LATER = NOW + 60


@dataclass
class Bench:
    """People with keys, and the file that knows them."""

    folder: Path
    people: dict[str, Person]
    signers: Path

    def says(
        self, name: str, choice: Choice = Choice.APPROVE, at: float = NOW, a_plan: Plan = PLAN, **more: str
    ) -> Statement:
        bare = Statement(
            choice, a_plan.digest, more.get("reason", "seen"), time_of(int(at * 1e9)), more.get("expires", "")
        )
        signature = SshSigner(self.people[name].key).sign(NAMESPACE, bare.text)
        return replace(bare, signature=signature)

    def stands(
        self,
        *told: Statement,
        verdict: Verdict = NEEDS_ONE,
        now: float = LATER,
        people: People | None = None,
        over: str = "",
        a_plan: Plan = PLAN,
    ) -> Standing:
        check = Signers(self.signers, NAMESPACE)
        return standing(a_plan, verdict, told, now, people or People(), check, over)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Person]:
    folder = tmp_path_factory.mktemp("keys")
    names = ("anna@example.org", "bob@example.org", "carol@example.org", "mallory@example.org", "agent:desk")
    found = {name.partition("@")[0]: person(folder, name) for name in names}
    found["carol2"] = Person("carol@example.org", person(folder, "carol-laptop", "ecdsa").key)
    return found


@pytest.fixture
def bench(tmp_path: Path, made: dict[str, Person]) -> Bench:
    signers = tmp_path / "allowed_signers"
    signers.write_text("".join(each.line() for name, each in made.items() if name != "mallory"), "utf-8")
    return Bench(tmp_path, made, signers)


def words(found: Standing) -> list[Word]:
    return [refusal.word for refusal in found.refused]


# -- what counts


def test_one_person_who_did_not_ask_is_enough(bench: Bench) -> None:
    found = bench.stands(bench.says("carol"))
    assert found.approved and found.text == "1 of 1: carol@example.org"
    assert found.by[0].fingerprint.startswith("SHA256:") and not found.refused


def test_nobody_is_not_enough_and_says_what_is_wanted(bench: Bench) -> None:
    found = bench.stands()
    assert not found.approved
    assert (found.text, found.wanted) == ("0 of 1", "1 approval of another person than who asks")


def test_two_are_two_persons_and_not_two_keys(bench: Bench) -> None:
    both = bench.says("carol"), bench.says("carol2", at=NOW + 1)
    found = bench.stands(*both, verdict=NEEDS_TWO)
    assert not found.approved and found.have == 1 and words(found) == [Word.SUPERSEDED]
    assert bench.stands(*both, bench.says("bob"), verdict=NEEDS_TWO).approved


def test_a_key_under_two_names_is_one_person(bench: Bench) -> None:
    bob = bench.people["bob"]
    with bench.signers.open("a", encoding="utf-8") as file:
        file.write(replace(bob, principal="robert@example.org").line())
    told = bench.says("bob"), bench.says("bob", at=NOW + 1, reason="again")
    assert bench.stands(*told, verdict=NEEDS_TWO).have == 1


def test_names_of_people_yaml_are_one_person(bench: Bench) -> None:
    people = People({"bob@example.org": "bob", "carol@example.org": "bob"})
    assert bench.stands(bench.says("carol"), bench.says("bob", at=NOW + 1), verdict=NEEDS_TWO, people=people).have == 1


def test_approvers_must_be_of_the_groups(bench: Bench) -> None:
    verdict = altered(NEEDS_ONE, approvers=("admins", "staff"))
    groups = {"admins": frozenset({"carol@example.org"}), "staff": frozenset({"*"})}
    assert bench.stands(bench.says("carol"), verdict=verdict, people=People(groups=groups)).approved
    found = bench.stands(bench.says("bob"), verdict=verdict, people=People(groups=groups))
    assert words(found) == [Word.NOT_OF_GROUP] and "admins" in found.refused[0].text


def test_what_is_permitted_needs_nobody_and_what_is_denied_is_never_met(bench: Bench) -> None:
    assert bench.stands(verdict=Verdict(Ruling.PERMIT)).approved
    assert not bench.stands(bench.says("carol"), verdict=Verdict(Ruling.DENY)).approved


# -- who asked


@pytest.mark.parametrize(
    "who",
    [
        Who(Party.PERSON, "carol"),
        Who(Party.PERSON, "carol@example.org"),
        Who(Party.AGENT, "desk", on_behalf_of="carol"),
        Who(Party.SERVICE, "cron", on_behalf_of="carol@example.org"),
    ],
)
def test_the_one_who_asked_does_not_count_where_policy_says_so(bench: Bench, who: Who) -> None:
    asked = plan("drain_node", who=who)
    told = bench.says("carol", a_plan=asked)
    assert words(bench.stands(told, a_plan=asked)) == [Word.REQUESTER]
    assert bench.stands(told, a_plan=asked, verdict=altered(NEEDS_ONE, not_requester=False)).approved


def test_the_one_who_asked_is_known_by_the_key_and_by_people_yaml(bench: Bench) -> None:
    fingerprint = fingerprint_of(bench.says("carol").signature)
    by_key = plan("drain_node", who=Who(Party.PERSON, "root", fingerprint))
    assert words(bench.stands(bench.says("carol", a_plan=by_key), a_plan=by_key)) == [Word.REQUESTER]
    by_name = plan("drain_node", who=Who(Party.PERSON, "cs"))
    people = People({"cs": "carol", "carol@example.org": "carol"})
    assert words(bench.stands(bench.says("carol", a_plan=by_name), a_plan=by_name, people=people)) == [Word.REQUESTER]


def test_an_agent_is_never_an_approver(bench: Bench) -> None:
    assert words(bench.stands(bench.says("agent:desk"))) == [Word.AGENT]
    recorded_by_one = replace(bench.says("carol"), party=Party.AGENT)
    assert words(bench.stands(recorded_by_one)) == [Word.AGENT]


# -- what doesn't count


def test_an_approval_of_another_plan_does_not_count(bench: Bench) -> None:
    other = bench.says("carol", a_plan=plan("drain_node", playbook="another"))
    assert words(bench.stands(other)) == [Word.NOT_SIGNED]
    assert words(bench.stands(replace(other, plan=PLAN.digest))) == [Word.NOT_SIGNED]


@pytest.mark.parametrize(
    "change",
    [
        {"reason": "another"},
        {"expires": "2030-01-01T00:00:00Z"},
        {"choice": Choice.APPROVE},
        {"time": time_of(int((NOW + 2) * 1e9))},
        {"signature": ""},
    ],
)
def test_whatever_was_altered_after_signing_does_not_count(bench: Bench, change: dict[str, str]) -> None:
    told = replace(bench.says("carol", Choice.REJECT), **change)
    found = bench.stands(told)
    assert words(found) == [Word.NOT_SIGNED] and not found.approved and not found.rejected


def test_a_key_that_nobody_knows_does_not_count(bench: Bench) -> None:
    assert words(bench.stands(bench.says("mallory"))) == [Word.UNKNOWN_KEY]


def test_a_key_of_another_namespace_or_time_does_not_count(bench: Bench) -> None:
    carol = bench.people["carol"]
    for options in ('namespaces="git"', 'valid-before="20200101"'):
        bench.signers.write_text(carol.line(options), "utf-8")
        assert words(bench.stands(bench.says("carol"))) == [Word.UNKNOWN_KEY]


def test_a_key_for_whoever_fits_a_pattern_is_nobodys(bench: Bench) -> None:
    bench.signers.write_text(replace(bench.people["carol"], principal="*@example.org").line(), "utf-8")
    found = bench.stands(bench.says("carol"))
    assert words(found) == [Word.UNKNOWN_KEY] and "must name each person" in found.refused[0].text


def test_a_signature_for_another_purpose_does_not_count(bench: Bench) -> None:
    told = bench.says("carol")
    elsewhere = SshSigner(bench.people["carol"].key).sign("git", told.text)
    assert words(bench.stands(replace(told, signature=elsewhere))) == [Word.UNKNOWN_KEY]


def test_without_a_file_of_signers_nobody_counts(bench: Bench) -> None:
    bench.signers.unlink()
    assert words(bench.stands(bench.says("carol"))) == [Word.UNKNOWN_KEY]


def test_a_key_that_was_taken_away_ceases_to_count(bench: Bench) -> None:
    told = bench.says("carol")
    assert bench.stands(told).approved
    bench.signers.write_text(bench.people["bob"].line(), "utf-8")
    assert words(bench.stands(told)) == [Word.UNKNOWN_KEY]


def test_an_approval_ends_with_its_time_and_with_the_plan(bench: Bench) -> None:
    told = bench.says("carol", expires=time_of(int((NOW + 3600) * 1e9)))
    assert bench.stands(told, now=NOW + 3599).approved
    assert words(bench.stands(told, now=NOW + 3600)) == [Word.EXPIRED]
    assert words(bench.stands(bench.says("carol"), now=PLAN.expires)) == [Word.EXPIRED]
    assert words(bench.stands(bench.says("carol", expires="soon"))) == [Word.EXPIRED]


def test_an_approval_needs_a_reason_and_a_time_that_has_come(bench: Bench) -> None:
    assert words(bench.stands(bench.says("carol", reason=" "))) == [Word.NO_REASON]
    assert words(bench.stands(bench.says("carol", at=NOW + 3600))) == [Word.FROM_THE_FUTURE]


def test_nothing_counts_after_the_state_moved_or_the_run_is_over(bench: Bench) -> None:
    assert words(bench.stands(bench.says("carol"), over="moved: n1 has another job")) == [Word.MOVED]
    assert words(bench.stands(bench.says("carol"), over="over: it succeeded")) == [Word.OVER]
    assert not bench.stands(verdict=Verdict(Ruling.PERMIT), over="over: it succeeded").approved


# -- rejections and withdrawals


def test_a_rejection_holds_a_plan_up_until_it_is_withdrawn(bench: Bench) -> None:
    told = [bench.says("carol"), bench.says("bob", Choice.REJECT, NOW + 1, reason="not today")]
    found = bench.stands(*told)
    assert not found.approved and found.text == "rejected by bob@example.org: not today"
    assert not bench.stands(*told, bench.says("carol", Choice.WITHDRAW, NOW + 2)).approved
    assert bench.stands(*told, bench.says("bob", Choice.WITHDRAW, NOW + 2)).approved


def test_a_withdrawn_approval_does_not_come_back_by_a_copy_of_it(bench: Bench) -> None:
    approval, withdrawal = bench.says("carol"), bench.says("carol", Choice.WITHDRAW, NOW + 1)
    assert not bench.stands(approval, withdrawal).approved
    found = bench.stands(approval, withdrawal, approval)
    assert not found.approved and Word.REPLAYED in words(found)
    assert not bench.stands(withdrawal, approval).approved  # the times that were signed count, and not the order
    assert bench.stands(approval, withdrawal, bench.says("carol", at=NOW + 2)).approved


def test_nobody_takes_back_what_another_said_by_a_name_that_looks_alike(bench: Bench) -> None:
    mallory = replace(bench.people["mallory"], principal="bob@evil.example")
    bench.people = {**bench.people, "evil": mallory}
    with bench.signers.open("a", encoding="utf-8") as file:
        file.write(mallory.line())
    told = bench.says("carol"), bench.says("bob", Choice.REJECT), bench.says("evil", Choice.WITHDRAW, NOW + 1)
    assert not bench.stands(*told).approved


# -- on record


def test_statements_are_the_same_when_they_come_back_from_the_ledger(bench: Bench) -> None:
    path = bench.folder / "ledger.db"
    told = [bench.says("carol", expires="2030-01-01T00:00:00Z"), bench.says("bob", Choice.REJECT, NOW + 1)]
    with Ledger(path) as ledger:
        ledger.append_all([Note(Who(Party.PERSON, "x"), each.body, (), "r1", PLAN.digest) for each in told])
        ledger.append(Note(Who(Party.AGENT, "desk"), told[0].body, (), "r1", PLAN.digest))
    with LedgerReader(path) as reader:
        entries = list(reader.entries(Wanted(plan=PLAN.digest)))
    back = list(statements(entries))
    assert [replace(each, number=-1) for each in back[:2]] == told
    found = Tally(People(), Signers(bench.signers, NAMESPACE))(PLAN, NEEDS_ONE, entries, LATER)
    assert found.have == 1 and not found.approved and words(found) == [Word.AGENT]


def test_what_an_agent_of_ssh_holds_can_sign(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    carol = bench.people["carol"]
    public = bench.folder / "carol.pub"
    public.write_text(carol.public, "ascii")
    with ssh_agent(bench.folder, [carol.key]) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", socket)
        bench.people = {**bench.people, "by-agent": Person(carol.principal, public)}
        told = bench.says("by-agent")
    assert bench.stands(told).approved


def test_fingerprints_are_those_of_ssh_keygen(bench: Bench) -> None:
    for name in ("carol", "carol2"):
        assert fingerprint_of(bench.says(name).signature) == SshSigner(bench.people[name].key).fingerprint()
    for broken in ("", "x", "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----"):
        assert fingerprint_of(broken) == ""
