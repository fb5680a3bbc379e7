"""Where intents and results lie on the node: a folder that nobody else can read, write, or put another in place of.

Not the user's runtime folder: logind takes /run/user/UID away with the last session, which a lost connection ends, and
what the user has in /dev/shm, too (RemoveIPC). /var/tmp outlives sessions, and reboots as well: a node that was told to
reboot remembers that it was. The others are for nodes on which it can't be written.
"""

import os
import stat


class Unsafe(OSError):
    """A folder of the right name that isn't ours alone."""


def candidates(environ, uid):
    """Paths, the best first."""
    named = environ.get("WATCHFLOOR_HANDS")
    if named:
        return [named]
    places = ["/var/tmp", "/run", "/dev/shm", "/tmp"] if uid == 0 else ["/var/tmp", "/dev/shm", "/tmp"]
    return ["%s/watchfloor-hands-%d" % (place, uid) for place in places]


def opened(path, make):
    """A descriptor of the folder, through which alone it is used. Raises OSError."""
    if make:
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:  # whose it is and who may use it is looked at below
            pass
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    found = os.fstat(descriptor)
    if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        os.close(descriptor)
        raise Unsafe("%s is not a folder of user %d alone (mode 0700)" % (path, os.getuid()))
    return descriptor
