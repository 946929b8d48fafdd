"""What can go wrong with conversations and training files. Each message says what happened, what is safe, what next."""

from collections.abc import Sequence

from capture_app.exceptions import CaptureError


class TrainingFilesError(CaptureError):
    """Root of every error that training_files raises on purpose."""


class InvalidRequest(TrainingFilesError):
    """What was asked for cannot be done as it was asked. Nothing was changed."""

    def __init__(self, problem: str, *, field: str = "", conversation_ids: Sequence[str] = ()) -> None:
        super().__init__(f"{problem} Nothing was changed.")
        self.field = field  # of the request; "": none alone
        self.conversation_ids = list(conversation_ids)  # those that are why


class NotFound(TrainingFilesError):
    """There is no training file, version or conversation of that id."""


class NameTaken(TrainingFilesError):
    """Another training file has the name. Nothing was changed."""


class NotOwner(TrainingFilesError):
    """Only its owner, or somebody with the right to change all, may change a training file. Nothing was changed."""


class FileClosed(TrainingFilesError):
    """An archived training file takes no changes until it is opened again. Nothing was changed."""


class InvalidConversation(TrainingFilesError):
    """A file is no conversation of version 4. Nothing of it was taken in."""

    def __init__(self, source: str, faults: Sequence[str]) -> None:
        self.source, self.faults = source, list(faults)
        first = "; ".join(self.faults[:5])
        more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
        super().__init__(f"{source} is not as version 4 has it: {first}{more}. Nothing of it was taken in.")


class PartDamaged(TrainingFilesError):
    """A part of a training file in the storage is missing, or is not what was written."""
