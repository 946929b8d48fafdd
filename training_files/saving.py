"""A training file built and saved as files, for scripts: `build_training_file`. Killed, and run again, it goes on."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from uuid import UUID

from capture_app.files import fsync_directory
from capture_app.progress import Progress, silent
from training_files.actors import SHELL
from training_files.builds import ids_of, pending_build, run_build, start_new_build
from training_files.creating import NewFile, valid_name
from training_files.describing import Described, conversations_in, describe, get_training_file
from training_files.downloads import filename
from training_files.exceptions import NameTaken
from training_files.finding import ids_of_enriched
from training_files.joining import FORMATS, blocks
from training_files.models import Build, TrainingFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What is in the folder now."""

    training_file: UUID
    name: str
    version: int
    conversations: int
    pairs: int
    paths: dict[str, Path]  # by format
    bytes: dict[str, int]  # by format
    left_out: str = ""  # what its build says of that; "" for nothing, and for no build


def build_and_save(
    name: str, *, conversation_ids: Sequence[str] | None, folder: Path, progress: Progress = silent
) -> Saved:
    """Make the training file of these conversations, or of all that are completed (None), and write it to the folder.

    A build of that name that was begun and not finished goes on. One that is finished is only written, if it holds just
    these conversations. Raises NameTaken when it holds others, and as `start_new_build` and `run_build` do.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file_id, build = _begun(name, conversation_ids)
    left_out = run_build(build.pk, progress=progress).problem if build else ""
    return replace(save(describe(get_training_file(file_id)), folder, progress), left_out=left_out)


def save(described: Described, folder: Path, progress: Progress = silent) -> Saved:
    """Write a version into the folder in both formats. Each file is whole, or the one that was there."""
    paths = {each: folder / filename(described, each) for each in FORMATS}
    for each, path in paths.items():
        _write(path, _counted(described, each, progress))
    return Saved(
        training_file=described.file.pk,
        name=described.version.file_name,
        version=described.version.number,
        conversations=described.figures.conversations,
        pairs=described.figures.pairs,
        paths=paths,
        bytes={each: described.size(each) for each in FORMATS},
    )


def _begun(name: str, conversation_ids: Sequence[str] | None) -> tuple[UUID, Build | None]:
    """The training file, and the build that it needs yet: that of an earlier time, or a new one."""
    known = TrainingFile.objects.filter(name=valid_name(name)).first()
    if known is None:
        ids = ids_of_enriched() if conversation_ids is None else conversation_ids
        new = start_new_build(NewFile(name=name), conversation_ids=ids, by=SHELL)
        return new.training_file_id, new
    build = pending_build(known)
    if build is not None and (conversation_ids is None or ids_of(build) == list(conversation_ids)):
        return known.pk, build
    wanted = ids_of_enriched() if conversation_ids is None else conversation_ids
    if build is not None or not _are_equal(wanted, (held for held, _ in conversations_in(known.pk))):
        raise NameTaken(
            f"There is a training file {known.name!r}, and it holds, or is being built of, other conversations than "
            "these. Nothing was changed; choose another name, or add and remove conversations by the API or the admin."
        )
    return known.pk, None


def _are_equal(one: Iterable[str], other: Iterable[str]) -> bool:
    return all(a == b for a, b in zip_longest(one, other))


def _counted(described: Described, format: str, progress: Progress) -> Iterator[bytes]:  # noqa: A002  (as the API has it)
    done, size = 0, described.size(format)
    for block in blocks(described, format):
        done += len(block)
        progress(f"writing {format}", done, size)
        yield block


def _write(path: Path, content: Iterator[bytes]) -> None:
    """By rename, when the last byte is on the disk; for ourselves alone to read, as exports are."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            temporary.chmod(0o600)
            file.writelines(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_directory(path.parent)
