"""Where the examples are."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError

from capture_app.jobs import describe
from capture_app.models import Job
from capture_app.services import CaptureStatus, capture_status
from training_archive.archive_set import read_sidecars
from training_archive.cold.ledger import ColdPart, cold_parts
from training_archive.conf import archive_settings
from training_archive.dated_names import archive_zips
from training_archive.exceptions import ArchiveError
from training_archive.models import Erasure
from training_archive.removed_chunks import leaving_chunks
from training_archive.sealed import sealed_files
from training_archive.shipping.service import SHIP


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipStatus:
    """One ZIP of the archive."""

    name: str
    size: int  # bytes
    chunks: int
    rows: int
    last_chunk_at: datetime | None  # aware


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveStatus:
    """Where the examples are, from the inbox to the ZIPs."""

    capture: CaptureStatus
    jobs: list[Job]  # by name
    sealed_files: int
    zip_path: Path  # the active one; there may be none yet
    zips: list[ZipStatus]  # oldest first; those that can be read
    cold: list[ColdPart]  # in cold storage, oldest first
    pending_erasures: int
    leaving_chunks: int  # a run that removes them is at work, or was killed
    problem: str  # why figures of a ZIP or of the jobs are missing; "" when they are not

    @property
    def zip_size(self) -> int:
        return sum(archive.size for archive in self.zips)

    @property
    def chunks(self) -> int:
        return sum(archive.chunks for archive in self.zips)

    @property
    def rows(self) -> int:
        return sum(archive.rows for archive in self.zips)

    @property
    def last_chunk_at(self) -> datetime | None:
        return max((archive.last_chunk_at for archive in self.zips if archive.last_chunk_at), default=None)

    @property
    def last_shipped_at(self) -> datetime | None:
        return next((job.last_success_at for job in self.jobs if job.name == SHIP), None)

    @property
    def last_chunk_age(self) -> timedelta | None:
        return datetime.now(UTC) - self.last_chunk_at if self.last_chunk_at else None


def archive_status(*, zip_path: Path | None = None) -> ArchiveStatus:
    """Count what is where. Takes the live database's lock for the moment of a count."""
    zip_path = (zip_path or archive_settings().zip_path).resolve()
    zips, problems = _zips(zip_path)
    cold, cold_problem = _cold(zip_path)
    jobs, pending, job_problem = _recorded()
    return ArchiveStatus(
        capture=capture_status(),
        jobs=jobs,
        sealed_files=len(sealed_files()),
        zip_path=zip_path,
        zips=zips,
        cold=cold,
        pending_erasures=pending,
        leaving_chunks=len(leaving_chunks(zip_path)),
        problem=" ".join([*problems, *filter(None, [cold_problem, job_problem])]),
    )


def _zips(zip_path: Path) -> tuple[list[ZipStatus], list[str]]:
    """The ZIPs, and why some cannot be read: the other figures are wanted all the more."""
    found: list[ZipStatus] = []
    problems: list[str] = []
    for path in archive_zips(zip_path):
        try:
            found.append(_zip_status(path))
        except ArchiveError as error:
            problems.append(str(error))
    return found, problems


def _cold(zip_path: Path) -> tuple[list[ColdPart], str]:
    """As _zips, for what this host knows of cold storage."""
    try:
        return cold_parts(zip_path), ""
    except ArchiveError as error:
        return [], str(error)


def _zip_status(path: Path) -> ZipStatus:
    sidecars = read_sidecars(path)
    return ZipStatus(
        name=path.name,
        size=path.stat().st_size if path.exists() else 0,
        chunks=len(sidecars),
        rows=sum(sidecar.rows for sidecar in sidecars),
        last_chunk_at=max((datetime.fromisoformat(sidecar.created_at) for sidecar in sidecars), default=None),
    )


def _recorded() -> tuple[list[Job], int, str]:
    """As _zips, for the jobs and the requests to forget."""
    try:
        return list(Job.objects.all()), Erasure.objects.filter(finished_at=None).count(), ""
    except (DatabaseError, ImproperlyConfigured) as error:
        return (
            [],
            0,
            (
                f"Django's database does not say what the jobs did: {describe(error)}. If it has no tables yet, run "
                "`manage.py migrate`."
            ),
        )
