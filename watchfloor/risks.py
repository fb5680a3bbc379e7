"""The risk class of actions, for consoles that hold none of them: tests hold this to what the actions say. Pure."""

from __future__ import annotations

from watchfloor.change import Risk
from watchfloor.playbook import Playbook

_TABLE = """
0 | collect_evidence notify
1 | label_node load_model open_ticket restore_clocks restore_power_limit set_persistence
2 | cancel_job evict_pods hold_job kill_process release_job requeue_job restart_service resume_node run_diagnostic
2 | scale_replicas set_clocks set_mig_layout set_power_limit uncordon_node unload_model
3 | cordon_node drain_node reboot_node reset_accelerator
"""
RISKS = {
    name: Risk(int(risk))
    for risk, _, names in (row.partition("|") for row in _TABLE.split("\n"))
    for name in names.split()
}


def risk_of(playbook: Playbook) -> Risk | None:
    """The class of its plans; None where only a plan tells: of a planner's wishes, and of actions that aren't told."""
    told = [RISKS.get(step.action) for step in playbook.steps]
    known = [risk for risk in told if risk is not None]
    return max([playbook.risk, *known]) if told and len(known) == len(told) else None
