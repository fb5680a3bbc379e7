"""What decides is on record before it decides: policies and configuration, once for each change."""

from __future__ import annotations

from pathlib import Path

from agents.book import LedgerBook
from agents.changes import GONE, changes
from agents.policyset import Policies
from tests.support.road import ANNA
from watchfloor.people import People
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgerwords import Configuration, PolicyChange


def test_each_change_is_told_once(tmp_path: Path) -> None:
    file = tmp_path / "limits.yaml"

    def policies(digest: str) -> Policies:
        return Policies((), People(), {}, digest, ("shipped/default.cedar",))

    with Ledger(tmp_path / "ledger.db") as ledger:
        book = LedgerBook(ledger)

        def told(digest: str) -> list[object]:
            found = list(changes(book, policies(digest), [file], ANNA))
            ledger.append_all(found)
            return [note.body for note in found]

        assert [type(body) for body in told("a" * 64)] == [PolicyChange], "a file that was never there is no news"
        assert told("a" * 64) == []
        file.write_text("rack_nodes: 2\n")
        (policy, limits) = told("b" * 64)
        assert isinstance(policy, PolicyChange) and (policy.before, policy.digest) == ("a" * 64, "b" * 64)
        assert isinstance(limits, Configuration) and limits.file == str(file) and not limits.before
        assert told("b" * 64) == []
        file.unlink()
        (gone,) = told("b" * 64)
        assert isinstance(gone, Configuration) and gone.digest == GONE and gone.before == limits.digest
