"""What the supervisor's actions mean to an operator, in one line each, for the status page."""

from wiverno.workers import actions


def describe_action(action: actions.Action) -> str:
    """Return what an action tells, "" if it is not worth a line."""
    match action:
        case actions.Restart(pid=pid, reason=reason, pause=pause):
            return f"worker {pid} {reason}; restarting {f'in {pause:g} s' if pause else 'now'}"
        case actions.Drain(pid=pid, replaced=replaced) if replaced:
            return f"worker {pid} replaced ({replaced}), draining"
        case actions.DumpStacks(pid=pid, limit=limit):
            return f"worker {pid}: no heartbeat for {limit:g} s (worker_timeout); dumping its stacks"
        case actions.AnnounceReady(count=number):
            return f"ready: {count(number)}"
        case actions.CompleteReload():
            return "reloaded: the new workers are ready, draining the old ones"
        case actions.AbortReload(reason=reason):
            return f"reload aborted: {reason}"
        case actions.FailReload(reason=reason):
            return f"reload failed, still running the previous configuration: {reason}"
        case actions.StopAccepting(count=number):
            return f"shutting down: no new connections; draining {count(number)}"
    return ""


def count(number: int, noun: str = "worker") -> str:
    """Return a number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
