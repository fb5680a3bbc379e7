"""Intents and results of operations in one folder: whole or not at all, on disk before they count, each id once.

An intent comes into being locked, with its content, by a link that fails where there is one: so whoever sees it knows
whether somebody is still at it. The lock belongs to the process that carries it out and goes with it, however it ends.
Used on nodes, and by the console for what it sends itself.
"""

import fcntl
import hashlib
import json
import os
import time

MOST_WAITING = 512  # operations whose result nobody has acknowledged
_KEPT_SECONDS = 86400.0  # after that, what was acknowledged may go
_MOST_ACKNOWLEDGED = 512
_WRITE = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC  # a lock wants more than reading on some file systems

UNHEARD, RUNNING, DONE, UNKNOWN = "unheard", "running", "done", "unknown"


class Full(OSError):
    """Too many results wait to be acknowledged."""


class Shelf:
    """`folder` is a descriptor of it. Everything raises OSError."""

    def __init__(self, folder, most_waiting=MOST_WAITING):
        self.folder = folder
        self._most_waiting = most_waiting
        self._parts = 0

    def begin(self, operation, intent):
        """The descriptor that holds the lock; None where it was begun before, by whomever."""
        if self._waiting() >= self._most_waiting:
            raise Full("%d operations wait to be acknowledged" % self._most_waiting)
        part, descriptor = self._part(operation, dict(intent, operation=operation), lock=True)
        try:
            os.link(part, _name(operation, "intent"), src_dir_fd=self.folder, dst_dir_fd=self.folder)
        except FileExistsError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        finally:
            os.unlink(part, dir_fd=self.folder)
        os.fsync(self.folder)
        return descriptor

    def withdraw(self, operation):
        """It was not carried out after all, and will not be."""
        self._remove(_name(operation, "intent"))

    def finish(self, operation, result):
        """Note what came of it."""
        part, descriptor = self._part(operation, result)
        os.close(descriptor)
        os.rename(part, _name(operation, "result"), src_dir_fd=self.folder, dst_dir_fd=self.folder)
        os.fsync(self.folder)

    def recall(self, operation):
        """State, intent and result, the latter two None where there is none."""
        result = self._read(_name(operation, "result"))
        intent = self._read(_name(operation, "intent"))
        if result is not None:
            return DONE, intent, result
        if intent is None:
            return UNHEARD, None, None
        if self._locked(operation):
            return RUNNING, intent, None
        result = self._read(_name(operation, "result"))  # it may have come meanwhile
        return (UNKNOWN if result is None else DONE), intent, result

    def acknowledge(self, operation):
        """It may be forgotten in a while: not at once, for a line that says `do` may still be on its way."""
        if self.recall(operation)[0] == UNHEARD:
            return
        descriptor = os.open(
            _name(operation, "ack"), os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=self.folder
        )
        os.close(descriptor)
        self._tidy(time.time())

    # -- files

    def _part(self, operation, content, lock=False):
        """A file with this content, on disk, of a name that means nothing yet; and its descriptor."""
        self._parts += 1
        name = "%s.%d.%d.part" % (_name(operation, "x")[:-2], os.getpid(), self._parts)
        self._remove(name)  # of a process that had our id before
        descriptor = os.open(name, _WRITE, 0o600, dir_fd=self.folder)
        try:
            if lock:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            data = json.dumps(content).encode("ascii")
            while data:
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        except BaseException:
            os.close(descriptor)
            self._remove(name)
            raise
        return name, descriptor

    def _read(self, name):
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.folder)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            return json.loads(file.read().decode("ascii"))

    def _locked(self, operation):
        try:
            descriptor = os.open(_name(operation, "intent"), _READ, dir_fd=self.folder)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _remove(self, name):
        try:
            os.unlink(name, dir_fd=self.folder)
        except FileNotFoundError:  # it was never written, or another console has tidied up
            pass

    # -- what goes

    def _waiting(self):
        names = set(os.listdir(self.folder))
        return sum(name.endswith(".intent") and name[:-6] + "ack" not in names for name in names)

    def _tidy(self, now):
        """Acknowledged operations go when they are old or many, and what a crash left half-written when it is old."""
        acknowledged = []
        for name in os.listdir(self.folder):
            kind = name.rpartition(".")[2]
            if kind not in ("ack", "part"):
                continue
            age = now - self._changed(name)
            if kind == "ack":
                acknowledged.append((age, name[:-4]))
            elif age > _KEPT_SECONDS:
                self._remove(name)
        acknowledged.sort()
        for number, (age, stem) in enumerate(acknowledged):
            if age > _KEPT_SECONDS or number >= _MOST_ACKNOWLEDGED:
                for kind in (".intent", ".result", ".ack"):
                    self._remove(stem + kind)

    def _changed(self, name):
        try:
            return os.stat(name, dir_fd=self.folder, follow_symlinks=False).st_mtime
        except FileNotFoundError:
            return 0.0


def _name(operation, kind):
    """An operation's id may be any text; a file's name may not."""
    return "%s.%s" % (hashlib.sha256(operation.encode("utf-8")).hexdigest()[:40], kind)
