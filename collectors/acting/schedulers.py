"""What a scheduler's commands find around them, as the source that asks them has it. Pure."""

from __future__ import annotations

from collectors.acting.node import Settings
from collectors.sources._slurm.commands import FOLDERS, checked
from watchfloor.errors import ConfigError, HandsError
from watchfloor.jobs.model import JobSourceSpec


def settings_of(spec: JobSourceSpec) -> Settings:
    """Raises HandsError where the options of the source can't be followed."""
    if spec.kind != "slurm":
        return Settings()
    try:
        options = checked(spec.options, spec.name)
    except ConfigError as error:
        raise HandsError(error.message, error.advice) from error
    environment = {
        variable: options[option]
        for option, variable in (("conf", "SLURM_CONF"), ("cluster", "SLURM_CLUSTERS"))
        if option in options
    }
    return Settings(environment, [options["bin"]] if "bin" in options else [], FOLDERS.split(":"))
