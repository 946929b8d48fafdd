"""What can go wrong in the loop. Each message says what happened, what is safe and what to do next."""

from collections.abc import Sequence

from capture_app.exceptions import CaptureError


class LoopError(CaptureError):
    """Any failure of continuous_training."""


class ExportRefused(LoopError):
    """A daily export that cannot be written as things are. Nothing was changed, and no example is lost."""


class TrainingFailed(LoopError):
    """A run that cannot succeed: its data, its base model or the service behind it refuse."""


class TrainingCancelled(LoopError):
    """Somebody asked for the run to stop."""


class TrainingRefused(LoopError):
    """A run that was asked for and not accepted. Nothing was begun, and nothing is kept of it."""


class NoSuchRun(LoopError):
    """There is no training run of that name."""


class RunTaken(LoopError):
    """Another worker has the run by now, or it is over. This one stops, and leaves it alone."""


class ServiceSilent(LoopError):
    """A service gave no answer that can be understood. Nothing is known to have failed; it is asked again."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds, as the service wishes


class NothingNew(TrainingRefused):
    """There is no pair that the task's last run was not given."""


class EvaluationRefused(LoopError):
    """An evaluation that was asked for and cannot be made. No model was asked."""


class GoldSetInvalid(EvaluationRefused):
    """A gold file that is no gold file, or lines of it that are none."""

    def __init__(self, message: str, *, faults: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.faults = faults  # each with file and line


class EvaluationStopped(LoopError):
    """A model can no longer be asked. What was answered is kept; the same evaluation goes on with it."""


class JudgeMissing(LoopError):
    """There is no model that could be the judge. What was answered is kept."""


class JudgeUnreachable(LoopError):
    """The judge did not answer this time."""


class PromotionRefused(LoopError):
    """A promotion that cannot be decided so. Neither it nor the route was changed."""
