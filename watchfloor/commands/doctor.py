"""`watchfloor doctor`: per node, what works, what doesn't, and what to do about it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from watchfloor import wiring
from watchfloor.commands import output
from watchfloor.commands.arguments import Hosts, Source
from watchfloor.exits import Exit, of_fleet

if TYPE_CHECKING:
    from watchfloor.model import NodeSpec
    from watchfloor.wiring import Check

_MARKS = {"ok": "ok     ", "warning": "warning", "failed": "FAILED ", "skipped": "skipped"}
_SGR = {"ok": "32", "warning": "33", "failed": "31", "skipped": "2"}


def doctor(
    *hosts: Hosts,
    source: Source = Source(),
    costs: Annotated[
        bool, Parameter(help="What reading costs each node, by sampler and question: takes 13 s.")
    ] = False,
    sudoers: Annotated[
        bool, Parameter(help="Print the lines of sudoers that actions need on nodes; asks no node.")
    ] = False,
    json: Annotated[bool, Parameter(help="As JSON.")] = False,
) -> int:
    """Check name, ssh, host key, python3, driver, permission and clock of every node, each with what to do next."""
    if sudoers:
        return _sudoers(json)
    if costs:
        return _costs(source.specs(hosts), json)
    diagnosed = asyncio.run(wiring.diagnose(source.specs(hosts)))
    failed = sum(any(check.state == "failed" for check in checks) for _, checks in diagnosed)
    if json:
        output.write_json({"nodes": [_record(spec, checks) for spec, checks in diagnosed]})
    else:
        output.write("\n\n".join(_text(spec, checks, output.coloured()) for spec, checks in diagnosed))
    return of_fleet(len(diagnosed) - failed, failed) if diagnosed else Exit.OK


def _costs(specs: list[NodeSpec], json: bool) -> int:
    from watchfloor import costs  # noqa: PLC0415 - only asked for now and then

    measured = asyncio.run(wiring.costs(specs))
    if json:
        output.write_json({"nodes": [costs.record(spec, rows, why) for spec, rows, why in measured]})
    else:
        output.write("\n\n".join(costs.text(spec, rows, why) for spec, rows, why in measured))
    failed = sum(bool(why) for _, _, why in measured)
    return of_fleet(len(measured) - failed, failed) if measured else Exit.OK


def _sudoers(json: bool) -> int:
    from watchfloor import acting, sudoers  # noqa: PLC0415 - no other question of the doctor's knows what could be done

    rules = acting.rules_of_sudo()
    if json:
        told = [{"action": name, "rules": list(its), "warnings": [w for rule in its for w in sudoers.warnings(rule)]}
                for name, its in sorted(rules.items()) if its]  # fmt: skip
        output.write_json({"actions": told})
    else:
        output.write(sudoers.text(rules).rstrip("\n"))
    return Exit.OK


def _record(spec: NodeSpec, checks: Sequence[Check]) -> dict[str, object]:
    rows = [{"name": c.name, "state": str(c.state), "text": c.text, "advice": c.advice} for c in checks]
    return {"name": spec.name, "host": spec.host, "checks": rows}


def _text(spec: NodeSpec, checks: Sequence[Check], colour: bool) -> str:
    widest = max((len(check.name) for check in checks), default=0)
    lines = [spec.name]
    for check in checks:
        mark = _MARKS[str(check.state)]
        painted = f"\x1b[{_SGR[str(check.state)]}m{mark}\x1b[0m" if colour else mark
        lines.append(f"  {painted}  {check.name:<{widest}}  {check.text}")
        if check.advice:
            lines.append(f"  {' ' * len(mark)}  {' ' * widest}  {check.advice}")
    return "\n".join(lines)
