"""Commands by name: what the `:` line runs and completes, and what the palette lists. Pages bring their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from watchfloor import units
from watchfloor.errors import ConfigError, QueryError, WatchfloorError

PALETTE_HITS = 60
_STARTS = 1.0  # what starts with the words that are looked for comes before what has them in it
_LISTED = 8  # choices named where none is near: Tab shows them all
_SEARCHED = 5_000  # choices looked at per command: a palette is for picking, the filter bar is for thousands


def nothing() -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Command:
    """`run` is given what follows the name, stripped; it raises WatchfloorError where that makes no sense."""

    name: str
    help: str
    run: Callable[[str], None]
    choices: Callable[[], Sequence[str]] = nothing
    argument: str = ""  # its name in the help, "" where there is none


Table = Mapping[str, Command]


def table(commands: Sequence[Command]) -> Table:
    return {command.name: command for command in commands}


def run(commands: Table, text: str) -> None:
    """Run one line. Raises WatchfloorError; where it has a column, this counts from the line's beginning."""
    name, _, rest = text.strip().partition(" ")
    if not name:
        return
    command = commands.get(name)
    if command is None:
        raise ConfigError(f"there is no command {name!r}", nearest(name, list(commands)), column=1)
    try:
        if rest.strip() and not command.argument:
            raise ConfigError(f"{name} takes no word behind it")
        command.run(rest.strip())
    except (ConfigError, QueryError) as error:
        error.column = max(1, error.column) + len(text) - len(text.lstrip().removeprefix(name).lstrip())
        raise


def nearest(word: str, known: Sequence[str]) -> str:
    """Advice for a word that isn't known."""
    close = units.nearest(word, known)
    return f"did you mean {close!r}?" if close else ""


def one_of(word: str, known: Sequence[str], what: str) -> str:
    """The word, if it is known. Raises ConfigError with the nearest one, or with those that there are."""
    if word not in known:
        advice = nearest(word, known) or _listed(known)
        raise ConfigError(f"there is no {what} {word!r}" if word else f"say which {what}", advice)
    return word


def _listed(known: Sequence[str]) -> str:
    if not known:
        return ""
    more = f" and {len(known) - _LISTED:,} more" if len(known) > _LISTED else ""
    return f"one of {', '.join(known[:_LISTED])}{more}"


def complete(commands: Table, text: str, cursor: int) -> Sequence[str]:
    """Words that may stand before the cursor: names of commands first, then the choices of the one that is named."""
    name, space, rest = text[:cursor].lstrip().partition(" ")
    if not space:
        return [f"{known} " if commands[known].argument else known for known in commands if known.startswith(name)]
    command = commands.get(name)
    last = rest.rpartition(" ")[2].lower()
    return [word for word in command.choices() if word.lower().startswith(last)] if command else ()


class Listener(Protocol):
    def ran(self, line: str) -> None: ...


class Console(Protocol):
    """What the palette asks of the app."""

    desk: Listener

    def commands(self) -> Table: ...

    def prompt(self, text: str = "") -> None: ...


class PaletteProvider(Provider):
    """Ctrl-P: every command with every choice that it has, searched by words."""

    @property
    def _console(self) -> Console:
        return cast(Console, self.app)

    def _commands(self) -> Table:
        return self._console.commands()

    async def discover(self) -> Hits:
        for command in self._commands().values():
            shown = f"{command.name} {command.argument}".strip()
            action = partial(self._ask, command) if command.argument else partial(self._run, command, "")
            yield DiscoveryHit(shown, action, help=command.help)

    async def search(self, query: str) -> Hits:
        matcher, found = self.matcher(query), 0
        for command in self._commands().values():
            for choice in ("", *command.choices()[:_SEARCHED]):
                shown = f"{command.name} {choice}".strip()
                score = matcher.match(shown) + _STARTS * shown.startswith(query)
                if score <= 0 or (command.argument and not choice):
                    continue
                yield Hit(score, matcher.highlight(shown), partial(self._run, command, choice), help=command.help)
                found += 1
                if found == PALETTE_HITS:
                    return

    def _run(self, command: Command, argument: str) -> None:
        try:
            command.run(argument)
            self._console.desk.ran(f"{command.name} {argument}")
        except WatchfloorError as error:
            self.app.notify(str(error), severity="error", markup=False)

    def _ask(self, command: Command) -> None:
        self._console.prompt(f"{command.name} ")
