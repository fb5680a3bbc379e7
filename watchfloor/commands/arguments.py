"""Arguments that several commands share: which hosts, from which files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from watchfloor.errors import ConfigError
from watchfloor.model import SshOptions

if TYPE_CHECKING:
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

    def specs(self, hosts: tuple[str, ...]) -> list[NodeSpec]:
        """The nodes that the arguments name. Raises ConfigError."""
        from watchfloor.inventory import from_arguments  # noqa: PLC0415 - YAML and host patterns, needed by no other start

        if self.ssh_config is not None and not self.ssh_config.is_file():
            raise ConfigError("no such file", "name an ssh_config, as for ssh -F", file=str(self.ssh_config))
        files = (str(self.ssh_config),) if self.ssh_config else ()
        return list(from_arguments(hosts, self.fleet, SshOptions(config_files=files)).specs)
