"""Local file systems by statvfs, on a thread of their own: a dead disk may take its time to answer."""

from .cells import UNSUPPORTED, Absent, Reading

# kinds that are always full, or are not storage
_LEFT_OUT = ("squashfs", "iso9660", "udf", "erofs", "fuseblk", "efivarfs")


class Sampler:
    period, deadline = 15.0, 10.0
    metrics = {"node": ("fs_used",)}
    owns = lasting = ()
    awaited, follows_holders = False, False

    def __init__(self, world, board) -> None:
        self._world = world

    def sample(self) -> Reading:
        try:
            mounts = self._world.read("/proc/self/mounts")
            kinds = self._world.read("/proc/filesystems")
        except OSError as error:
            raise Absent("no list of mounts: %s" % error) from error
        rows = [self._row(*mount) for mount in local_mounts(mounts, stored_kinds(kinds))]
        rows = [row for row in rows if row is not None]
        fullest = max((row["share"] for row in rows), default=UNSUPPORTED)
        for row in rows:
            del row["share"]
        return Reading({"node": {"": {"fs_used": fullest}}}, {"filesystems": rows})

    def _row(self, device: str, mount: str, kind: str) -> "dict | None":
        try:
            found = self._world.statvfs(mount)
        except OSError:  # unmounted meanwhile, or not for us to see
            return None
        used = found.f_blocks - found.f_bfree
        reachable = used + found.f_bavail  # what root keeps for itself counts as neither, as in df
        if not reachable:
            return None
        return {
            "mount": mount,
            "device": device,
            "kind": kind,
            "total_bytes": found.f_blocks * found.f_frsize,
            "used_bytes": used * found.f_frsize,
            "share": round(100.0 * used / reachable, 1),
        }


def stored_kinds(text: str) -> "set[str]":
    """Kinds of /proc/filesystems that live on a block device, and the two local ones that say they don't."""
    lines = [line.split("\t") for line in text.splitlines()]
    found = {line[1] for line in lines if len(line) == 2 and line[0] != "nodev"}
    return (found | {"zfs", "overlay"}) - set(_LEFT_OUT)


def local_mounts(text: str, kinds: "set[str]") -> "list[tuple[str, str, str]]":
    """(device, mount point, kind), each device once; an overlay only as the root of a container."""
    found = {}
    for line in text.splitlines():
        device, mount, kind, options = [_unescaped(word) for word in line.split(" ")[:4]]
        wanted = kind in kinds and (kind != "overlay" or mount == "/") and "ro" not in options.split(",")
        if wanted and device not in found:
            found[device] = (device, mount, kind)
    return list(found.values())


def _unescaped(word: str) -> str:
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        word = word.replace(code, char)
    return word
