"""Work in a process that nobody can hang up on: a session of its own, nobody's child, no pipe of the connection."""

import errno
import os


def start(work, *kept):
    """Run `work()` there; the descriptor from which its bytes come, and then their end. Raises OSError.

    `kept`: further descriptors that it needs. Only for a process without threads.
    """
    reader, writer = os.pipe()
    try:
        child = os.fork()
    except OSError:
        os.close(reader)
        os.close(writer)
        raise
    if not child:
        _apart(work, writer, kept)
    os.close(writer)
    if os.waitpid(child, 0)[1]:
        os.close(reader)
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return reader


def _apart(work, writer, kept):
    """Never returns. The process in between ends with 1 where there can be no other."""
    status = 1
    try:
        os.setsid()
        other = os.fork()
        status = 0
        if not other:
            _alone({writer, *kept})
            _write(writer, work())
    finally:
        os._exit(status)


def _alone(kept):
    """The connection ends when nobody holds its ends any more."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in kept:
            try:
                os.close(int(name))
            except OSError:  # the one of the listing itself
                pass


def _write(descriptor, data):
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError:  # nobody waits for it
        pass
