"""What commands write: results on standard output, remarks and errors on standard error, `--json` errors as JSON."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import traceback

from watchfloor.errors import ConfigError, OutputError, QueryError, WatchfloorError

Problem = dict[str, object]


def settle_streams() -> None:
    """Standard streams that may be written to, whatever we were started with: one that is closed leads nowhere, and
    what the terminal's encoding lacks becomes a question mark.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - as long as we live
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def write(text: str) -> None:
    """A result, ending in a newline. Raises OutputError, and BrokenPipeError where whoever reads has left."""
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        write_nothing_more()
        raise OutputError(f"the output can't be written: {error.strerror}", "make room where it goes") from error


def write_nothing_more() -> None:
    """What standard output still holds goes nowhere, lest it is tried once more at the end of the program."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_json(document: object) -> None:
    """A JSON result. Raises ValueError rather than write NaN, which JSON doesn't know; and what `write` raises."""
    ascii_only = "utf" not in (sys.stdout.encoding or "utf-8").lower()
    write(json.dumps(document, indent=2, ensure_ascii=ascii_only, allow_nan=False))


def remark(text: str) -> None:
    """Something a person should know that isn't the result."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def terminal_width() -> int | None:
    """Columns of the terminal that standard output is, None where it is a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def need_terminal(instead: str) -> None:
    """Raises ConfigError, with what to do instead, where one of the standard streams is no terminal."""
    for stream, name in ((sys.stdin, "input"), (sys.stdout, "output"), (sys.stderr, "error")):
        if not stream.isatty():
            raise ConfigError(f"the standard {name} is no terminal, so no screen can be drawn", instead)


def coloured() -> bool:
    """Whether standard output wants colour: a terminal, and NO_COLOR is not set (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def problem(message: str, advice: str = "", file: str = "", line: int = 0, column: int = 0) -> Problem:
    """The fields of an error as `--json` shows them; line and column count from 1, null where they mean nothing."""
    return {
        "message": message,
        "advice": advice,
        "file": file or None,
        "line": line or None,
        "column": column or None,
    }


def described(error: Exception) -> Problem:
    """The fields of any error; one that is no WatchfloorError is a fault of our own."""
    if isinstance(error, ConfigError):
        return problem(error.message, error.advice, error.file, error.line, error.column)
    if isinstance(error, QueryError):
        return {**problem(error.message, error.advice, column=error.column), "query": error.query}
    if isinstance(error, WatchfloorError):
        return problem(error.message, error.advice)
    where = traceback.extract_tb(error.__traceback__)[-1]
    text = f"{type(error).__name__}: {error} (at {os.path.basename(where.filename)}:{where.lineno})"  # noqa: PTH119
    return problem(text, "this is a fault of watchfloor: WATCHFLOOR_DEBUG=1 shows the whole trace; please report it")


def show_error(shown: Problem, as_json: bool) -> None:
    """One error: an object on standard output with `--json`, words on standard error otherwise."""
    if os.environ.get("WATCHFLOOR_DEBUG") and sys.exc_info()[0] is not None:
        traceback.print_exc()
    if as_json:
        write_json({"error": shown})
        return
    place = ":".join(str(shown[part]) for part in ("file", "line", "column") if shown.get(part))
    if shown.get("query"):
        caret = " " * (int(str(shown["column"] or 1)) - 1) + "^"
        remark(f"  {shown['query']}\n  {caret}")
        place = ""
    remark(f"watchfloor: {place + ': ' if place else ''}{shown['message']}")
    if shown["advice"]:
        remark(f"  {shown['advice']}")
