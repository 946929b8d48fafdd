"""Training runs: what people, tasks and commands ask for. `advancing` tells of their states."""

from continuous_training.training.advancing import advance_run
from continuous_training.training.claims import get_run
from continuous_training.training.following import cancel_here, follow_run
from continuous_training.training.requesting import cancel_run, request_run
from continuous_training.training.resuming import resume_runs

__all__ = [
    "advance_run",
    "cancel_here",
    "cancel_run",
    "follow_run",
    "get_run",
    "request_run",
    "resume_runs",
]
