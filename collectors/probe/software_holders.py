"""Which processes have an accelerator's device file open: for accelerators whose drivers don't tell who holds them."""

_DEVICES = ("/dev/nvidia", "/dev/kfd", "/dev/accel", "/dev/vfio/", "/dev/neuron", "/dev/dri/render", "/dev/hl")
_PRESENT = ("nvidia", "kfd", "accel", "vfio", "neuron", "hl")  # a graphics card alone is none of these
_LOOKED_AT = 400  # processes at one time
_GIVEN_UP_AFTER = 2  # looks at a process that held nothing: whoever wants an accelerator opens it when it starts


class Holders:
    """Looks at new processes only: to read the descriptors of all of them each time would cost too much."""

    def __init__(self, world) -> None:
        self._world = world
        self._looks = {}  # pid -> how often it was looked at in vain
        self._held = set()

    def pids(self) -> "list[int]":
        """Those that hold a device, so far as they may be seen."""
        if not self._devices():
            return []
        running = {int(name) for name in self._world.listdir("/proc") if name.isdigit()}
        self._looks = {pid: looks for pid, looks in self._looks.items() if pid in running}
        self._held &= running
        new = [pid for pid in sorted(running) if self._looks.get(pid, 0) < _GIVEN_UP_AFTER and pid not in self._held]
        for pid in new[:_LOOKED_AT]:
            if self._holds(pid):
                self._held.add(pid)
            else:
                self._looks[pid] = self._looks.get(pid, 0) + 1
        return sorted(self._held)

    def _devices(self) -> bool:
        try:
            return any(name.startswith(_PRESENT) for name in self._world.listdir("/dev"))
        except OSError:
            return False

    def _holds(self, pid: int) -> bool:
        folder = "/proc/%d/fd" % pid
        try:
            descriptors = self._world.listdir(folder)
        except OSError:  # another user's, or just ended
            return False
        return any(self._target(folder + "/" + name).startswith(_DEVICES) for name in descriptors)

    def _target(self, path: str) -> str:
        try:
            return self._world.readlink(path)
        except OSError:
            return ""
