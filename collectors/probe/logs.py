"""Logs as they grow: the kernel's own, and files that are rotated. Opened through the World alone.

Must not do: know what the lines mean.
"""

import errno
import os
import zlib

KMSG = "/dev/kmsg"
_MOST_RECORD = 16384  # bytes: the kernel refuses to read a record in part
_CHUNK = 1 << 18  # bytes of a file that one call takes in
_MARK = 64  # bytes before the place where reading goes on, by which it is seen that the file is still the same
_FIRST = 1 << 20  # bytes at a file's end that are read when it is opened: what happened before we came


class Kmsg:
    """The kernel's ring of messages from its oldest on. Each record is read once."""

    def __init__(self, path: str = KMSG) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self._first = [os.read(self._file, _MOST_RECORD)]  # the permission is asked for here
        except BlockingIOError:  # nothing in it yet
            self._first = []
        except BrokenPipeError:
            self._first = []
        except OSError:
            os.close(self._file)
            raise

    def records(self, most: int) -> "list[str]":
        """Those that have come, as many as `most`. Numbers that are left out were overwritten before they were read."""
        found, self._first = self._first, []
        for _ in range(most - len(found)):
            try:
                found.append(os.read(self._file, _MOST_RECORD))
            except BlockingIOError:
                break
            except BrokenPipeError:  # overwritten: the next read goes on with the oldest that is left
                continue
        return [record.decode("utf-8", "replace") for record in found]

    def close(self) -> None:
        os.close(self._file)


class LogFile:
    """A text file that others append to, from near its end on, and the one that takes over when it is moved away."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._rest = b""
        self._leaving = False  # another file has its name
        self._open()
        self._offset = max(0, os.fstat(self._file).st_size - _FIRST)
        self._skipping = self._offset > 0  # the first line is torn
        marked = min(_MARK, self._offset)
        self._mark = os.pread(self._file, marked, self._offset - marked)

    def lines(self) -> "list[tuple[str, str]]":
        """(what identifies it, line) of those that are complete and new. Raises OSError where it can't be read."""
        seen = os.pread(self._file, len(self._mark) + _CHUNK, self._offset - len(self._mark))
        before, chunk = seen[: len(self._mark)], seen[len(self._mark) :]
        if before != self._mark and self._was_emptied(before):
            self._begin_anew()
        elif chunk:
            self._leaving = False
            return self._taken(chunk)
        elif not self._was_moved():
            return []
        elif not self._leaving:  # whoever writes it may not have been told yet: once more, before it is left
            self._leaving = True
            return []
        else:
            os.close(self._file)
            self._open()
            self._begin_anew()
        return self._taken(os.pread(self._file, _CHUNK, 0))

    def _taken(self, chunk: bytes) -> "list[tuple[str, str]]":
        start = self._offset - len(self._rest)
        self._offset += len(chunk)
        self._mark = (self._mark + chunk)[-_MARK:]
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        torn = False
        if len(self._rest) > _CHUNK:  # no line of a log is as long
            self._rest, torn = b"", True
        found = []
        for line in whole:
            if not self._skipping:
                identity = "%x:%d:%x" % (self._inode, start, zlib.crc32(line))  # numbers and places come again
                found.append((identity, line.decode("utf-8", "replace")))
            self._skipping = False
            start += len(line) + 1
        self._skipping = self._skipping or torn
        return found

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        self._inode = os.fstat(self._file).st_ino

    def _was_emptied(self, before: bytes) -> bool:
        """In place, even if it is longer by now; where nothing was, whoever writes it went on at its own place."""
        return len(before) < len(self._mark) or bool(before.strip(b"\0"))

    def _begin_anew(self) -> None:
        self._offset, self._rest, self._skipping, self._mark = 0, b"", False, b""
        self._leaving = False

    def _was_moved(self) -> bool:
        """Whether another file has its name. Between moving and making anew there is none: wait for it."""
        try:
            return os.stat(self._path).st_ino != self._inode
        except OSError as error:
            if error.errno == errno.ENOENT:
                return False
            raise

    def close(self) -> None:
        os.close(self._file)
