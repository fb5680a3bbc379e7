"""The terminal, left to a program that asks for something: what is typed meanwhile reaches no screen or recording."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from textual.app import App

Answer = TypeVar("Answer")


def at_prompt(app: App[int], ask: Callable[[], Answer]) -> Answer:
    """What `ask` returns, or raises; meanwhile the app neither draws nor reads keys, and its loop waits.

    Ctrl-C ends what asks, and not the app. Raises SuspendNotSupported where there is no terminal.
    """
    answer: Future[Answer] = Future()
    before = signal.signal(signal.SIGINT, lambda number, frame: None)  # a program that is begun has its own again
    try:
        with app.suspend():  # it returns only from a block that ends well
            try:
                answer.set_result(ask())
            except Exception as error:
                answer.set_exception(error)
    finally:
        signal.signal(signal.SIGINT, before)
    return answer.result()
