"""What can go wrong in the archive. Each message says what happened, what is safe and what to do next."""


class ArchiveError(Exception):
    """Root of every error that training_archive raises on purpose."""


class ArchiveBusy(ArchiveError):
    """Another run is archiving into the same ZIP. Nothing was changed."""


class ArchiveDamaged(ArchiveError):
    """A ZIP, or a member of it, is not what it says it is."""
