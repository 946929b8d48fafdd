"""What can go wrong in an export. Each message says what happened, what is safe and what to do next."""

from training_archive.exceptions import ArchiveError


class ExportError(ArchiveError):
    """A data set could not be written, or was not asked for in a way that can be. Nothing half-written is left."""


class NothingToExport(ExportError):
    """No example was left to write. Nothing was written."""


class ExportBusy(ExportError):
    """Another run is writing into the same folder. Nothing was changed."""
