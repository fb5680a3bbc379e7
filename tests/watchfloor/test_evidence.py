"""Bundles: what is in one, that it is the same each time, and that whatever is altered in one is named."""

from __future__ import annotations

import gzip
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from bisect import bisect_right
from contextlib import closing
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest

from tests.support.evidence import (
    FILE,
    HOSTILE,
    JOB,
    NODE,
    RUN,
    SECRET,
    Console,
    console,
    each_byte_counts,
    flipped,
    verified,
)
from tests.support.frames import START
from tests.support.governed import person
from tests.support.ledgers import tampered
from watchfloor.cli import run
from watchfloor.evidence import check, names
from watchfloor.evidence.container import NotABundle, packed, unpacked
from watchfloor.evidence.slices import as_file, cut
from watchfloor.evidence.told import document, text
from watchfloor.exits import Exit, Proof
from watchfloor.frame import Frame
from watchfloor.lineage.graph import Changes, Edge, Entity, Key, Kind, Relation
from watchfloor.metrics import CATALOGUE
from watchfloor.model import Missing, Scope
from watchfloor.records.lineage import LineageStore
from watchfloor.session.reader import Session
from watchfloor.session.tape import CHANGE, KEY, SINCE_KEY, TapeReader


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory) -> Console:
    return console(tmp_path_factory.mktemp("console"), SECRET, HOSTILE)


@pytest.fixture(scope="module")
def bundle(floor: Console, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of its run."""
    with pytest.MonkeyPatch.context() as patch:
        floor.use(patch)
        path = tmp_path_factory.mktemp("bundle") / "run.zip"
        assert run(["evidence", RUN[:6], "-o", str(path)]) == Exit.OK
        return path


@pytest.fixture(scope="module")
def members(bundle: Path) -> dict[str, bytes]:
    return unpacked(bundle.read_bytes())[0]


def test_a_bundle_holds_what_was_seen_planned_decided_signed_and_done(members: dict[str, bytes]) -> None:
    assert set(members) == {
        names.SUMS, names.SUMS_SIGNATURE, names.ABOUT, names.REPORT, names.HOW, names.SIGNERS, names.ENTRIES,
        names.PROOFS, names.CHECKPOINT, names.CHECKPOINT_SIGNATURE, "approvals/4.signed", "approvals/4.sig",
        f"runs/{RUN}/plan.json", f"runs/{RUN}/plan.txt", f"runs/{RUN}/transcript.txt",
        f"telemetry/{FILE}.json.gz", f"cast/{FILE}.cast", names.LINEAGE,
    }  # fmt: skip
    tale = members[names.LINEAGE].decode()
    assert f"run {RUN} of drain-node" in tale and "approved by" in tale and "carried out as" in tale
    kinds = [json.loads(line)["entry"]["kind"] for line in members[names.ENTRIES].splitlines()]
    assert kinds == [
        "session-start", "policy", "proposed", "decided", "approval", "intent", "applied", "verified", "outcome",
        "recording",
    ]  # fmt: skip
    outcome = json.loads(members[names.ENTRIES].splitlines()[-2])
    marked = re.search(r"<strong>(\d+)</strong> [\d:]+ outcome: succeeded", members[names.REPORT].decode())
    assert marked and int(marked[1]) == outcome["number"], "marks in plots are called as their entries"
    transcript = members[f"runs/{RUN}/transcript.txt"].decode()
    assert "$ scontrol update NodeName=dgx-02" in transcript and "exit code 0" in transcript and "drained" in transcript
    about = json.loads(members[names.ABOUT])
    assert about["nodes"] == [NODE] and about["jobs"] == [JOB]
    assert "before 2027-01-15 08:00:01 UTC" in about["missing"]["part of the telemetry"]


def test_the_slice_has_every_value_or_its_reason_as_it_was_recorded(floor: Console) -> None:
    """Of a node that loses a board, one that falls silent and one whose driver hangs."""
    nodes = (NODE, "dgx-04", "dgx-07")
    with closing(Session(floor.sessions / FILE)) as session:
        told = json.loads(gzip.decompress(as_file(cut(session, START, START + 100, nodes, []), {})))
        series = {(one["scope"], one["subject"], one["metric"]): one for one in told["series"]}
        assert len(told["times"]) == 90
        for place in (0, 33, 89):
            frame = session.reel(told["times"][place]).frame()
            for scope, node in product((Scope.ACCELERATOR, Scope.NODE), nodes):
                for row in frame.rows_of(scope, frame.node_index[node]).tolist():
                    _same_as(frame, scope, row, place, series)


def _same_as(frame: Frame, scope: Scope, row: int, place: int, series: dict[tuple[str, str, str], Any]) -> None:
    subject = frame.subject(scope, row)
    for metric in CATALOGUE[scope]:
        cell, one = frame.view(scope).cell(row, metric), series.get((scope.value, str(subject), metric))
        if one is None:
            assert cell.value is None
            continue
        at = bisect_right(one["at"], place) - 1
        assert one["values"][at] == (cell.value if cell.missing is Missing.NO else None), (subject, metric, place)
        assert one["missing"][at] == (cell.missing.label or None), (subject, metric, place)


def test_findings_events_jobs_and_what_was_never_told_are_in_the_telemetry(members: dict[str, bytes]) -> None:
    told = json.loads(gzip.decompress(members[f"telemetry/{FILE}.json.gz"]))
    assert told["session"]["state"] == "sealed" and told["nodes"] == [NODE]
    assert "unsupported" in told["never"][f"node {NODE}"]
    assert {"xid-fatal", "accelerator-lost"} <= {finding["code"] for finding in told["findings"]}
    assert 79 in {event["code"] for event in told["events"]}
    assert told["jobs"][0]["id"] == JOB


def test_a_long_stretch_is_told_once_a_minute(floor: Console) -> None:
    with closing(Session(floor.sessions / FILE)) as session:
        found = cut(session, START - 4000, START + 4000, [NODE, "not-of-this-fleet"], [])
    assert found.times == [START + 1, START + 61] and found.nodes == (NODE,)


@pytest.mark.parametrize(("kind", "number", "told"), [(KEY, 0, 0), (SINCE_KEY, 0, 90), (CHANGE, 40, 71)])
def test_time_only_goes_on_behind_what_was_altered_and_each_trouble_is_told_once(
    floor: Console, tmp_path: Path, kind: bytes, number: int, told: int
) -> None:
    data = (floor.sessions / FILE).read_bytes()
    with closing(TapeReader(floor.sessions / FILE)) as tape:
        block = [block for block, _ in tape.walk() if block.kind == kind][number]
    (tmp_path / FILE).write_bytes(flipped(data, block.end - 1))
    with closing(Session(tmp_path / FILE)) as session:
        found = cut(session, START, START + 100, [NODE], [])
        troubles = {*found.troubles, *session.troubles}
    assert all(one < other for one, other in pairwise(found.times)) and len(found.times) == told
    assert [f"at byte {block.start} " in trouble for trouble in troubles] == [True]
    assert len(found.troubles) == len({*found.troubles})


def test_the_cast_of_the_window_begins_with_the_whole_screen(members: dict[str, bytes]) -> None:
    head, *events = map(json.loads, members[f"cast/{FILE}.cast"].decode().splitlines())
    assert (head["version"], head["width"], head["height"]) == (2, 60, 2)
    assert "watchfloor" in events[1][2] and events[-2][1:] == ["m", "ledger: outcome: succeeded"]


def test_no_secret_is_in_any_file(members: dict[str, bytes]) -> None:
    within = {name: gzip.decompress(data) if name.endswith(".gz") else data for name, data in members.items()}
    assert not [name for name, data in within.items() if SECRET[3:].encode() in data]
    shown = [name for name, data in within.items() if b"***" in data]
    assert {names.REPORT, f"cast/{FILE}.cast", f"telemetry/{FILE}.json.gz", names.ENTRIES} <= set(shown)


def test_nothing_that_was_told_becomes_markup_of_the_report(members: dict[str, bytes]) -> None:
    report = members[names.REPORT].decode()
    assert "<script" not in report and "&lt;script&gt;" in report
    assert report.count("<svg") >= 5 and "needs-approval" in report and "carol" in report


def test_the_same_is_bundled_to_the_same_bytes(floor: Console, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    floor.use(monkeypatch)
    again = bundle.with_name("again.zip")
    assert run(["evidence", RUN, "-o", str(again)]) == Exit.OK
    assert again.read_bytes() == bundle.read_bytes()
    assert run(["evidence", RUN, "-o", str(again)]) == Exit.USAGE  # nothing is overwritten


# -- what is altered is named


def test_what_was_bundled_is_proven(bundle: Path) -> None:
    found = verified(bundle.read_bytes())
    assert found.proof is Proof.PROVEN and not found.troubles
    assert len(found.entries) == 10 and [one.of for one in found.approvals] == ["approval 4"]


def test_a_byte_that_is_another_is_named_by_its_file(members: dict[str, bytes]) -> None:
    each_byte_counts(members)


def test_an_entry_that_was_altered_is_named_by_its_number_also_where_the_list_is_made_anew(
    members: dict[str, bytes],
) -> None:
    lines = members[names.ENTRIES].split(b"\n")
    altered = lines[8].replace(b"succeeded", b"cancelled")
    changed = {**members, names.ENTRIES: b"\n".join([*lines[:8], altered, *lines[9:]])}
    for forged in (changed, {**changed, names.SUMS: names.sums(changed)}):
        found = verified(packed(forged))
        assert 15 in {wrong.entry for wrong in found.troubles if wrong.file == names.ENTRIES}
    fewer = {**members, names.ENTRIES: b"\n".join([*lines[:4], *lines[5:]])}
    assert 4 in {wrong.entry for wrong in verified(packed(fewer)).troubles}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        (names.ABOUT, b'{"format":[],"of":1}'),
        (names.ABOUT, b"[" * 100_000),
        (names.ENTRIES, b"[" * 100_000 + b"\n"),
        (names.ENTRIES, b'{"entry":{"time":"never"},"number":-1,"prev":""}\n'),
        (names.PROOFS, b'{"4":[1,2],"x":"y"}'),
        (names.CHECKPOINT, b"\xff\n-1\n\n"),
        (names.SUMS, b"\xff\xfe"),
        (names.SUMS_SIGNATURE, b"-----BEGIN SSH SIGNATURE-----\n\n-----END SSH SIGNATURE-----\n"),
    ],
)
def test_files_that_hold_something_else_are_named(members: dict[str, bytes], name: str, data: bytes) -> None:
    found = verified(packed({**members, name: data}))
    assert name in {wrong.file for wrong in found.troubles}
    assert "altered" in text(found) and document(found)["result"] == "altered"


def test_files_that_were_added_or_taken_are_named(members: dict[str, bytes]) -> None:
    added = verified(packed({**members, "more.txt": b"x"}))
    assert [(wrong.file, "added" in wrong.why) for wrong in added.troubles] == [("more.txt", True)]
    fewer = {name: data for name, data in members.items() if name != names.HOW}
    assert [wrong.file for wrong in verified(packed(fewer)).troubles] == [names.HOW]


def test_a_plan_or_approval_that_the_entries_dont_have_is_named_though_the_list_is_made_anew(
    members: dict[str, bytes],
) -> None:
    for name in (f"runs/{RUN}/plan.json", "approvals/4.signed", "approvals/4.sig"):
        forged = {**members, name: flipped(members[name], len(members[name]) // 2)}
        forged = {**forged, names.SUMS: names.sums(forged)}
        assert name in {wrong.file for wrong in verified(packed(forged)).troubles}


def test_no_byte_of_the_file_may_be_another(bundle: Path) -> None:
    data = bundle.read_bytes()
    for at in range(0, len(data), len(data) // 150):
        try:
            assert verified(flipped(data, at)).proof is Proof.ALTERED, at
        except NotABundle:
            continue
    for other in (data + b"x", b"x" + data, data[:-1]):
        try:
            assert verified(other).proof is Proof.ALTERED
        except NotABundle:
            continue


# -- files that aren't safe to read


def _zip(*written: tuple[zipfile.ZipInfo, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for info, data in written:
            archive.writestr(info, data, how)
    return file.getvalue()


def _info(name: str, mode: int = 0o100600) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "a\\b", "C:x/../y", ".ssh/x", "a/", "a//b", "é"])
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(NotABundle, match="isn't safe"):
        unpacked(_zip((_info(name), b"x")))
    with pytest.raises(ValueError, match="no name of a member"):
        packed({name: b"x"})


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_unpacks_to_more_or_to_other_things_is_refused() -> None:
    bomb = _zip((_info("bomb"), bytes(50_000_000)), how=zipfile.ZIP_DEFLATED)
    link = _zip((_info("link", 0o120777), b"/etc/passwd"))
    twice = _zip((_info("x"), b"1"), (_info("x"), b"2"))
    many = _zip(*((_info(f"m{at}"), b"") for at in range(5_000)))
    for data in (bomb, link, twice, many, b"", b"PK\x03\x04", b"no zip at all"):
        with pytest.raises(NotABundle):
            unpacked(data)


# -- the command


def shown(capsys: pytest.CaptureFixture[str], *tokens: str) -> tuple[int, str]:
    capsys.readouterr()
    code = run(["evidence", "verify", *tokens])
    told = capsys.readouterr()
    return code, told.out + told.err


def test_verification_says_what_a_key_that_comes_with_it_proves(
    bundle: Path, floor: Console, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, text = shown(capsys, str(bundle))
    assert code == Proof.PROVEN and "audit@example.org by the bundle's own list" in text
    assert "not whose they are" in text and "only the whole ledger shows" in text
    public = f"{floor.auditor.key}.pub"
    code, text = shown(capsys, str(bundle), "--key", public)
    assert code == Proof.PROVEN and "is signed by audit_example.org.key.pub" in text and "not whose" not in text
    code, text = shown(capsys, str(bundle), "--signers", str(floor.signers))
    assert code == Proof.PROVEN and "the approval in entry 4 is signed by carol@example.org" in text
    stranger = person(tmp_path, "mallory")
    code, text = shown(capsys, str(bundle), "--key", f"{stranger.key}.pub")
    assert code == Proof.ALTERED and "none that was named" in text
    code, text = shown(capsys, str(bundle), "--json")
    assert (json.loads(text)["result"], json.loads(text)["troubles"]) == ("proven", [])


def test_what_nobody_has_signed_says_so(
    floor: Console, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    floor.use(monkeypatch)
    monkeypatch.setenv("WATCHFLOOR_LEDGER", str(floor.unsigned_ledger))
    monkeypatch.delenv("WATCHFLOOR_KEY")
    monkeypatch.setenv("HOME", str(tmp_path))
    path = str(tmp_path / "x.zip")
    assert run(["evidence", RUN, "-o", path]) == Exit.OK
    code, text = shown(capsys, path)
    assert code == Proof.UNSIGNED and "nobody has signed the list of files" in text
    assert "missing: signature over this bundle" in text


def test_what_isnt_there_or_is_no_bundle_cant_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.zip").write_bytes(b"nothing")
    assert shown(capsys, str(tmp_path / "x.zip"))[0] == Proof.UNREADABLE
    code, text = shown(capsys, str(tmp_path / "y.zip"), "--json")
    assert code == Proof.UNREADABLE and json.loads(text)["result"] == "unreadable"


def test_it_is_verified_with_stock_tools(members: dict[str, bytes], tmp_path: Path) -> None:
    for name, data in members.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "verify_entries.py").write_bytes(members[names.HOW].partition(b"# verify_entries.py\n")[2])
    signed = ("ssh-keygen", "-Y", "check-novalidate", "-n")
    approval = ("ssh-keygen", "-Y", "verify", "-f", names.SIGNERS, "-I", "carol@example.org", "-n", check.APPROVALS)
    for words, given in (
        (("sha256sum", "-c", "--quiet", names.SUMS), names.SUMS),
        ((*signed, names.NAMESPACE, "-s", names.SUMS_SIGNATURE), names.SUMS),
        ((*signed, "watchfloor-checkpoint", "-s", names.CHECKPOINT_SIGNATURE), names.CHECKPOINT),
        ((*approval, "-s", "approvals/4.sig"), "approvals/4.signed"),
    ):
        subprocess.run(words, cwd=tmp_path, input=members[given], check=True, capture_output=True)
    done = subprocess.run(
        [sys.executable, "verify_entries.py"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert done.stdout.count("holds") == 10 and "NOT" not in done.stdout


# -- what may be asked for


def test_a_job_and_an_incident_lead_to_their_runs(
    floor: Console, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    floor.use(monkeypatch)
    for word, kind in (("41", "job"), (f"xid-fatal on {NODE}/gpu3", "incident"), (f"run:{RUN}", "run")):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.zip"
        assert run(["evidence", word, "-o", str(path)]) == Exit.OK, word
        found = verified(path.read_bytes())
        assert found.proof is Proof.PROVEN and found.about is not None
        assert (found.about.of.kind, found.about.runs, found.about.nodes) == (kind, [RUN], [NODE])
    for word in ("nothing", "run:nothing", "xid-fatal on n99", "incident:nothing"):
        assert run(["evidence", word, "-o", str(tmp_path / "none.zip")]) == Exit.USAGE


def test_lineage_says_where_a_job_ran_and_how_long_a_finding_held(
    floor: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor.use(monkeypatch)
    monkeypatch.setenv("WATCHFLOOR_LINEAGE", str(tmp_path / "lineage.db"))
    job, attempt = Key(Kind.JOB, "slurm:77"), Key(Kind.ATTEMPT, "slurm:77#1")
    node, finding = Key(Kind.NODE, "dgx-03"), Key(Kind.FINDING, f"hot@{NODE}/GPU-1")
    begin, end = START + 10, START + 20
    whole = tuple(Entity(key, begin, end) for key in (job, attempt, node))
    edges = (Edge(job, attempt, Relation.TRIED_AS, begin, end), Edge(attempt, node, Relation.RAN_ON, begin, end))
    store = LineageStore(str(tmp_path / "lineage.db"))
    store.save(Changes((*whole, Entity(finding, begin, end, f"hot on {NODE}/gpu1")), edges), START + 30)
    store.close()
    for word, nodes in (("77", ["dgx-03"]), (f"hot on {NODE}/gpu1", [NODE])):
        path = tmp_path / f"{nodes[0]}.zip"
        assert run(["evidence", word, "-o", str(path)]) == Exit.OK
        about = verified(path.read_bytes()).about
        assert about is not None and about.nodes == nodes
        assert about.window == {"begin": "2027-01-15 07:55:10 UTC", "end": "2027-01-15 08:02:20 UTC"}


def test_what_wasnt_recorded_is_said_as_missing(
    floor: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor.use(monkeypatch)
    monkeypatch.setenv("WATCHFLOOR_SESSIONS", str(tmp_path / "empty"))
    assert run(["evidence", RUN, "-o", str(tmp_path / "x.zip")]) == Exit.OK
    found = verified((tmp_path / "x.zip").read_bytes())
    assert found.proof is Proof.PROVEN and found.about is not None
    assert set(found.about.missing) == {"telemetry", "cast"}


def test_a_ledger_that_was_altered_is_not_bundled(
    floor: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    floor.use(monkeypatch)
    monkeypatch.setenv("WATCHFLOOR_LEDGER", str(shutil.copy(floor.unsigned_ledger, tmp_path / "ledger.db")))
    with tampered(tmp_path / "ledger.db") as base:
        base.execute("UPDATE entry SET text = replace(text, 'succeeded', 'cancelled')")
    assert run(["evidence", RUN, "-o", str(tmp_path / "x.zip")]) == Exit.NOT_KEPT
    assert "isn't bundled: entry 15" in capsys.readouterr().err
    assert not (tmp_path / "x.zip").exists()
