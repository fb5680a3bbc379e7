"""Which pages there are, and each of them made when it is first opened.

A page is a module of `tui/screens` with a `Page` class in it; no list is edited. The module's name is the page's, its
palette entry and its command; its key is read from its text. What the pages need to be loaded is a tenth of the time to
the first paint and 2 MiB, which a console that shows the fleet doesn't spend.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tui.base import Desk, Page

_FOLDER = Path(__file__).parent / "screens"
_KEY = re.compile(r'^    key = "(\w+)"$', re.MULTILINE)  # in the class of a page


def keys() -> Mapping[str, str]:
    """Name -> key of every page of `tui.screens`, as the keys lie."""
    texts = {file.stem: file.read_text("utf-8") for file in _FOLDER.glob("[!_]*.py")}
    found = {name: key[1] for name, text in texts.items() if (key := _KEY.search(text))}
    return dict(sorted(found.items(), key=lambda item: (item[1] == "0", item[1])))


def load(name: str) -> type[Page]:
    """The page of this name."""
    module = importlib.import_module(f"tui.screens.{name}")
    return next(
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Page) and kind.__module__ == module.__name__ and kind.slug
    )


class Pages(Mapping[str, Page]):
    """Every page by its name, as the keys lie. `made` is told of each one that is made."""

    def __init__(self, desk: Desk, made: Callable[[Page], None]) -> None:
        self._desk, self._made = desk, made
        self._pages: dict[str, Page] = {}
        self.keys_by_name = keys()

    def __getitem__(self, name: str) -> Page:
        if name not in self.keys_by_name:
            raise KeyError(name)
        if name not in self._pages:
            page = self._pages[name] = load(name)(self._desk)
            self._made(page)
        return self._pages[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys_by_name)

    def __len__(self) -> int:
        return len(self.keys_by_name)

    def opened(self) -> list[Page]:
        """Those that have been made so far."""
        return list(self._pages.values())
