"""What can go wrong in capture. Each message says what happened, what is safe and what to do next."""


class CaptureError(Exception):
    """Root of every error that capture_app raises on purpose."""


class CaptureConfigurationError(CaptureError):
    """TRAINING_CAPTURE or a call asks for something that is not configured."""


class InboxError(CaptureError):
    """A record could not be appended to the inbox. The call itself has its answer; only its example is missing."""


class LiveDatabaseError(CaptureError):
    """The live database cannot be used. Captured calls keep waiting in the inbox, where they are safe."""


class LiveDatabaseBusy(LiveDatabaseError):
    """Another process held the live database's lock for longer than the time allowed."""


class JobBusy(CaptureError):
    """Another run of the same job is at work. Nothing was changed."""


class UnexpectedAnswer(CaptureError):
    """A provider answered with something that is no answer to the call."""


class InvalidJudgment(CaptureError, ValueError):
    """What was said of an example cannot be stored. Nothing was changed."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}. Nothing was stored.")
        self.field = field


class ExampleForgotten(CaptureError):
    """The example was erased on request: nothing more is kept of it. Do not send it again."""


class ApiTokenError(CaptureError):
    """A token for the API cannot be made or revoked. Nothing was changed."""


class NotAuthenticated(CaptureError):
    """A request has no token that is known here."""


class NotAllowed(CaptureError):
    """A request's token is known, and does not let it do this: it lacks the scope, has expired, or was revoked."""


class BudgetSpent(CaptureError):
    """What the tasks may cost in this day or month is spent. Nothing was begun that costs more."""
