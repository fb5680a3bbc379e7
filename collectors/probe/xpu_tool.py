"""Asking xpu-smi: one question, its answer parsed, or why there is none."""

from .cells import FAILED_CODE, NOT_YET, TIMED_OUT_CODE, Missing

TOOL = "xpu-smi"
_SECONDS = 20.0


def told(world, arguments: "list[str]", parse):
    """What `parse` makes of the output, or a Missing; `parse` raises ValueError for what it doesn't understand."""
    try:
        status, out, error = world.run([TOOL, *arguments], _SECONDS)
        if not status:
            return parse(out)
    except TimeoutError as late:
        return Missing(TIMED_OUT_CODE, str(late))
    except (OSError, ValueError) as error:
        return Missing(FAILED_CODE, "xpu-smi %s: %s" % (arguments[0], error))
    words = (error or out).strip().splitlines() or ["silent"]
    return Missing(FAILED_CODE, "xpu-smi %s: status %d: %s" % (arguments[0], status, words[-1]))


class Dumps:
    """`dump` for one round of some metrics, asked as the release on the node wants it: 1.x and 2.x have other flags."""

    def __init__(self, world) -> None:
        self._world = world
        self._flags = (("-m", "-i", "-n"), ("--metrics", "--interval", "--number"))

    def told(self, device: int, metrics: str, parse):
        """As `told`; device -1 stands for all."""
        answer = NOT_YET
        for flags in self._flags:
            which, every, rounds = flags
            arguments = ["dump", "-d", str(device), which, metrics, every, "1", rounds, "1"]
            answer = told(self._world, arguments, parse)
            if not isinstance(answer, Missing):
                self._flags = (flags,)
            if not isinstance(answer, Missing) or answer.code == TIMED_OUT_CODE:
                break
        return answer
