"""What a screen offers about a concern: playbooks from their files, then actions. Reads files: not for a screen's loop.

Must not do: act, and load anything that could.
"""

from __future__ import annotations

from watchfloor.fitting import fits
from watchfloor.frame import Frame
from watchfloor.ledgerfollower import LedgerPicture
from watchfloor.model import Scope, Subject
from watchfloor.playbookshelf import shelf
from watchfloor.ports import Concern, Remedy
from watchfloor.remedies import of_playbooks, remedies


def offers(concern: Concern, frame: Frame, ledger: LedgerPicture | None) -> list[Remedy]:
    """Playbooks whose trigger is true, the actions that fit, then playbooks that are for such subjects.

    Of a playbook that can't be read `watchfloor playbooks check` says why; it is not offered.
    """
    found = shelf()
    fitting = fits(concern.subject, found.playbooks, frame, lambda subject: newest_run(ledger, subject))
    told = of_playbooks(fitting, concern, found.own, frame)
    first = [remedy for remedy in told if remedy.fits]
    return [*first, *remedies(concern), *(remedy for remedy in told if not remedy.fits)]


def newest_run(ledger: LedgerPicture | None, subject: Subject) -> str:
    """The playbook of the newest run that began to change this, or what hangs on this node; "" where there is none."""
    for run in ledger.runs if ledger is not None else ():
        targets = [step.target for step in run.plan.steps] if run.plan is not None and run.begun else []
        of_node = subject.scope is Scope.NODE and any(target.node == subject.node for target in targets)
        if run.plan is not None and (of_node or any(target.subject == subject for target in targets)):
            return run.plan.playbook
    return ""
