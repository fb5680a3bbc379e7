"""Attributes of /sys and /proc: files of one value each, read as text or as the reason why there is none."""

from .cells import Missing, from_oserror


def attribute(world, path: str, keep: bool = True) -> "str | Missing":
    """The text of a file without its line end. `keep`: it is read again and again, so it stays open."""
    try:
        return world.read(path, keep=keep).strip()
    except OSError as error:
        return from_oserror(error)


def ethernet_medium(speed: "float | Missing") -> "str | Missing":
    """ "400GbE" of bytes a second."""
    return speed if isinstance(speed, Missing) else "%gGbE" % (speed * 8 / 1e9)
