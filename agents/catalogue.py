"""Every action in words: docs/actions.md is made of this. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from agents.action import Action, Parameter, actions, sudo_rules

_HEAD = """# Actions

What watchfloor can do to a fleet, one file each in `agents/actions`. This page is made by `make golden`.

Nothing of this is done but by the one road: planned, judged by policy and interlocks, approved where policy asks for
it, put on record before it is done, and looked at afterwards. A step of a playbook names an action and its parameters.

Risk: **R0** reads · **R1** reversible, and touches no job · **R2** slows or evicts work · **R3** takes a node or board
out, or reboots it · **R4** fleet, firmware or hardware (none so far). Where a row says more than one, the step of the
plan has its own.

Just before it acts, an action looks at the place itself: a node that somebody else drained, a job that is in another
attempt, a process whose pid is another's by now are left alone. What it did is told from what was there before by a
mark (`watchfloor:…` in the reason of a drain, an annotation of a cordon), a count of restarts, a boot id, an identity,
or by being refused where it is so already. Where "seen by" speaks of an answer or exit code, nothing remains that could
be looked at later.
"""

_SUDO = """
## Rules of sudo

On the nodes these commands need root. A rule is a program with exactly these arguments; what stands between `^` and `$`
is a regular expression, which sudo knows from 1.9.10 on. `watchfloor doctor --sudoers` prints them for a node.

| action | rule |
|---|---|
"""

_NOTES = """
## Notes

- A reset is refused by the driver while anything has the board open: DCGM, the persistence daemon, a monitor. Probes of
  consoles let go of it; what refuses is in the step's output.
- `set_clocks`: drivers don't tell whether clocks are locked.
- `restore_power_limit` without `watts` takes the highest limit that the board allows, which is the usual one of data
  centre boards.
- Of an array of Slurm's, a task is always named as such (`4200_7`): its last task has the number of the whole array.
- `evict_pods` knows pods that hold accelerators. An eviction that a disruption budget doesn't allow now (429) is asked
  for again for some eight minutes, as `kubectl drain` does; a right that is missing (403) ends it at once.
- Evidence stays on the node (`/var/tmp/watchfloor-evidence`, the newest twenty), readable by the console's user alone;
  path and digests are in the ledger.
"""


def as_markdown() -> str:
    known = actions()
    table = "\n".join(f"\n## {name}\n\n{_about(action)}" for name, action in known.items())
    rules = "".join(f"| {name} | `{_cell(rule)}` |\n" for name, action in known.items() for rule in sudo_rules(action))
    return f"{_HEAD}\n{_index(known)}{table}{_SUDO}{rules}{_NOTES}"


def _index(known: Mapping[str, Action]) -> str:
    rows = (f"| [{name}](#{name}) | {one.risk.label} | {one.scope} | {one.summary} |" for name, one in known.items())
    return "| action | risk | target | what it does |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"


def _about(action: Action) -> str:
    lines = [_words(action), ""]
    lines += ["| parameter | default | what it is |", "|---|---|---|"] if action.parameters else []
    lines += [f"| {name} | {_default(one)} | {_cell(_meaning(one))} |" for name, one in action.parameters.items()]
    lines += [""] if action.parameters else []
    lines += [f"- runs: {_told(action, 'runs')}", f"- seen by: {_told(action, 'seen_by')}"]
    lines += [f"- undone by: {_told(action, 'undone_by') or 'nothing'}"]
    lines += [f"- to jobs on its target: {action.harms}"] if action.harms else []
    lines += ["- an open circuit breaker lets it pass: it makes something well again"] if action.heals else []
    lines += ["- it leaves no trace: how it ended is all that is known"] if action.traceless else []
    return "\n".join(lines) + "\n"


def _words(action: Action) -> str:
    """What its file says of it."""
    from inspect import cleandoc, getmodule  # noqa: PLC0415 -- for the document alone

    module = getmodule(type(action))
    return cleandoc(module.__doc__ or "") if module else ""


def _told(action: Action, name: str) -> str:
    return str(getattr(action, name, ""))


def _default(parameter: Parameter) -> str:
    value = parameter.default
    if value is None:
        return "must be given"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"`{value}`" if value != "" else "none"


def _meaning(parameter: Parameter) -> str:
    bounds = [f"{parameter.least:g} to {parameter.most:g}"] if parameter.least is not None and parameter.most else []
    choices = [f"one of {', '.join(parameter.choices)}"] if parameter.choices else []
    return "; ".join([parameter.summary, *bounds, *choices])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
