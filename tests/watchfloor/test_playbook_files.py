"""Playbook files: what is read, what is refused and where, and that no broken file ever becomes a playbook."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
import yaml

from watchfloor import playbookfile, schedule
from watchfloor.change import Risk
from watchfloor.errors import ConfigError
from watchfloor.model import Scope
from watchfloor.places import shipped_playbooks
from watchfloor.playbook import EventTrigger, Guards, Playbook, QueryTrigger, RunsTrigger, ScheduleTrigger
from watchfloor.playbookshelf import shelf
from watchfloor.schemas import schema_text

SAID = json.loads(schema_text("playbook"))
SCHEMA = jsonschema.Draft202012Validator(SAID)
WHOLE = """\
name: hot-board
summary: a board runs hot
scope: accelerator
triggers:
  - query: temp_margin < 2
    for: 1m
    clear: temp_margin > 10
    after: [hot-board]
    every: 10m
  - event: xid
    codes: [79, 48]
  - finding: [xid-fatal, temp-margin]
  - schedule: "30 4 * * mon-fri"
    of: util < 5
evidence: [temp, power]
steps:
  - key: cap
    action: set_power_limit
    with: {watts: 500}
    timeout: 30s
    attempts: 2
    verify: 1m
  - action: notify
    of: node
    with: {text: "{target} of {node} is hot: {reason}"}
    needs: [cap]
    only_if: temp > 80
    wait: temp < 90
    wait_for: 10m
    optional: true
guards: {cooldown: 2h, at_once: 3, targets: 4, fresh: 1m, windows: ["Mon-Fri 08:00-18:00"], fold: 5s, storm: 9}
risk: R2
rollback: true
lifetime: 1h
"""


def read(text: str, file: str = "hot-board.yaml") -> Playbook:
    return playbookfile.read_bytes(text.encode(), file)


def test_everything_that_a_playbook_may_say() -> None:
    found = read(WHOLE)
    assert (found.name, found.scope, found.risk, found.rollback) == ("hot-board", Scope.ACCELERATOR, Risk.SLOWS, True)
    assert found.triggers == (
        QueryTrigger("temp_margin < 2", 60.0, "temp_margin > 10", ("hot-board",), 600.0),
        EventTrigger(events=("xid",), codes=("79", "48")),
        EventTrigger(findings=("xid-fatal", "temp-margin")),
        ScheduleTrigger("30 4 * * mon-fri", "util < 5"),
    )
    cap, tell = found.steps
    assert (cap.key, cap.action, cap.parameters, cap.timeout_seconds, cap.attempts) == (
        "cap", "set_power_limit", {"watts": 500}, 30.0, 2,
    )  # fmt: skip
    assert (tell.key, tell.of, tell.needs, tell.wait, tell.wait_seconds, tell.optional) == (
        "notify", "node", ("cap",), "temp < 90", 600.0, True,
    )  # fmt: skip
    assert found.guards == Guards(7200.0, 3, 4, 60.0, ("Mon-Fri 08:00-18:00",), 5.0, 9)
    assert (found.lifetime_seconds, len(found.digest), found.file) == (3600.0, 64, "hot-board.yaml")


@pytest.mark.parametrize(
    ("old", "new", "where", "told"),
    [
        ("triggers:", "trigers:", (4, 1), "did you mean triggers?"),
        ("    every: 10m", "    evry: 10m", (9, 5), "did you mean every?"),
        ("  - event: xid", "  - evnt: xid", (10, 5), "did you mean event?"),
        ("temp_margin < 2", "temp_margn < 2", (5, 12), "temp_margin"),
        ("only_if: temp > 80", "only_if: util > 5 and tmp > 80", (27, 27), "temp"),
        ('only_if: temp > 80', 'only_if: "util > 5 and tmp > 80"', (27, 28), "temp"),
        ("needs: [cap]", "needs: [capp]", (26, 13), "did you mean cap?"),
        ("action: notify", "key: cap\n    action: notify", (23, 5), "is there twice"),
        ("{reason}", "{raeson}", (25, 18), "did you mean {reason}?"),
        ("    wait_for: 10m\n", "", (23, 5), "both wait: and wait_for:"),
        ("for: 1m", "for: 1", (6, 10), "needs one of the units"),
        ("codes: [79, 48]", "codes: [79, 4x8]", (11, 17), "is not a whole number"),
        ("30 4 * * mon-fri", "30 24 * * mon-fri", (13, 15), "hour: '24'"),
        ("Mon-Fri 08:00", "Mon-Fry 08:00", (31, 69), "no day of the week"),
        ("scope: accelerator", "scope: rack", (3, 8), "one of node, accelerator, job"),
        ("evidence: [temp,", "evidence: [tmep,", (15, 12), "did you mean temp?"),
        ("risk: R2", "risk: 2", (32, 7), 'write "2"'),
        ("rollback: true", "rollback: yes", (33, 11), "neither true nor false"),
        ("steps:\n", "planner: hot\nsteps:\n", (1, 1), "either steps: or a planner:"),
        ("name: hot-board", "name: Hot Board", (1, 7), "is not a name"),
        ("  - finding: [xid-fatal, temp-margin]", "  - runs: 5\n    within: 7d", (12, 5), "are counted by node"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(old: str, new: str, where: tuple[int, int], told: str) -> None:
    assert old in WHOLE
    with pytest.raises(ConfigError) as caught:
        read(WHOLE.replace(old, new, 1))
    error = caught.value
    assert told in f"{error.message} {error.advice}"
    assert (error.file, error.line, error.column) == ("hot-board.yaml", *where)


def test_runs_are_counted_by_node() -> None:
    found = read(
        "name: often\nsummary: s\ntriggers:\n  - {runs: 5, within: 7d, of: fatal-xid}\nsteps:\n  - {action: notify}\n"
    )
    assert found.triggers == (RunsTrigger(5, 7 * 86_400.0, ("fatal-xid",)),)


def test_the_schema_says_what_the_reader_does() -> None:
    SCHEMA.validate(yaml.safe_load(WHOLE))
    properties = SAID["properties"]
    kinds = {kind: SAID["$defs"][f"{kind}_trigger"]["properties"] for kind in playbookfile.TRIGGER_KEYS}
    assert tuple(properties) == playbookfile.PLAYBOOK_KEYS
    assert {kind: tuple(keys) for kind, keys in kinds.items()} == playbookfile.TRIGGER_KEYS
    assert tuple(SAID["$defs"]["step"]["properties"]) == playbookfile.STEP_KEYS
    assert tuple(SAID["$defs"]["guards"]["properties"]) == playbookfile.GUARD_KEYS
    assert set(properties["scope"]["enum"]) == set(playbookfile.SCOPES)
    assert set(SAID["$defs"]["step"]["properties"]["of"]["enum"]) == set(playbookfile.OF)
    for word in playbookfile.WORDS:
        assert f"{{{word}}}" in SAID["$defs"]["values"]["description"]


def test_shipped_playbooks_are_well() -> None:
    found = shelf(own=Path("nowhere"))
    assert not found.broken
    for playbook in found.playbooks.values():
        SCHEMA.validate(yaml.safe_load(Path(playbook.file).read_text("utf-8")))


def test_own_playbooks_replace_shipped_ones_and_a_broken_one_hides_what_it_was_to_replace(tmp_path: Path) -> None:
    shipped, own = tmp_path / "shipped", tmp_path / "own"
    for folder in (shipped, own):
        folder.mkdir()
    (shipped / "hot-board.yaml").write_text(WHOLE)
    (shipped / "other.yaml").write_text(WHOLE.replace("name: hot-board", "name: other"))
    (own / "hot-board.yaml").write_text(WHOLE.replace("a board runs hot", "mine"))
    found = shelf(shipped, own)
    assert (found.playbooks["hot-board"].summary, found.own) == ("mine", {"hot-board"})
    (own / "other.yaml").write_text("name: other\n")
    found = shelf(shipped, own)
    assert list(found.playbooks) == ["hot-board"]
    with pytest.raises(ConfigError):
        found.get("other")
    (own / "third.yaml").write_text(WHOLE)
    assert "call the file hot-board.yaml" in shelf(shipped, own).broken[str(own / "third.yaml")].advice


_JUNK = ("", "\t", ":", "- ", "[", "}", '"', "'", "\n", "\x00", "&a", "*a", "!!int", "{x}", "é", "9" * 40, "null", "~")


@pytest.mark.parametrize("seed", range(300))
def test_a_broken_file_is_an_error_with_a_place_or_a_playbook_that_the_schema_knows(seed: int) -> None:
    """Never a traceback, and never a playbook that a file of that form must not give."""
    rng = random.Random(seed)
    text = WHOLE
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(text))
        cut = rng.choice((0, 1, 1, 3, 12))
        text = text[:at] + rng.choice(_JUNK) + text[at + cut :]
    try:
        read(text)
    except ConfigError as error:
        assert error.file == "hot-board.yaml" and error.message
        return
    SCHEMA.validate(yaml.safe_load(text))


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(ConfigError, match="UTF-8"):
        playbookfile.read_bytes(WHOLE.encode() + b"\xff\xfe", "x.yaml")


# -- schedules


def minutes(text: str, since: datetime, until: datetime) -> list[str]:
    found = schedule.due(schedule.cron(text), since.timestamp(), until.timestamp(), UTC)
    return [datetime.fromtimestamp(at, UTC).strftime("%a %d %H:%M") for at in found]


def test_schedules_are_read_as_cron_reads_them() -> None:
    day = datetime(2027, 1, 1, tzinfo=UTC)  # a Friday
    until = datetime(2027, 1, 4, 23, 59, tzinfo=UTC)
    assert minutes("30 4 * * *", day, until) == ["Fri 01 04:30", "Sat 02 04:30", "Sun 03 04:30", "Mon 04 04:30"]
    assert minutes("0 6 * * mon-fri", day, until) == ["Fri 01 06:00", "Mon 04 06:00"]
    assert minutes("0 6 * * 7", day, until) == minutes("0 6 * * sun", day, until) == ["Sun 03 06:00"]
    assert minutes("0 6 2 * mon", day, until) == ["Sat 02 06:00", "Mon 04 06:00"]  # either is enough
    assert minutes("*/20 0-1 3 1 *", day, until) == [
        f"Sun 03 {hour}:{minute}" for hour in ("00", "01") for minute in ("00", "20", "40")
    ]
    assert minutes("@daily", day, until) == ["Sat 02 00:00", "Sun 03 00:00", "Mon 04 00:00"]
    assert len(list(schedule.due(schedule.cron("* * * * *"), 0.0, 3600.0, UTC))) == 60


def test_an_hour_that_comes_twice_counts_once() -> None:
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    zone = ZoneInfo("Europe/Berlin")
    since, until = datetime(2026, 10, 24, 12, tzinfo=UTC).timestamp(), datetime(2026, 10, 26, tzinfo=UTC).timestamp()
    assert len(list(schedule.due(schedule.cron("30 2 * * *"), since, until, zone))) == 1
    assert len(list(schedule.due(schedule.cron("30 * * * *"), since, until, zone))) == 36


@pytest.mark.parametrize(
    "text",
    [
        *("", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "a * * * *"),
        *("5-1 * * * *", "*/0 * * * *", "1,, * * * *", "² * * * *"),
    ],
)
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        schedule.cron(text)


def test_windows_hold_on_their_days_and_over_midnight() -> None:
    def holds(text: str, day: int, hour: int) -> bool:
        return schedule.within((text,), datetime(2027, 1, day, hour, tzinfo=UTC).timestamp(), UTC)

    assert holds("Mon-Fri 08:00-18:00", 1, 8) and not holds("Mon-Fri 08:00-18:00", 1, 18)
    assert not holds("Mon-Fri 08:00-18:00", 2, 12) and holds("Sat,Sun 00:00-24:00", 2, 0)
    assert holds("Fri 22:00-06:00", 2, 5) and not holds("Fri 22:00-06:00", 3, 5) and holds("Sat-Mon 00:00-24:00", 3, 5)
    assert schedule.within((), 0.0, UTC)
    for text in ("8-18", "Mon 08:00", "Mon 08:00-08:00", "Mon 08:61-09:00", "Foo 08:00-09:00"):
        with pytest.raises(ValueError):
            schedule.window(text)


def test_the_folder_of_shipped_playbooks_is_there() -> None:
    assert (shipped_playbooks() / "planners").is_dir()
