"""`watchfloor policy` as a person and a script use it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec import to_builtins

from tests.support.governed import ACTIONS, plan, proposed
from tests.support.parts import ROOT
from tests.support.told import Told
from watchfloor import governance
from watchfloor.change import plain
from watchfloor.exits import Exit
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgerentry import Note
from watchfloor.records.ledgerwords import Proposed

TABLE = ROOT / "playbooks" / "policies" / "default.cases.yaml"
FLEET = "sites: {lab: {racks: {r1: n1}}}\n"


@pytest.fixture
def policy(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Told:
    monkeypatch.setattr(governance, "known_actions", lambda: dict(ACTIONS))
    for name in ("POLICIES", "PEOPLE", "SIGNERS"):
        monkeypatch.delenv(f"WATCHFLOOR_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("WATCHFLOOR_LEDGER", str(tmp_path / "ledger.db"))
    return Told("policy", capfd)


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    path = tmp_path / "fleet.yaml"
    path.write_text(FLEET, "utf-8")
    return path


def own(folder: Path, text: str) -> Path:
    (folder / "own").mkdir()
    (folder / "own" / "mine.cedar").write_text(text, "utf-8")
    return folder / "own"


FORBID = '@id("rack-one") @explain("rack one is left alone")\nforbid (principal, action, resource in Rack::"lab/r1");\n'


# -- test


def test_a_table_that_holds(policy: Told) -> None:
    assert policy("test", TABLE) == Exit.OK
    assert policy.out.splitlines()[-1].endswith("cases are as expected")


def test_failing_rows_are_told_with_their_line_and_reasons(policy: Told, tmp_path: Path) -> None:
    folder = own(tmp_path, FORBID)
    assert policy("test", TABLE, "--policies", folder) == Exit.FAILED
    assert "default.cases.yaml:19: reads on n1 by anna: expected permit, and it is deny" in policy.out
    assert "rack one is left alone" in policy.out
    told = policy.json("test", TABLE, "--policies", folder)
    assert told["failed"] == sum(bool(row["wrong"]) for row in told["cases"]) > 5


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("{who: anna, action: drain_nod, target: n1, expect: permit}", "did you mean drain_node"),
        ("{who: anna, action: drain_node, target: n1/x, expect: permit}", "is no node"),
        ("{who: anna, action: drain_node, target: n1, expect: allow}", "is none of permit"),
        ("{who: anna, action: drain_node, target: n1, expected: permit}", "did you mean expect"),
        ('{who: "robot:x", action: drain_node, target: n1, expect: permit}', "is nobody"),
        ("{action: drain_node, target: n1, expect: permit}", "needs a key 'who'"),
        ("{who: anna, action: drain_node, target: n1, risk: R7, expect: permit}", "is none of R0"),
    ],
)
def test_a_table_that_cannot_be_understood(policy: Told, tmp_path: Path, row: str, words: str) -> None:
    path = tmp_path / "cases.yaml"
    path.write_text(f"cases:\n  - {row}\n", "utf-8")
    assert policy("test", path) == Exit.USAGE
    assert words in policy.err and "cases.yaml:2:" in policy.err


def test_a_table_without_cases_holds_nothing(policy: Told, tmp_path: Path) -> None:
    path = tmp_path / "cases.yaml"
    path.write_text("groups: {operators: [anna]}\ncases: []\n", "utf-8")
    assert policy("test", path) == Exit.USAGE
    assert "cases.yaml:2:8: no case in it" in policy.err


# -- why


def test_why_names_the_policy_and_what_would_change_it(policy: Told, tmp_path: Path, fleet: Path) -> None:
    proposed(tmp_path / "ledger.db", plan("drain_node"))
    code = policy("why", "r1", "--fleet", fleet)
    assert code == Exit.WAITS_FOR_APPROVAL, policy.err
    assert policy.out.startswith("needs 1 approval of another person than who asks · plan ")
    assert "permit r3-another-person" in policy.out and "default.cedar:" in policy.out


def test_why_says_where_it_does_not_know_where_a_node_stands(policy: Told, tmp_path: Path) -> None:
    proposed(tmp_path / "ledger.db", plan("label_node"))
    assert policy("why", "r1", "--policies", own(tmp_path, FORBID)) == Exit.OK
    assert "no fleet file has them: n1" in policy.err


def test_why_takes_a_plans_file_and_a_digest(policy: Told, tmp_path: Path, fleet: Path) -> None:
    a_plan = plan("label_node")
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"plan": to_builtins(a_plan, str_keys=True)}), "utf-8")
    assert policy("why", path, "--fleet", fleet) == Exit.OK
    proposed(tmp_path / "ledger.db", a_plan)
    assert policy.json("why", a_plan.digest[:8], "--fleet", fleet)["plan"] == a_plan.digest


def test_why_something_is_denied(policy: Told, tmp_path: Path, fleet: Path) -> None:
    proposed(tmp_path / "ledger.db", plan("label_node"))
    words = ("why", "r1", "--fleet", fleet, "--policies", own(tmp_path, FORBID))
    assert policy(*words) == Exit.DENIED
    assert "rack one is left alone" in policy.out and "own/mine.cedar:1): permit" in policy.out
    told = policy.json(*words)
    assert told["verdict"]["policies"] == ["rack-one"]
    assert {"if": f"without the policy rack-one ({tmp_path}/own/mine.cedar:1)", "ruling": "permit"} in told["otherwise"]


def test_why_nothing_that_is_on_record(policy: Told, tmp_path: Path) -> None:
    assert policy("why", "abcd") == Exit.NOT_KEPT  # there is no ledger
    proposed(tmp_path / "ledger.db", plan("label_node"))
    assert policy("why", "abcd") == Exit.USAGE
    assert "nothing is on record" in policy.err
    (tmp_path / "plan.json").write_text("{]", "utf-8")
    assert policy("why", tmp_path / "plan.json") == Exit.USAGE
    assert "is no plan" in policy.err


def test_a_plan_that_is_not_what_its_digest_names_is_none(policy: Told, tmp_path: Path) -> None:
    told, other = plan("label_node"), plan("drain_node")
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.append(Note(told.who, Proposed(reason="x", plan=plain(other)), (), "r1", told.digest))
    assert policy("why", "r1") == Exit.USAGE
    assert "isn't the one that" in policy.err


# -- check


def test_check_lists_what_is_in_force(policy: Told) -> None:
    assert policy("check") == Exit.OK
    assert "forbid agents-need-people: an agent does nothing" in policy.out
    assert "every person at this console is an operator" in policy.out
    told = policy.json("check")
    assert not told["troubles"] and not told["remarks"] and len(told["policies"]) == 7


def test_check_says_what_is_broken_and_where(policy: Told, tmp_path: Path) -> None:
    folder = own(tmp_path, FORBID.replace("forbid", "forbit"))
    assert policy("check", "--policies", folder) == Exit.DENIED
    assert f"{folder}/mine.cedar:1: not Cedar" in policy.out and "everything is denied" in policy.out
    assert policy.json("check", "--policies", folder)["troubles"][0]["line"] == 1


def test_a_folder_or_file_that_was_named_must_be_there(policy: Told, tmp_path: Path) -> None:
    assert policy("check", "--policies", tmp_path / "nowhere") == Exit.DENIED
    assert "no such folder" in policy.out
    assert policy("check", "--people", tmp_path / "nobody.yaml") == Exit.DENIED
    (tmp_path / "people.yaml").write_text("groups:\n  a: [yes]\n", "utf-8")
    assert policy("check", "--people", tmp_path / "people.yaml") == Exit.DENIED
    assert "people.yaml:2:" in policy.out


def test_check_remarks_on_what_is_odd(policy: Told, tmp_path: Path) -> None:
    text = """
    @id("never") @explain("x") permit (principal, action, resource) when { 1 == 2 };
    @id("nobody") @explain("x") @approvers("board") @not_requester("true")
    permit (principal in Group::"ghosts", action, resource);
    """
    assert policy("check", "--policies", own(tmp_path, text)) == Exit.OK
    odd = policy.out.partition("Odd:")[2]
    assert "never can never match" in odd and "group ghosts" in odd and "group board" in odd
    assert "asks for no approval" in odd
