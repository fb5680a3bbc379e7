"""`watchfloor policy`: tables of cases, the reasons of a verdict, and mistakes in policies. Nothing is contacted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from watchfloor import governance
from watchfloor.change import Ruling, Verdict
from watchfloor.commands import output
from watchfloor.commands.arguments import Source
from watchfloor.commands.plans import placed, plan_of
from watchfloor.exits import Exit
from watchfloor.snapshot.plan import printable

if TYPE_CHECKING:
    from agents.policycases import Result
    from agents.policyfile import Trouble
    from agents.policyset import Policies
    from agents.policywhy import Reasoning

CASES, WHY, CHECKED = "watchfloor.policy-cases/1", "watchfloor.policy-why/1", "watchfloor.policy-check/1"
_CODES = {Ruling.PERMIT: Exit.OK, Ruling.NEEDS_APPROVAL: Exit.WAITS_FOR_APPROVAL, Ruling.DENY: Exit.DENIED}

app = App(name="policy", help="What policy permits, and why; tables of cases; mistakes in policies.")

Own = Annotated[Path | None, Parameter(name="--policies", help="A folder, instead of WATCHFLOOR_POLICIES's.")]
People = Annotated[Path | None, Parameter(help="A people.yaml, instead of WATCHFLOOR_PEOPLE's.")]
Json = Annotated[bool, Parameter(help="As JSON.")]


@app.command
def test(
    file: Annotated[Path, Parameter(help="A table of cases, as docs/policy.md shows one.")],
    /,
    *,
    policies: Own = None,
    people: People = None,
    json: Json = False,
) -> int:
    """Whether the policies in force do what a table of cases expects. Ends with 13 where one fails."""
    table = governance.policycases.read(file, governance.known_actions())
    in_force = governance.policies(policies, people, table.actions)
    results = list(governance.policycases.run(table, in_force))
    failed = [result for result in results if result.wrong]
    if json:
        output.write_json(_cases_document(table.file, results, in_force))
    else:
        output.write("\n".join(printable(line) for line in _cases_lines(table.file, results)))
    return Exit.FAILED if failed else Exit.OK


@app.command
def why(
    plan: Annotated[str, Parameter(help="A file with a plan's JSON, a run's id, or how a plan's digest begins.")],
    /,
    *,
    source: Source = Source(),
    policies: Own = None,
    people: People = None,
    ledger: Annotated[Path | None, Parameter(help="A ledger's file, instead of WATCHFLOOR_LEDGER's.")] = None,
    json: Json = False,
) -> int:
    """Which policies decide on a plan, and what would change that. Ends with 0 permit, 10 needs approval, 11 deny.

    Nodes stand where the fleet file has them; jobs are known as far as the plan tells of them.
    """
    found = plan_of(plan, ledger)
    reasoning = governance.reasoned(found, placed(found, source), governance.policies(policies, people))
    if json:
        output.write_json({"format": WHY, "plan": found.digest, **_reasoning_document(reasoning)})
    else:
        output.write("\n".join(printable(line) for line in _reasoning_lines(found.digest, reasoning)))
    return _CODES[reasoning.verdict.ruling]


@app.command
def check(*, policies: Own = None, people: People = None, json: Json = False) -> int:
    """Mistakes in policies and people: what denies everything (11), and what is odd (0)."""
    in_force = governance.policies(policies, people)
    remarks = [] if in_force.troubles else list(governance.policylint.remarks(in_force))
    if json:
        output.write_json(_check_document(in_force, remarks))
    else:
        output.write("\n".join(printable(line) for line in _check_lines(in_force, remarks)))
    return Exit.DENIED if in_force.troubles else Exit.OK


# -- as text


def _cases_lines(file: str, results: Sequence[Result]) -> list[str]:
    failed = [result for result in results if result.wrong]
    lines = []
    for result in failed:
        lines.append(f"{file}:{result.case.line}: {result.case.name}: {result.wrong}")
        lines += [f"  {reason}" for reason in result.verdict.reasons]
    passed = len(results) - len(failed)
    return [*lines, f"{passed} of {len(results)} cases are as expected"]


def _reasoning_lines(digest: str, reasoning: Reasoning) -> list[str]:
    verdict = reasoning.verdict
    lines = [f"{_ruled(verdict)} · plan {digest[:16]} · policies {verdict.policy_digest[:12]}", ""]
    lines += verdict.reasons
    rules = list(dict.fromkeys(rule for each in reasoning.steps for rule in each.deciding))
    if rules:
        lines += ["", "Decided by:"]
        lines += [f"   {'permit' if rule.permits else 'forbid'} {rule.id}   {rule.where}" for rule in rules]
    change = [*verdict.would_change, *(f"{words}: {ruling}" for words, ruling in reasoning.otherwise)]
    if change:
        lines += ["", "What would change it:", *(f"   {text}" for text in change)]
    return lines


def _ruled(verdict: Verdict) -> str:
    if verdict.ruling is Ruling.NEEDS_APPROVAL:
        return f"needs {governance.needed_words(verdict)}"
    return "permitted" if verdict.ruling is Ruling.PERMIT else "denied"


def _check_lines(in_force: Policies, remarks: Sequence[Trouble]) -> list[str]:
    if in_force.troubles:
        return [*map(str, in_force.troubles), "", "Until this is mended, everything is denied."]
    who = in_force.people.file or "no people.yaml: every person at this console is an operator"
    lines = [f"{'permit' if rule.permits else 'forbid'} {rule.id}: {rule.explain}" for rule in in_force.rules]
    odd = ["", "Odd:", *(f"   {remark}" for remark in remarks)] if remarks else []
    files = f"{len(in_force.rules)} policies of {', '.join(in_force.files)} are sound · {in_force.digest[:12]}"
    return [*lines, *odd, "", f"{files} · {who}"]


# -- as JSON


def _cases_document(file: str, results: Sequence[Result], in_force: Policies) -> dict[str, object]:
    rows = [
        {
            "name": result.case.name,
            "line": result.case.line,
            "expected": str(result.case.ruling),
            "ruling": str(result.ruling),
            "needs": result.verdict.approvals,
            "policies": list(result.verdict.policies),
            "reasons": list(result.verdict.reasons),
            "wrong": result.wrong or None,
        }
        for result in results
    ]
    failed = sum(bool(result.wrong) for result in results)
    return {"format": CASES, "file": file, "policy_digest": in_force.digest, "failed": failed, "cases": rows}


def _reasoning_document(reasoning: Reasoning) -> dict[str, object]:
    verdict = reasoning.verdict
    steps = [
        {
            "step": each.step.key,
            "action": each.step.action,
            "target": str(each.step.target),
            "risk": each.risk.label,
            "approvals": each.approvals,
            "policies": [{"id": rule.id, "permits": rule.permits, "where": rule.where} for rule in each.deciding],
        }
        for each in reasoning.steps
    ]
    otherwise = [{"if": words, "ruling": ruling} for words, ruling in reasoning.otherwise]
    told = {name: getattr(verdict, name) for name in verdict.__struct_fields__}
    shown = {name: list(value) if isinstance(value, tuple) else value for name, value in told.items()}
    return {"verdict": {**shown, "ruling": str(verdict.ruling)}, "steps": steps, "otherwise": otherwise}


def _check_document(in_force: Policies, remarks: Sequence[Trouble]) -> dict[str, object]:
    def told(trouble: Trouble) -> dict[str, object]:
        return output.problem(trouble.text, trouble.advice, trouble.file, trouble.line)

    policies = [
        {"id": rule.id, "permits": rule.permits, "explain": rule.explain, "where": rule.where}
        for rule in in_force.rules
    ]
    return {
        "format": CHECKED,
        "policy_digest": in_force.digest,
        "files": list(in_force.files),
        "people": in_force.people.file or None,
        "policies": policies,
        "troubles": [told(trouble) for trouble in in_force.troubles],
        "remarks": [told(remark) for remark in remarks],
    }
