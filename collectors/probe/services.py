"""Inference servers of the node: vLLM, Triton, SGLang and TGI, through their /metrics alone.

They are found by the commands of the processes on the accelerators, and by the ports that servers usually listen on.
Nothing but GET /metrics is ever asked; what answers there with something else is not asked again until another
program listens.
"""

from .cells import Absent, Reading
from .listening import listening

_USUAL = (8000, 8002, 30000)  # vLLM; Triton's metrics; SGLang
_ABSENT = "no inference server: no such command on the accelerators, nothing of the kind listens on ports %s"


class Sampler:
    period, deadline = 10.0, 25.0
    metrics = {
        "service": "name kind model version endpoint up running waiting kv_cache request_rate prompt_rate token_rate "
        "first_token per_token latency queue_time requests failures preemptions".split()
    }
    owns = ("service",)
    lasting = ("name", "kind", "model", "version", "endpoint")
    awaited, follows_holders = False, True

    def __init__(self, world, board) -> None:
        self._world = world
        self._board = board
        if not self._pids() and listening(world).keys().isdisjoint(_USUAL):
            raise Absent(_ABSENT % ", ".join(map(str, _USUAL)))
        from .service_ports import Finder  # noqa: PLC0415 - costs its compilation where nothing is served

        self._finder = Finder(world, _USUAL)
        self._servers = None

    def sample(self) -> Reading:
        found = self._finder.find(self._pids())
        if self._servers is None:
            if not found:
                raise Absent(_ABSENT % ", ".join(map(str, _USUAL)))
            from .service_asking import Servers  # noqa: PLC0415 - only where there is one to be asked

            self._servers = Servers(self._world)
        rows = self._servers.rows(found)
        if not rows:
            raise Absent(_ABSENT % ", ".join(map(str, _USUAL)))
        return Reading({"service": rows})

    def _pids(self) -> "list[int]":
        held = [listed for by_key in self._board.holders.values() for listed in by_key.values()]
        return sorted({pid for listed in held if isinstance(listed, list) for pid, _, _ in listed})
