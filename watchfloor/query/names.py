"""Which names a query of one scope may say, and what they mean. Pure: the metric catalogue in, columns out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from watchfloor.errors import QueryError
from watchfloor.metrics import CATALOGUE, Metric
from watchfloor.model import Scope
from watchfloor.units import nearest

# how a scope may be called
SCOPES: Mapping[str, Scope] = {
    "node": Scope.NODE,
    "accelerator": Scope.ACCELERATOR,
    "gpu": Scope.ACCELERATOR,
    "link": Scope.LINK,
    "service": Scope.SERVICE,
    "job": Scope.JOB,
}

# names of the node that need no "node." before them, seen from within
_OF_NODE: Mapping[str, str] = {"node": "name", "site": "site", "rack": "rack", "group": "group"}

GATHERING = (Scope.NODE, Scope.JOB)  # whose rows have accelerators, links and services within them
NUMBER_AGGREGATES = ("max", "min", "mean", "sum")
CONDITION_AGGREGATES = ("count", "any", "all")
FUNCTIONS: Mapping[str, str] = {
    "max": "node or job: the highest among its accelerators, links or services, of what is known",
    "min": "node or job: the lowest among its accelerators, links or services, of what is known",
    "mean": "node or job: the mean of its accelerators, links or services, of what is known",
    "sum": "node or job: the sum over its accelerators, links or services, of what is known",
    "count": "node or job: how many of its accelerators, links or services are known to match",
    "any": "node or job: one of its accelerators, links or services matches",
    "all": "node or job: all of its accelerators, links or services match",
    "rate": "by how much a counter grew within a time: rate(ib.symbol_error, 1h)",
}


@dataclass(frozen=True, slots=True)
class Place:
    """What a name means: a metric of the rows' own scope, or of the node around them."""

    metric: Metric
    outer: bool


def resolve(word: str, scope: Scope) -> Place | None:
    """None where the scope doesn't know the word."""
    if scope is Scope.JOB:  # it stands in no node
        return _of_job(word)
    if word in _OF_NODE and (scope is not Scope.NODE or word == "node"):
        return Place(CATALOGUE[Scope.NODE][_OF_NODE[word]], scope is not Scope.NODE)
    if word in CATALOGUE[scope]:
        return Place(CATALOGUE[scope][word], False)
    prefix, _, name = word.partition(".")
    named = SCOPES.get(prefix)
    if named is scope and name in CATALOGUE[scope]:
        return Place(CATALOGUE[scope][name], False)
    if named is Scope.NODE and name in CATALOGUE[Scope.NODE]:
        return Place(CATALOGUE[Scope.NODE][name], True)
    return None


def _of_job(word: str) -> Place | None:
    metric = CATALOGUE[Scope.JOB].get(word.removeprefix("job."))
    return Place(metric, False) if metric else None


def unknown(word: str, scope: Scope, column: int) -> QueryError:
    """The error for a word that `resolve` doesn't know, with the nearest advice."""
    return QueryError(f"{scope.value}s have no metric {word!r}", _advice(word, scope), column=column)


def _advice(word: str, scope: Scope) -> str:
    prefix, _, name = word.partition(".")
    within = SCOPES.get(prefix) if name else None
    bare = name if within else word
    if scope not in GATHERING and within is None and bare in CATALOGUE[Scope.NODE]:
        return f"a metric of nodes: write node.{bare}"
    inner = [at for at in (Scope.ACCELERATOR, Scope.LINK, Scope.SERVICE) if bare in CATALOGUE[at]]
    if scope in GATHERING and inner:
        return f"a metric of {inner[0].value}s: gather it, as in max({bare}) or count({bare} …)"
    if inner and inner[0] is not scope:
        return f"a metric of {inner[0].value}s: start the query with {inner[0].value}:"
    if "-" in word and resolve(word.partition("-")[0], scope):
        return "put spaces around the minus"
    guess = nearest(word, [name for name, _ in fields(scope)])
    return f"did you mean {guess}? A text goes into quotes" if guess else "a text goes into quotes"


def fields(scope: Scope) -> list[tuple[str, str]]:
    """Every name of a scope with its help: its own metrics first, then those of the node around it."""
    own = [(name, _help(metric)) for name, metric in CATALOGUE[scope].items()]
    if scope is Scope.NODE:
        return [*own, ("node", "name in the inventory")]
    if scope is Scope.JOB:
        return own
    table = CATALOGUE[Scope.NODE]
    short = [(word, _help(table[name])) for word, name in _OF_NODE.items() if word not in CATALOGUE[scope]]
    return own + short + [(f"node.{name}", _help(metric)) for name, metric in table.items()]


def _help(metric: Metric) -> str:
    return f"{metric.help} ({metric.unit.value})" if metric.unit.value not in ("", "count") else metric.help
