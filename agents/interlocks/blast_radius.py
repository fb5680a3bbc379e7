"""At most so many nodes of one failure domain are out at a time by our own doing: a rule that is wrong stays small."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from agents.impact import nodes_out
from agents.interlocks import Case
from watchfloor.change import Risk
from watchfloor.model import NodeSpec


def holds_back(case: Case) -> str:
    wanted = {step.target.node for step in case.steps if step.risk >= Risk.TAKES_OUT and not step.heals}
    fresh = {name for name in wanted if name in case.frame.node_index and not _is_out(case, name)}
    if not fresh:
        return ""
    out = _out(case) | fresh
    return "; ".join((*_racks(case, out, fresh), *_groups(case, out, fresh)))


def _is_out(case: Case, name: str) -> bool:
    """It takes no work already: taking it out again takes nothing from the fleet."""
    return case.frame.node_index[name] in nodes_out(case.frame)


def _out(case: Case) -> set[str]:
    """Nodes that are out by their scheduler's word, or that runs took out lately and that isn't seen yet."""
    away = {case.frame.specs[node].name for node in nodes_out(case.frame)}
    since = case.now - case.limits.scheduler_fresh_seconds
    return away | {it.node for it in case.happened if it.kind == "took-out" and it.at >= since and it.run != case.run}


def _domains(case: Case, of: str) -> Counter[tuple[str, str]]:
    return Counter(_domain(spec, of) for spec in case.frame.specs)


def _domain(spec: NodeSpec, of: str) -> tuple[str, str]:
    return spec.site, getattr(spec, of)


def _racks(case: Case, out: set[str], fresh: set[str]) -> Iterator[str]:
    sizes, limits = _domains(case, "rack"), case.limits
    for domain, count, size in _counted(case, "rack", out, fresh, sizes):
        most = max(limits.rack_nodes, int(limits.rack_share * size))
        if domain[1] and count > most:
            yield f"{count} nodes of rack {domain[1]} would be out, of {size}, and {most} may be"


def _groups(case: Case, out: set[str], fresh: set[str]) -> Iterator[str]:
    sizes = _domains(case, "group")
    for domain, count, size in _counted(case, "group", out, fresh, sizes):
        most = max(1, int(case.limits.group_share * size))
        if count > most:
            name = f"group {domain[1]}" if domain[1] else "nodes without a group"
            yield f"{count} of the {size} of {name} would be out, and {most} may be"


def _counted(
    case: Case, of: str, out: set[str], fresh: set[str], sizes: Counter[tuple[str, str]]
) -> Iterator[tuple[tuple[str, str], int, int]]:
    specs = [case.frame.specs[case.frame.node_index[name]] for name in out if name in case.frame.node_index]
    counts = Counter(_domain(spec, of) for spec in specs)
    concerned = {_domain(case.frame.specs[case.frame.node_index[name]], of) for name in fresh}
    for domain in sorted(concerned):
        yield domain, counts[domain], sizes[domain]
