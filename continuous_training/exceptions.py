"""What can go wrong in the loop. Each message says what happened, what is safe and what to do next."""

from capture_app.exceptions import CaptureError


class LoopError(CaptureError):
    """Any failure of continuous_training."""


class TrainingFailed(LoopError):
    """A run that cannot succeed: its data, its base model or the service behind it refuse."""


class TrainingCancelled(LoopError):
    """Somebody asked for the run to stop."""
