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
    """A training file that is archived, being built or half built takes no changes. Nothing was changed."""


class ChangedMeanwhile(TrainingFilesError):
    """Somebody else changed the same thing at the same time. Asked again, it will most likely do."""


class InvalidConversation(TrainingFilesError):
    """A file is no conversation of version 4. Nothing of it was taken in."""

    def __init__(self, source: str, faults: Sequence[str]) -> None:
        self.source, self.faults = source, list(faults)
        first = "; ".join(self.faults[:5])
        more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
        super().__init__(f"{source} is not as version 4 has it: {first}{more}. Nothing of it was taken in.")


class PartDamaged(TrainingFilesError):
    """A part of a training file in the storage is missing, or is not what was written."""


class SweptAway(TrainingFilesError):
    """What was written was not named in time, so a sweep took it. Nothing was changed; it is to be done again."""


class BuildStopped(TrainingFilesError):
    """A build was taken over by another process, or ended by a person. What it had added is there."""


class DownloadRefused(TrainingFilesError):
    """The link of a download is not, or no longer, good. Ask for a new one."""
