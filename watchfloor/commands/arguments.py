"""Arguments that several commands share: which hosts, from which files."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from watchfloor.errors import ConfigError
from watchfloor.model import SshOptions

if TYPE_CHECKING:
    from watchfloor.inventory import Inventory
    from watchfloor.jobs.config import Work
    from watchfloor.model import NodeSpec

Hosts = Annotated[
    str,
    Parameter(help="Hosts as ssh takes them, and patterns: node[01-16] gpu@lab7 host:2222. None: --fleet, else here."),
]


@Parameter(name="*")
@dataclass(frozen=True)
class Source:
    """Where the hosts come from."""

    fleet: Annotated[Path | None, Parameter(help="A fleet.yaml: sites, racks, groups, host patterns.")] = None
    ssh_config: Annotated[Path | None, Parameter(help="Read this file instead of ~/.ssh/config.")] = None

    slurm: Annotated[
        str, Parameter(help="Ask the Slurm of this host, as ssh takes it, for jobs; local: of this machine.")
    ] = ""

    def specs(self, hosts: tuple[str, ...]) -> list[NodeSpec]:
        """The nodes that the arguments name. Raises ConfigError."""
        return self.floor(hosts)[0]

    def floor(self, hosts: tuple[str, ...]) -> tuple[list[NodeSpec], Work]:
        """The nodes that the arguments name, and who tells of their jobs. Raises ConfigError."""
        from watchfloor.inventory import from_arguments  # noqa: PLC0415 - YAML and host patterns, needed by no other start

        if self.ssh_config is not None and not self.ssh_config.is_file():
            raise ConfigError("no such file", "name an ssh_config, as for ssh -F", file=str(self.ssh_config))
        inventory = from_arguments(hosts, self.fleet, self.ssh_options())
        specs = list(inventory.specs)
        if self.ssh_config is not None:
            from watchfloor.wiring import check_ssh_config  # noqa: PLC0415 - joins all rooms

            check_ssh_config(specs)
        return specs, self._work(inventory)

    def fleet_file(self) -> Path | None:
        """The one that is read; None where there is none."""
        from watchfloor.inventory import usual_fleet_file  # noqa: PLC0415 - as above

        return self.fleet or usual_fleet_file()

    def _work(self, inventory: Inventory) -> Work:
        """As the fleet file says, or --slurm; else the Slurm whose commands this machine has."""
        from watchfloor.jobs.config import Work, host  # noqa: PLC0415
        from watchfloor.jobs.model import JobSourceSpec  # noqa: PLC0415

        sources, name = inventory.jobs, self.slurm
        if not name and not sources and shutil.which("squeue"):
            name = "local"
        if name:
            try:
                via = host(name, {spec.name: spec for spec in inventory.specs}, self.ssh_options())
            except ValueError as error:
                raise ConfigError(str(error), "as in --slurm login1", file="--slurm") from error
            asked = JobSourceSpec("slurm", "slurm", via)
            known = any((source.kind, source.via) == (asked.kind, asked.via) for source in sources)
            sources = sources if known else (*sources, asked)  # asked twice, its jobs would be two each
        return Work(sources, inventory.prices)

    def ssh_options(self) -> SshOptions:
        return SshOptions(config_files=(str(self.ssh_config),) if self.ssh_config else ())


def moment(text: str, option: str) -> float | None:
    """A time of an option: so long ago (12h, 7d), or when (2026-11-28T18:00). Seconds since the epoch; "" is None.

    Raises ConfigError.
    """
    from watchfloor.metrics import Unit  # noqa: PLC0415 - the catalogue, needed by no other start
    from watchfloor.units import quantity  # noqa: PLC0415

    if not text:
        return None
    with suppress(ValueError):  # no duration: a time of day, then
        return time.time() - quantity(text, Unit.SECONDS)
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except ValueError as error:
        raise ConfigError(f"{text!r} is no time", "such as 12h, 7d or 2026-11-28T18:00", file=option) from error


def refuse_misspelt(words: tuple[str, ...], source: Source) -> None:
    """Raise ConfigError where the first word is nearly a command and no host that anybody knows.

    `watchfloor HOST` needs no command, so a slip of the finger would be looked for on the network.
    """
    from watchfloor.cli import COMMANDS  # noqa: PLC0415 - it imports the command that asks
    from watchfloor.units import nearest  # noqa: PLC0415

    word = words[0] if words else ""
    guess = nearest(word, list(COMMANDS))
    if guess and not _is_known(word, source):
        raise ConfigError(
            f"{word!r} is neither a command nor a known host",
            f"did you mean `watchfloor {guess}`? A host of this name has to stand in ssh_config, a fleet file or DNS",
        )


def _is_known(word: str, source: Source) -> bool:
    import socket  # noqa: PLC0415 - only for a word that looks misspelt

    from watchfloor.inventory import from_arguments, ssh_config_hosts  # noqa: PLC0415

    if word in ssh_config_hosts(source.ssh_config):
        return True
    if any(word in (spec.host, spec.name) for spec in from_arguments((), source.fleet).specs):
        return True
    try:
        return bool(socket.getaddrinfo(word, None))
    except OSError:
        return False
