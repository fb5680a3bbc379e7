"""Nothing is done on what was true once: targets must have been heard just now, and their scheduler, too."""

from __future__ import annotations

from collections.abc import Iterator

from agents.interlocks import Case
from watchfloor.change import On, Risk, Step
from watchfloor.jobs.model import SourceState
from watchfloor.model import Missing, Phase
from watchfloor.snapshot.words import duration


def holds_back(case: Case) -> str:
    return "; ".join(dict.fromkeys((*_frame(case), *_nodes(case), *_schedulers(case))))


def _frame(case: Case) -> Iterator[str]:
    """Ages are told as of their frame: in one that stands still everything stays young. So in one of the future."""
    away = abs(case.now - case.frame.at)
    if away > case.limits.fresh_seconds and any(step.risk is not Risk.READ for step in case.steps):
        yield f"the newest frame is {duration(away)} away from now, and {case.limits.fresh_seconds:g} s are allowed"


def _nodes(case: Case) -> Iterator[str]:
    """A node that is silent is fit for nothing but to be taken out: that is what its silence asks for."""
    for step in case.steps:
        name = step.target.node
        if not name or step.risk is Risk.READ:
            continue
        node = case.frame.node_index.get(name)
        if node is None:
            yield f"{name} is no node of this fleet"
        elif not _by_scheduler_alone(step) and not case.frame.live[node]:
            yield f"{name} is {_phase(case, node)}: what is known of it is old"
        elif not _by_scheduler_alone(step) and (age := _age(case, node)) > case.limits.fresh_seconds:
            yield f"the newest sample of {name} is {duration(age)} old, and {case.limits.fresh_seconds:g} s are allowed"


def _by_scheduler_alone(step: Step) -> bool:
    return bool(step.deeds) and all(deed.place.on is On.SCHEDULER for deed in step.deeds)


def _phase(case: Case, node: int) -> Phase:
    return case.frame.statuses[node].phase


def _age(case: Case, node: int) -> float:
    cell = case.frame.nodes.cell(node, "age")
    return float(cell.value) if cell.missing is Missing.NO and isinstance(cell.value, int | float) else float("inf")


def _schedulers(case: Case) -> Iterator[str]:
    names = {deed.place.name for step in case.steps for deed in step.deeds if deed.place.on is On.SCHEDULER}
    sources = {source.name: source for source in case.frame.jobs.sources}
    for name in sorted(names):
        source = sources.get(name)
        if source is None:
            yield f"no source of jobs is called {name}"
        elif source.state is not SourceState.OK:
            yield f"{name} doesn't answer: {source.text or source.state}"
        elif (away := abs(case.now - source.at)) > case.limits.scheduler_fresh_seconds:  # clocks are set back, too
            yield f"what {name} tells is {duration(away)} old"
