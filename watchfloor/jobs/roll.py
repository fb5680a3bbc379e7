"""All jobs, frame by frame: answers of sources in, the `Jobs` of each frame out. One writer, the collectors' thread.

What only changes with an answer, or with who runs where, is made when that changes; a frame in which neither did costs
a few passes over the accelerators. Must not do: I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from watchfloor.columns import Floats, Picture
from watchfloor.distinct import distinct
from watchfloor.frame import Frame
from watchfloor.jobs.attribution import Names, Owners, allocated, owners_of, running, unheard
from watchfloor.jobs.config import Pricing
from watchfloor.jobs.efficiency import Groups, figures
from watchfloor.jobs.hosts import Hosts
from watchfloor.jobs.meter import LONGEST_STEP_SECONDS, Meter, Metered
from watchfloor.jobs.model import Job, SchedulerNode, SourceAnswer
from watchfloor.jobs.pods import PodNames
from watchfloor.jobs.provenance import ProvenanceFinder
from watchfloor.jobs.told import Told
from watchfloor.jobs.view import Jobs, JobView, Standing, column
from watchfloor.jobs.workers import Pids, WorkerFinder, Workers, pids_of
from watchfloor.metrics import CATALOGUE, Kind
from watchfloor.model import Missing, Scope
from watchfloor.redact import redact

_TEXTS = tuple(name for name, metric in CATALOGUE[Scope.JOB].items() if metric.kind is Kind.TEXT)
_ABOUT_BOARDS = ("uuid", "index", "partition_of")
_ABOUT_USERS = ("job", "user", "command")
_INNERMOST = "ray"  # the kind whose nodes others give it


@dataclass(frozen=True)
class _Standing:
    """What holds until a source answers or something else runs."""

    seen: tuple[object, ...]
    told: Told
    owners: Owners
    groups: Groups
    texts: Mapping[str, Picture]
    scheduler: Mapping[int, SchedulerNode]
    said: Standing
    price: Floats  # an accelerator hour, by job; NaN where none is known
    silence: NDArray[np.int8]  # by job: why it has no figures, where it has no accelerators


@dataclass(frozen=True)
class _Given:
    """What holds until a source answers or nodes have other boards."""

    seen: tuple[object, ...]
    owners: Owners  # by allocation
    unheard: NDArray[np.bool_]  # by job: nodes of it have not told of their accelerators yet
    scheduler: Mapping[int, SchedulerNode]
    managers: Mapping[int, str]  # by node: the source that tells of it
    present: frozenset[str]  # the sources that have a node in the fleet
    pids: Pids
    names: Names


class Roll:
    def __init__(self, prices: Pricing | None = None) -> None:
        self._answers: dict[str, SourceAnswer] = {}
        self._answered = 0
        self._prices = prices or Pricing()
        self._meter = Meter()
        self._sources: tuple[int, Told] = (-1, Told(()))
        self._more: tuple[Told, tuple[Job, ...], Told] = (self._sources[1], (), self._sources[1])
        self._standing: _Standing | None = None
        self._given: _Given | None = None
        self._workers = WorkerFinder()
        self._provenance = ProvenanceFinder()
        self._pods = PodNames()

    def answer(self, answer: SourceAnswer) -> None:
        """What a source tells now, in place of what it told before; what it says of its failing, without secrets."""
        if answer.status.text:
            answer = replace(answer, status=replace(answer.status, text=redact(answer.status.text)))
        before = self._answers.get(answer.status.name)
        self._answers[answer.status.name] = answer
        if before is None or before.jobs is not answer.jobs or before.nodes is not answer.nodes:
            self._answered += 1

    def frame(self, frame: Frame) -> Jobs:
        standing = self._standing_of(frame)
        told, groups = standing.told, standing.groups
        sources = [answer.status for answer in self._answers.values()]
        if not told.jobs:
            return Jobs(sources=sources, scheduler=standing.scheduler, standing=standing.said)
        now = figures(frame.accelerators, groups)
        reasons = _reasons(now, groups, standing.silence)
        present = groups.present
        self._meter.advance(frame.at, told.keys, present, now["power"][present], now["util"][present])
        metered = self._meter.read(told.keys, present, len(told.jobs))
        columns = {
            **standing.texts,
            "state": Picture(np.zeros(len(told.jobs)), np.zeros(len(told.jobs), np.int8)),
            "stragglers": column(np.full(len(told.jobs), np.nan)),
            **_times(told, frame.at),
            **_figures(now, groups, reasons),
            **_metered(metered, groups, reasons, standing.silence),
            **_costs(told, groups, standing.price, frame.at),
        }
        view = JobView(told.ids, told.texts, columns)
        provenance = self._provenance.find(frame, told.jobs, standing.owners)
        return Jobs(told.jobs, view, standing.owners, sources, standing.scheduler, standing.said, provenance)

    # -- what holds for a while

    def _standing_of(self, frame: Frame) -> _Standing:
        """Pictures are the very same objects as long as nothing is told of their columns."""
        given = self._given_to(frame)
        workers = self._workers.find(frame, given.pids)
        seen = (workers, self._answered, *_pictures(frame, (*_ABOUT_BOARDS, *_ABOUT_USERS)))
        standing = self._standing
        if standing is None or not _same(standing.seen, seen):
            standing = self._standing = self._made(frame, given, workers, seen)
        return standing

    def _made(self, frame: Frame, given: _Given, workers: Workers, seen: tuple[object, ...]) -> _Standing:
        names = given.names.of(frame)
        found = running(frame, names, self._pods)
        told = self._with_more(found.jobs)
        owners = owners_of(told, given.owners, names, found, workers)
        groups = Groups(owners, len(told.jobs))
        texts = {name: Picture(told.codes[name], np.zeros(len(told.jobs), np.int8)) for name in _TEXTS}
        said = Standing(given.owners, told.holding, given.managers, given.present, told.rows)
        price, silence = self._price(frame, groups), _silence(told, given.unheard)
        return _Standing(seen, told, owners, groups, texts, given.scheduler, said, price, silence)

    def _given_to(self, frame: Frame) -> _Given:
        """What schedulers gave to whom: it doesn't hang on what runs."""
        seen = (self._answered, *_pictures(frame, _ABOUT_BOARDS))
        given = self._given
        if given is None or not _same(given.seen, seen):
            listed, (scheduler, managers, nodes) = self._listed(), self._nodes(frame)
            owners, pids = allocated(frame, listed, nodes), pids_of(listed, nodes)
            awaited = unheard(frame, listed, nodes)
            names = Names(listed, self._clusters(nodes, managers))
            present = frozenset(name for name, found in nodes.items() if found)
            given = self._given = _Given(seen, owners, awaited, scheduler, managers, present, pids, names)
        return given

    def _with_more(self, jobs: tuple[Job, ...]) -> Told:
        """The jobs of all sources, and behind them what runs besides: mostly the same as in the frame before."""
        listed = self._listed()
        if not jobs:
            return listed
        before, more, told = self._more
        if before is not listed or more != jobs:
            told = listed.with_more(jobs)
            self._more = (listed, jobs, told)
        return told

    def _listed(self) -> Told:
        """The jobs of all sources; of an id that two tell of, the first."""
        number, told = self._sources
        if number != self._answered:
            jobs = {job.id: job for answer in reversed(self._answers.values()) for job in answer.jobs}
            told = Told(list(jobs.values()))
            self._sources = (self._answered, told)
        return told

    def _nodes(self, frame: Frame) -> tuple[dict[int, SchedulerNode], dict[int, str], dict[str, dict[str, int]]]:
        """How schedulers see the nodes of the fleet; which source that is; what each source calls them.

        A Ray runs on nodes that another gave it, so that the other's word counts.
        """
        hosts, scheduler, managers = Hosts(frame), dict[int, SchedulerNode](), dict[int, str]()
        names: dict[str, dict[str, int]] = {}
        for name, answer in sorted(self._answers.items(), key=lambda item: item[1].status.kind != _INNERMOST):
            found = names[name] = dict(hosts.by_scheduler_name(answer.nodes))
            scheduler.update({found[node.name]: node for node in answer.nodes if node.name in found})
            managers.update(dict.fromkeys(found.values(), name))
            for called in {called for job in answer.jobs for called in job.nodes} - found.keys():
                node = frame.node_index.get(called, hosts.find(called))
                if node is not None:
                    found[called] = node
        return scheduler, managers, names

    def _clusters(self, nodes: Mapping[str, Mapping[str, int]], managers: Mapping[int, str]) -> dict[int, str]:
        """By node: the cluster that it is in, by its scheduler's word, else by the jobs that have it."""
        clusters = {name: answer.status.cluster for name, answer in self._answers.items() if answer.status.cluster}
        found = {node: cluster for name, cluster in clusters.items() for node in nodes[name].values()}
        return found | {node: clusters[name] for node, name in managers.items() if name in clusters}

    def _price(self, frame: Frame, groups: Groups) -> Floats:
        """By job: the mean price of its accelerators' hours; the usual one where none of them is known."""
        view = frame.accelerators
        codes = np.nan_to_num(view.last("model")[groups.rows], nan=0.0).astype(np.intp)
        texts: list[str] = list(view.texts)
        prices = np.full(len(texts), np.nan)
        for code in distinct(codes).tolist():
            prices[code] = self._prices.of(texts[code])
        told = groups.mean(prices[codes])
        return np.where(np.isnan(told), self._prices.of(""), told)


def _pictures(frame: Frame, names: tuple[str, ...]) -> tuple[object, ...]:
    told = (frame.accelerators.told(name) for name in names)
    return frame.accelerators.count, frame.nodes.told("hostname"), *told


def _same(before: tuple[object, ...], now: tuple[object, ...]) -> bool:
    """By value. A node that comes back tells again what it told before: other pictures, which show the same."""
    return all(old is new or _equal(old, new) for old, new in zip(before, now, strict=True))


def _equal(old: object, new: object) -> bool:
    if isinstance(old, Picture) and isinstance(new, Picture):
        return np.array_equal(old.values, new.values, equal_nan=True) and np.array_equal(old.missing, new.missing)
    return type(old) is int and old == new


def _times(told: Told, at: float) -> dict[str, Picture]:
    numbers = told.numbers
    submitted, started, ended = numbers["submitted"], numbers["started"], numbers["ended"]
    end = np.where(np.isnan(ended), np.fmin(at, numbers["suspended"]), ended)
    ran = end - started - np.nan_to_num(numbers["suspended_seconds"])
    elapsed = np.where(told.waiting, np.nan, np.maximum(0.0, ran))
    begun = np.where(told.waiting | np.isnan(started), np.where(told.waiting, at, np.nan), started)
    over = ~np.isnan(ended)
    return {
        **told.fixed,
        "waited": column(np.maximum(0.0, begun - submitted)),
        "elapsed": _not_yet(elapsed, told),
        "time_left": column(np.where(over, np.nan, numbers["limit"] - np.nan_to_num(elapsed))),
    }


def _not_yet(values: Floats, told: Told) -> Picture:
    """Of a job that waits, what isn't there is yet to come."""
    reasons = np.where(told.waiting, np.int8(Missing.NOT_YET), np.int8(Missing.UNSUPPORTED))
    return Picture(values, np.where(np.isnan(values), reasons, np.int8(Missing.NO)))


def _silence(told: Told, unheard: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Figures of a job that waits, or whose nodes are yet to be heard, are to come; without accelerators none are."""
    awaited = told.waiting.copy()
    awaited[: len(unheard)] |= unheard
    return np.where(awaited, np.int8(Missing.NOT_YET), np.int8(Missing.UNSUPPORTED))


def _reasons(now: Mapping[str, Floats], groups: Groups, silence: NDArray[np.int8]) -> NDArray[np.int8]:
    """Why a figure of now isn't there: a job all of whose accelerators are silent is stale."""
    silent = (groups.counts > 0) & (now["silent"] == groups.counts)
    return np.where(silent, np.int8(Missing.STALE), silence)


def _figures(now: Mapping[str, Floats], groups: Groups, reasons: NDArray[np.int8]) -> dict[str, Picture]:
    names = CATALOGUE[Scope.JOB].keys() & now.keys()
    return {name: Picture(now[name], np.where(np.isnan(now[name]), reasons, np.int8(Missing.NO))) for name in names}


def _metered(
    metered: Metered, groups: Groups, of_now: NDArray[np.int8], silence: NDArray[np.int8]
) -> dict[str, Picture]:
    """Not yet, where there are accelerators to be watched; what they haven't told by then has the reason of now, as
    the utilisation of a MIG instance, which tells its memory alone."""
    watched = np.nan_to_num(metered.watched) > LONGEST_STEP_SECONDS
    reasons = np.where(groups.counts > 0, np.where(watched, of_now, np.int8(Missing.NOT_YET)), silence)
    values = {"energy": metered.energy, "util_mean": metered.util_mean, "watched": metered.watched}
    return {name: Picture(of, np.where(np.isnan(of), reasons, np.int8(Missing.NO))) for name, of in values.items()}


def _costs(told: Told, groups: Groups, price: Floats, at: float) -> dict[str, Picture]:
    """Of as many accelerators as it was given, or is seen to have where those are more: not all may be of the fleet."""
    numbers = told.numbers
    held = np.fmax(np.where(groups.counts > 0, groups.counts, np.nan), numbers["accelerators"])
    end = np.where(np.isnan(numbers["ended"]), at, numbers["ended"])
    time = np.where(told.waiting, np.nan, np.maximum(0.0, end - numbers["started"]) * held)
    return {"gpu_time": _not_yet(time, told), "cost": _not_yet(time / 3600 * price, told)}
