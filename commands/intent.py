"""What a plan comes to, in a word or two: of the screen, of plan files and of what has drifted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provision.provider import Plan


def intent(planned: Plan) -> str:
    """What apply would do, in a word or two."""
    actions = {step.action for step in planned.steps}
    if not planned.changes:
        return "as wanted already"
    if planned.loses_disk:
        return "to rebuild"
    if "create" in actions:
        return "to create"
    if actions & {"redefine", "configure"}:
        return "to change"
    return "to start" if "start" in actions else "to stop"
