"""What is readable of damaged ZIPs, saved into new ones beside them. The damaged ones are not touched."""

import shlex
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capture_app.conf import capture_settings
from capture_app.files import fsync_file, scratch_directory
from capture_app.models import ForgottenExample
from capture_app.progress import Progress, silent
from training_archive.chunks import Sidecar
from training_archive.conf import archive_settings
from training_archive.dated_names import archive_zips
from training_archive.exceptions import ArchiveError
from training_archive.locks import only_run
from training_archive.rescue import Lost, Mended, Rescue, Rescued
from training_archive.salvage import Allowance, find_members
from training_archive.sealed import sealed_files, sealed_folder
from training_archive.services.verify import STRAY, Problem, check_file
from training_archive.zip_names import is_plain_name
from training_archive.zip_writer import replacing, successor_of

_REPAIRED: Final = ".repaired"  # comes before the suffix of a ZIP
_ASIDE: Final = ".damaged"  # comes behind it


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairedZip:
    """What was saved of one damaged ZIP."""

    damaged: Path
    repaired: Path | None  # None: there was nothing to save
    problems: list[Problem]  # of the damaged one
    chunks: list[Sidecar]  # in the repaired one
    mended: list[Mended]
    lost: list[Lost]
    commands: list[str]  # to be run next, in this order

    @property
    def rows(self) -> int:
        return sum(chunk.rows for chunk in self.chunks)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairReport:
    """What repairing the archive did."""

    zip_path: Path  # the active one
    sound: list[str]  # names of the ZIPs that need no repair
    repaired: list[RepairedZip]

    @property
    def is_complete(self) -> bool:
        """Whether nothing was lost."""
        return not any(each.lost for each in self.repaired)


def repair_archive(
    *, zip_path: Path | None = None, output: Path | None = None, progress: Progress = silent
) -> RepairReport:
    """Save what is readable of each ZIP that has problems into a new one, `<name>.repaired.zip` beside it.

    `output` is another folder, or, when one ZIP is damaged, another file; nothing is ever overwritten. Each new ZIP is
    verified as verify_archive does before it gets its name. Interrupted, it is not there, and all is as it was.

    Raises ArchiveBusy while a run changes the archive, ArchiveError when there is no ZIP, or no place for a new one.
    """
    zip_path = (zip_path or archive_settings().zip_path).resolve()
    paths = archive_zips(zip_path)
    if not paths:
        raise ArchiveError(f"There is no archive at {zip_path}. Nothing was changed; check --zip-path.")
    with only_run(sealed_folder(), zip_path), scratch_directory(capture_settings().data_dir) as scratch:
        for path in paths:
            successor_of(_repaired_name(path)).unlink(missing_ok=True)  # of a repair that was killed
        damaged = {path: problems for path in paths if (problems := _damage(path, scratch, progress))}
        targets = _targets(list(damaged), output)
        repaired = [
            _repair(path, target, problems, scratch, zip_path, progress)
            for (path, problems), target in zip(damaged.items(), targets, strict=True)
        ]
    sound = [path.name for path in paths if path not in damaged]
    return RepairReport(zip_path=zip_path, sound=sound, repaired=repaired)


def _damage(path: Path, scratch: Path, progress: Progress) -> list[Problem]:
    """What is wrong with the ZIP, but for files of another kind, which do no harm and stay."""
    return [each for each in check_file(path, scratch, progress)[1] if not _is_harmless(each)]


def _is_harmless(problem: Problem) -> bool:
    return problem.reason == STRAY and is_plain_name(problem.member)


def _repaired_name(path: Path) -> Path:
    return path.with_name(f"{path.stem}{_REPAIRED}{path.suffix}")


def _targets(damaged: Sequence[Path], output: Path | None) -> list[Path]:
    """Where the new ZIPs are to be; ArchiveError unless they can be made there and nothing is there yet."""
    names = [_repaired_name(path) for path in damaged]
    if output is not None:
        output = output.resolve()
        if not output.is_dir() and len(damaged) > 1:
            raise ArchiveError(f"{len(damaged)} ZIPs are damaged. Nothing was changed; name a folder with --output.")
        names = [output / name.name if output.is_dir() else output for name in names]
    for path, name in zip(damaged, names, strict=True):
        if name.exists() or name.is_symlink():
            raise ArchiveError(f"{name} is there already. Nothing was changed; move it away, or use --output.")
        if not name.parent.is_dir():
            raise ArchiveError(f"There is no folder {name.parent}. Nothing was changed; make it, or use --output.")
        needed, free = path.stat().st_size, shutil.disk_usage(name.parent).free
        if needed > free:
            raise ArchiveError(
                f"The new ZIP needs up to {needed} bytes and {name.parent} has {free} free. Nothing was changed; free "
                "some, or name another folder with --output."
            )
    return names


def _repair(
    path: Path, target: Path, problems: list[Problem], scratch: Path, zip_path: Path, progress: Progress
) -> RepairedZip:
    with replacing(target, "written", "the damaged ZIP is as it was") as temporary:
        rescued = _rescue(path, temporary, scratch, progress)
        saved = bool(rescued.chunks or rescued.others)
        if saved:
            _refuse_problems(temporary, scratch, progress)
            shutil.copymode(path, temporary)
            fsync_file(temporary)
            temporary.replace(target)
    repaired = target if saved else None
    return RepairedZip(
        damaged=path,
        repaired=repaired,
        problems=problems,
        chunks=rescued.chunks,
        mended=rescued.mended,
        lost=rescued.lost,
        commands=_commands(path, repaired, zip_path),
    )


def _rescue(path: Path, temporary: Path, scratch: Path, progress: Progress) -> Rescued:
    allowance = Allowance.for_zip(path)
    with path.open("rb") as source, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as new:
        rescue = Rescue(
            source,
            new,
            scratch=scratch,
            allowance=allowance,
            compresslevel=archive_settings().compresslevel,
            waiting={sealed.stem for sealed in sealed_files()},
            forgotten=ForgottenExample.objects.values_list("pk", flat=True),
            progress=progress,
        )
        return rescue.run(*find_members(path, source, allowance))


def _refuse_problems(temporary: Path, scratch: Path, progress: Progress) -> None:
    problems = _damage(temporary, scratch, progress)
    if problems:
        raise zipfile.BadZipFile(f"it did not come back as it was written: {problems[0]}")


def _commands(path: Path, repaired: Path | None, zip_path: Path) -> list[str]:
    """What puts the new ZIP in the place of the damaged one, which is kept; -n, so that nothing is overwritten."""
    aside = path.with_name(path.name + _ASIDE)
    moves = [(path, aside), (repaired, path)] if repaired else [(path, aside)]
    index = "python manage.py rebuild_example_index"
    if zip_path != archive_settings().zip_path.resolve():
        index += f" --zip-path {shlex.quote(str(zip_path))}"
    return [f"mv -n -- {shlex.quote(str(old))} {shlex.quote(str(new))}" for old, new in moves] + [index]
