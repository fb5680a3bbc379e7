"""`watchfloor lineage`: what happened to a job, on a node or to somebody's jobs, and what led to what."""

from __future__ import annotations

import re
import time
from collections.abc import Collection
from dataclasses import replace
from json import dumps
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from watchfloor.commands import output
from watchfloor.commands.signatures import heard
from watchfloor.errors import ConfigError, StoreError
from watchfloor.exits import Exit
from watchfloor.httpserver import address_of, shown_address
from watchfloor.ledgerfollower import LedgerFollower, LedgerPicture
from watchfloor.lineage.dot import dot as as_dot
from watchfloor.lineage.graph import Kind
from watchfloor.lineage.openlineage import events
from watchfloor.lineage.openlineage_read import LineError, read_lines
from watchfloor.lineage.times import Times
from watchfloor.lineagebook import LineageBook, lacking, usual_since
from watchfloor.lineagereceiver import PATH, serve
from watchfloor.metrics import Unit
from watchfloor.places import ledger_file, lineage_place
from watchfloor.records.databases import database, readable
from watchfloor.records.lineage import LineageStore
from watchfloor.snapshot.lineage import LineageReport
from watchfloor.systemclock import here
from watchfloor.units import quantity

_RUN = re.compile(r"r[0-9a-f]{10}")


def lineage(
    of: Annotated[
        str, Parameter(help="A job (4242, slurm:4242, its name), node, user, accelerator, finding, run")
    ] = "",
    /,
    *,
    since: Annotated[str, Parameter(help="How far back, such as 7d or 12h. A job: all of it.")] = "",
    json: Annotated[bool, Parameter(help="As JSON.")] = False,
    openlineage: Annotated[bool, Parameter(help="As OpenLineage run events, one a line.")] = False,
    dot: Annotated[bool, Parameter(help="As a graph for Graphviz.")] = False,
    read: Annotated[Path | None, Parameter(name="--import", help="Take OpenLineage events from a file first.")] = None,
    listen: Annotated[str, Parameter(help="Take OpenLineage events by HTTP at ADDRESS:PORT until Ctrl-C.")] = "",
    store: Annotated[str, Parameter(help="A file, or postgresql://…, instead of WATCHFLOOR_LINEAGE's.")] = "",
) -> int:
    """What led to what, from what is kept: nothing is contacted, and nothing but the store is written."""
    if json + openlineage + dot > 1:
        raise ConfigError("more than one form at once", "one of --json, --openlineage and --dot", file="lineage")
    if not (of or read or listen):
        raise ConfigError("the lineage of what?", "watchfloor lineage JOB, NODE, USER or RUN", file="lineage")
    seconds = _seconds(since) if since else None
    kept = LineageStore(store or lineage_place(), database if read is not None or listen else readable)
    try:
        if read is not None:
            _import(kept, read, as_json=json and not of)
        if listen:
            return _receive(kept, listen)
        if of:
            _show(LineageBook(kept), of, seconds, json, openlineage, dot)
    finally:
        kept.close()
    return Exit.OK


def _show(book: LineageBook, of: str, since: float | None, json: bool, openlineage: bool, dot: bool) -> None:
    times = Times(time.time(), here())
    ledger = _ledger(of)
    meant = book.meant(of, ledger)
    if meant.others:
        kind = meant.key.kind.value
        output.remark(f"{of} is a {kind} here; as {' or '.join(meant.others)} it is KIND:{of}")
    begin = usual_since(meant.key, times.now) if since is None else times.now - since
    graph = book.around(meant.key, begin, None, ledger)
    if given := {key.id for key in graph.entities if key.kind is Kind.RUN}:
        ledger = _heard(ledger, given)
        graph = book.around(meant.key, begin, None, ledger)
    if graph.cut:
        output.remark("more than can be told at once: a shorter --since tells all of it")
    if openlineage:
        output.write("".join(dumps(event, ensure_ascii=False) + "\n" for event in events(graph, times)))
    elif dot:
        output.write(as_dot(graph, times))
    else:
        _report(LineageReport(graph, meant.key, times, lacking(ledger)), json)


def _ledger(of: str) -> LedgerPicture:
    """What this console's ledger tells of runs: of the newest, and of the one that is asked for, however old."""
    follower = LedgerFollower(ledger_file())
    picture, name = follower.look(), of.removeprefix("run:")
    if not picture.size or not _RUN.fullmatch(name) or picture.run(name) is not None:
        return picture
    try:
        older = follower.run(name)
    except StoreError as error:
        return replace(picture, trouble=error.message)
    return picture if older is None else replace(picture, runs=(*picture.runs, older))


def _heard(ledger: LedgerPicture, names: Collection[str]) -> LedgerPicture:
    """With what the signatures of approvals say, of the runs that are told."""
    return replace(ledger, runs=tuple(heard(run) if run.run in names and run.given else run for run in ledger.runs))


def _report(report: LineageReport, as_json: bool) -> None:
    if as_json:
        output.write_json(report.document())
        return
    output.write(report.text())
    if report.lacking:
        output.remark(report.lacking)


def _seconds(text: str) -> float:
    try:
        return quantity(text, Unit.SECONDS)
    except ValueError as error:
        raise ConfigError(str(error), "such as 12h or 7d", file="--since") from error


# -- what others tell


def _import(kept: LineageStore, path: Path, as_json: bool) -> None:
    try:
        with path.open("rb") as lines:
            told = read_lines(lines)
    except OSError as error:
        raise ConfigError(error.strerror or str(error), "a file with an event a line", file=str(path)) from error
    except LineError as error:
        raise ConfigError(error.why, "nothing was taken from it", file=str(path), line=error.line) from error
    kept.save(told, time.time())
    counts = {"entities": len(told.entities), "edges": len(told.edges)}
    if as_json:
        output.write_json({"format": "watchfloor.lineage-import/1", **counts})
    else:
        output.remark(f"{path}: {counts['entities']} entities and {counts['edges']} edges")


def _receive(kept: LineageStore, listen: str) -> int:
    host, port = address_of(listen)
    with serve(lambda told: kept.save(told, time.time()), host, port) as server:
        output.write(f"http://{shown_address(host, server)}{PATH}")
        output.remark("OpenLineage events are kept as they come; until Ctrl-C")
        server.serve_forever()
    return Exit.OK
