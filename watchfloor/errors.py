"""The errors of watchfloor, each of which tells a person what happened, where, and what to do next.

    WatchfloorError
      ConfigError            a file or an argument that can't be understood: file, line, column, nearest valid word
        KeyLocked            a key that signs only with a passphrase, where nobody could be asked for it
      QueryError             a query that can't be understood: column, nearest name
      ConnectError           a node that can't be reached; `problem` says in which way
        HostKeyError         its host key is unknown or has changed: never accepted unasked
        StartError           it let us in and starts no program
      CannotPlan             no plan can be made of a playbook for these targets
        NothingToDo          all is as it should be
      HandsError             an act that could not be begun: nothing was changed
      StoreError             a file or database of ours that can't be read or written
      SessionError           a recording that can't be read or written
      OutputError            standard output takes no more: a full disk, a closed descriptor
      StreamError            a node was reached and then broke the contract of the stream

Nothing here is raised for a value that could not be read: that is data (`watchfloor.model.Missing`).
"""

from __future__ import annotations

from watchfloor.model import Problem


class WatchfloorError(Exception):
    """What happened; `advice` is what to do next ("" where there is nothing to add)."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message} ({self.advice})" if self.advice else self.message


class ConfigError(WatchfloorError):
    """A configuration file, or an argument, that can't be understood. Lines and columns count from 1; 0 is unknown."""

    def __init__(self, message: str, advice: str = "", *, file: str = "", line: int = 0, column: int = 0) -> None:
        super().__init__(message, advice)
        self.file = file
        self.line = line
        self.column = column

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        return f"{place}: {super().__str__()}" if place else super().__str__()


class KeyLocked(ConfigError):
    """A key that takes a passphrase, where nobody could be asked for it."""


class QueryError(WatchfloorError):
    """A query that can't be understood. `column` counts from 1 within `query`."""

    def __init__(self, message: str, advice: str = "", *, query: str = "", column: int = 0) -> None:
        super().__init__(message, advice)
        self.query = query
        self.column = column

    def pointed(self) -> str:
        """The query with a caret under the column, then the message: three lines for a terminal."""
        return f"{self.query}\n{' ' * max(0, self.column - 1)}^\n{self}"


class CannotPlan(WatchfloorError):
    """No plan can be made of this playbook for these targets: why, and what would help."""


class NothingToDo(CannotPlan):
    """All is as it should be."""


class HandsError(WatchfloorError):
    """An act that was surely not begun: no connection, no permission, a place that nobody knows.

    `transient`: trying again may help.
    """

    def __init__(self, message: str, advice: str = "", *, transient: bool = False) -> None:
        super().__init__(message, advice)
        self.transient = transient


class StoreError(WatchfloorError):
    """What is kept can't be read or written: what is on record lasts as long as the program."""


class SessionError(WatchfloorError):
    """A recording that can't be read, or written to."""


class OutputError(WatchfloorError):
    """Standard output takes no more of a result."""


class ConnectError(WatchfloorError):
    """A node that could not be reached, in the way that `problem` names."""

    def __init__(self, problem: Problem, message: str, advice: str = "") -> None:
        super().__init__(message, advice)
        self.problem = problem


class HostKeyError(ConnectError):
    """The host key is not in known_hosts, or not the one there."""


class StartError(ConnectError):
    """The node let us in, and no program is started there."""


class StreamError(WatchfloorError):
    """The stream from a node ended or broke its contract, in the way that `problem` names."""

    def __init__(self, problem: Problem, message: str, advice: str = "") -> None:
        super().__init__(message, advice)
        self.problem = problem
