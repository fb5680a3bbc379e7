"""The words for why cells have no value: told once for all subjects that lack a metric for one reason, if they agree.

Keys as watchfloor.report.note_key makes them, without the scope: "temp:2" is of every subject of the table,
"temp:2:intel:" of those whose keys begin so, "temp:2:intel:0000:29:00.0" of one. Must not do: the wire's cells.
"""

from .cells import Missing

_MOST_APART = 8  # subjects of a family whose words are told one by one; of more, the last one's stand for all
_LONGEST_KEY = 200


class Notes:
    """Those of one table, and what was told of them last."""

    def __init__(self, keys: "list[str]", metrics: "list[str]") -> None:
        self._keys = keys
        self._metrics = metrics
        self._told = {}  # (column, code) -> {key of the note: words}

    def concern(self, column: int, reason: Missing) -> bool:
        """Whether a cell that is missing by now may change what is to be told."""
        return bool(reason.note) or bool(self._told.get((column, reason.code)))

    def forget(self) -> None:
        """Everything is told anew."""
        self._told = {}

    def renewed(self, pairs: "set[tuple[int, int]]", shown) -> "dict[str, str]":
        """What is to be told of some (column, code); "" for words that no longer hold.

        `shown(column)` gives what is told of each subject: a value or a Missing.
        """
        news = {}
        for column, code in pairs:
            before = self._told.get((column, code), {})
            lacking = [
                (key, value.note)
                for key, value in zip(self._keys, shown(column))
                if isinstance(value, Missing) and value.code == code
            ]
            now = _by_whom("%s:%d" % (self._metrics[column], code), lacking)
            self._told[column, code] = now
            news.update((key, "") for key in before if key not in now)
            news.update((key, words) for key, words in now.items() if before.get(key) != words)
        return news


def _by_whom(name: str, lacking: "list[tuple[str, str]]") -> "dict[str, str]":
    """Key of the note -> words, of (key of a subject, its words)."""
    if len({words for _, words in lacking}) == 1:
        return {name: lacking[0][1]} if lacking[0][1] else {}
    found, families = {}, {}
    for key, words in lacking:
        families.setdefault(key[: key.find(":") + 1], []).append((key, words))
    for family, said in families.items():
        worded = [(key, words) for key, words in said if words]
        if not worded:
            continue
        agreed = len(worded) == len(said) and len({words for _, words in said}) == 1
        if agreed or len(worded) > _MOST_APART:
            found["%s:%s" % (name, family)] = worded[-1][1]
        else:
            found.update(("%s:%s" % (name, key), words) for key, words in worded if len(key) <= _LONGEST_KEY)
    return found
