"""Writing the ZIP: it is replaced and never edited."""

import errno
import os
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, NoReturn

import pytest

from tests.unit.training_archive.material import (
    NAME,
    NEW,
    NEW_NAME,
    OLD,
    OLD_NAME,
    append_bytes,
    files_below,
    members_of,
    sidecar_of,
)
from training_archive.exceptions import ArchiveDamaged, ArchiveError
from training_archive.zip_archive import check_member, list_chunks, open_zip, read_sidecar
from training_archive.zip_writer import NewChunk, append_chunk, remove_if_empty, remove_unfinished, rewrite_zip

# --- Appending -------------------------------------------------------------------------------------------------------


def test_the_first_chunk_makes_the_zip_and_its_folder(tmp_path: Path) -> None:
    chunk = tmp_path / "chunk"
    chunk.write_bytes(NEW)
    sidecar = sidecar_of(NEW, name=NEW_NAME)

    append_chunk(tmp_path / "a" / "b" / "archive.zip", chunk, sidecar, compresslevel=9)

    expected = {f"{NEW_NAME}.duckdb": NEW, f"{NEW_NAME}.json": sidecar.to_json()}
    assert members_of(tmp_path / "a" / "b" / "archive.zip") == expected


def test_a_further_chunk_comes_after_the_others(archive: Path) -> None:
    append_bytes(archive, NEW, name=NEW_NAME)

    with open_zip(archive) as opened:
        assert [member.name for member in list_chunks(opened)] == [OLD_NAME, NEW_NAME]
        assert opened.testzip() is None


def test_an_append_leaves_every_old_byte_where_it_was(archive: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        end_of_members = opened.start_dir
    before = archive.read_bytes()[:end_of_members]

    append_bytes(archive, NEW, name=NEW_NAME)

    assert archive.read_bytes()[:end_of_members] == before


def test_an_append_keeps_what_others_put_into_the_zip(archive: Path) -> None:
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("README.txt", b"by hand")
        opened.comment = b"a comment"

    append_bytes(archive, NEW, name=NEW_NAME)

    assert members_of(archive)["README.txt"] == b"by hand"
    with zipfile.ZipFile(archive) as opened:
        assert opened.comment == b"a comment"


def test_an_append_keeps_the_permissions_of_the_zip(archive: Path) -> None:
    archive.chmod(0o640)

    append_bytes(archive, NEW, name=NEW_NAME)

    assert archive.stat().st_mode & 0o777 == 0o640


def test_an_append_takes_the_place_of_what_a_killed_run_left(archive: Path) -> None:
    archive.with_name(f".{archive.name}.appending").write_bytes(b"half a copy")

    append_bytes(archive, NEW, name=NEW_NAME)

    assert files_below(archive.parent) == {archive.name}


def test_a_reader_that_opened_the_old_zip_goes_on_reading_it(archive: Path) -> None:
    with open_zip(archive) as opened:
        append_bytes(archive, NEW, name=NEW_NAME)

        assert [member.name for member in list_chunks(opened)] == [OLD_NAME]
        assert opened.read(f"{OLD_NAME}.duckdb") == OLD


def test_a_chunk_that_does_not_shrink_is_kept_whole(archive: Path) -> None:
    noise = os.urandom(2**21 + 1)

    append_bytes(archive, noise, name=NEW_NAME)

    assert members_of(archive)[f"{NEW_NAME}.duckdb"] == noise


def refuse(*args: Any) -> NoReturn:
    raise OSError(errno.EXDEV, "Invalid cross-device link")


def copy_a_part_then_refuse() -> Callable[..., int]:
    real, calls = os.copy_file_range, 0

    def copy(source: int, target: int, count: int, *places: int) -> int:
        nonlocal calls
        calls += 1
        return real(source, target, 1000, *places) if calls == 1 else refuse()

    return copy


@pytest.mark.parametrize("copy", [refuse, copy_a_part_then_refuse()], ids=["at once", "after a part"])
def test_a_file_system_without_copy_file_range_is_copied_by_hand(
    archive: Path, monkeypatch: pytest.MonkeyPatch, copy: Callable[..., int]
) -> None:
    monkeypatch.setattr(os, "copy_file_range", copy)

    append_bytes(archive, NEW, name=NEW_NAME)

    assert members_of(archive)[f"{OLD_NAME}.duckdb"] == OLD
    assert members_of(archive)[f"{NEW_NAME}.duckdb"] == NEW


# --- Appends that fail -----------------------------------------------------------------------------------------------


def no_space(*args: Any, **kwargs: Any) -> NoReturn:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("owner", "operation"),
    [
        (os, "pwrite"),
        (zipfile.ZipFile, "writestr"),
        (zipfile.ZipFile, "_write_end_record"),
        (os, "fsync"),
        (Path, "replace"),
    ],
    ids=["copying", "adding the sidecar", "writing the directory", "flushing", "replacing"],
)
def test_a_disk_that_fills_up_leaves_the_zip_and_nothing_else(
    archive: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, operation: str
) -> None:
    before = archive.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(os, "copy_file_range", refuse)
        patched.setattr(owner, operation, no_space)
        with pytest.raises(ArchiveError, match=r"No space left on device.*It is as it was"):
            append_bytes(archive, NEW, name=NEW_NAME)

    assert archive.read_bytes() == before
    assert files_below(archive.parent) == {archive.name}


def test_an_interrupted_append_leaves_the_zip_and_nothing_else(archive: Path) -> None:
    before = archive.read_bytes()

    def interrupt(stage: str, done: int, total: int) -> None:
        if stage == "compressing the chunk":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        append_bytes(archive, NEW, name=NEW_NAME, progress=interrupt)

    assert archive.read_bytes() == before
    assert files_below(archive.parent) == {archive.name}


def test_a_chunk_that_does_not_come_back_as_it_went_in_is_not_appended(archive: Path) -> None:
    before = archive.read_bytes()
    wrong = sidecar_of(NEW, name=NEW_NAME, sha256="0" * 64)

    with pytest.raises(ArchiveDamaged, match="SHA-256"):
        append_bytes(archive, NEW, name=NEW_NAME, sidecar=wrong)

    assert archive.read_bytes() == before
    assert files_below(archive.parent) == {archive.name}


@pytest.mark.parametrize("content", [b"", b"no ZIP at all", b"PK\x03\x04 cut off"])
def test_what_is_no_zip_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "archive.zip"
    path.write_bytes(content)

    with pytest.raises(ArchiveDamaged, match="It was not changed"):
        append_bytes(path, NEW, name=NEW_NAME)

    assert path.read_bytes() == content
    assert files_below(tmp_path) == {path.name}


# --- Rewriting -------------------------------------------------------------------------------------------------------

THIRD_NAME = f"{NAME}-3"


@pytest.fixture
def three(archive: Path) -> Path:
    """A ZIP with three chunks, and what somebody else put into it."""
    append_bytes(archive, NEW, name=NEW_NAME)
    append_bytes(archive, b"third", name=THIRD_NAME)
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("README.txt", b"by hand")
        opened.comment = b"a comment"
    return archive


def new_chunk(folder: Path, content: bytes, name: str) -> NewChunk:
    path = folder / f"{name}.duckdb"
    path.write_bytes(content)
    return NewChunk(path, sidecar_of(content, name=name))


def test_what_is_taken_out_is_gone_and_all_else_stays(three: Path) -> None:
    before = members_of(three)

    rewrite_zip(three, {NEW_NAME: None}, compresslevel=1)

    assert members_of(three) == {name: content for name, content in before.items() if not name.startswith(NEW_NAME)}
    with zipfile.ZipFile(three) as opened:
        assert opened.testzip() is None
        assert opened.comment == b"a comment"
    assert NEW[:1000] not in three.read_bytes()


def test_a_chunk_takes_the_place_of_others(three: Path, tmp_path: Path) -> None:
    replacement = new_chunk(tmp_path, b"one for two", f"{NAME}-22")

    rewrite_zip(three, {OLD_NAME: replacement, NEW_NAME: None}, compresslevel=1)

    with open_zip(three) as opened:
        assert [member.name for member in list_chunks(opened)] == [f"{NAME}-22", THIRD_NAME]


def test_a_chunk_does_not_take_the_name_of_one_that_stays(three: Path, tmp_path: Path) -> None:
    before = three.read_bytes()

    with pytest.raises(ArchiveDamaged, match="holds another chunk"):
        rewrite_zip(three, {OLD_NAME: new_chunk(tmp_path, b"else", THIRD_NAME)}, compresslevel=1)

    assert three.read_bytes() == before


def test_the_file_behind_a_link_is_rewritten(three: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.zip"
    link.symlink_to(three)

    rewrite_zip(link, {NEW_NAME: None}, compresslevel=1)

    assert link.is_symlink()
    assert f"{NEW_NAME}.duckdb" not in members_of(three)


def test_a_chunk_may_be_replaced_under_its_own_name(three: Path, tmp_path: Path) -> None:
    rewrite_zip(three, {NEW_NAME: new_chunk(tmp_path, b"less", NEW_NAME)}, compresslevel=1)

    assert members_of(three)[f"{NEW_NAME}.duckdb"] == b"less"
    with open_zip(three) as opened:
        for member in list_chunks(opened):
            check_member(opened, member, read_sidecar(opened, member))


def test_a_zip_in_which_nothing_is_left_is_a_zip_until_it_is_removed(archive: Path) -> None:
    rewrite_zip(archive, {OLD_NAME: None}, compresslevel=1)
    assert members_of(archive) == {}

    remove_if_empty(archive)

    assert files_below(archive.parent) == set()


def test_an_empty_zip_goes_with_the_link_to_it(archive: Path, tmp_path: Path) -> None:
    rewrite_zip(archive, {OLD_NAME: None}, compresslevel=1)
    link = tmp_path / "archive.zip"
    link.symlink_to(archive)

    remove_if_empty(link)

    assert (link.is_symlink(), archive.exists()) == (False, False)


def test_a_zip_in_which_something_is_left_is_not_removed(archive: Path) -> None:
    before = archive.read_bytes()

    remove_if_empty(archive)

    assert archive.read_bytes() == before


def test_a_rewritten_zip_can_be_appended_to_and_unzipped(
    three: Path, tmp_path: Path, needs: Callable[[str], str]
) -> None:
    rewrite_zip(three, {OLD_NAME: None}, compresslevel=1)
    append_bytes(three, OLD, name=f"{NAME}-4")

    subprocess.run([needs("unzip"), "-q", "-t", three], check=True)
    assert members_of(three)[f"{NAME}-4.duckdb"] == OLD


def test_a_member_written_as_a_stream_is_copied_with_what_follows_it(tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    with path.open("wb") as file, zipfile.ZipFile(pipe(file), "w", zipfile.ZIP_DEFLATED) as streamed:
        for name in (OLD_NAME, NEW_NAME):
            streamed.writestr(f"{name}.duckdb", OLD)
            streamed.writestr(f"{name}.json", sidecar_of(OLD, name=name).to_json())

    rewrite_zip(path, {OLD_NAME: None}, compresslevel=1)

    assert members_of(path)[f"{NEW_NAME}.duckdb"] == OLD


def pipe(file: IO[bytes]) -> Any:
    """`file` as a pipe, which cannot go back: the ZIP gets data descriptors."""
    return SimpleNamespace(write=file.write, flush=file.flush)


@pytest.mark.parametrize("operation", [(os, "fsync"), (Path, "replace"), (zipfile.ZipFile, "_write_end_record")])
def test_a_rewrite_that_fails_leaves_the_zip_and_nothing_else(
    three: Path, monkeypatch: pytest.MonkeyPatch, operation: tuple[Any, str]
) -> None:
    before = three.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(*operation, no_space)
        with pytest.raises(ArchiveError, match=r"No space left on device.*everything in it is as it was"):
            rewrite_zip(three, {OLD_NAME: None}, compresslevel=1)

    assert three.read_bytes() == before
    assert files_below(three.parent) == {three.name}


def test_members_that_overlap_are_not_copied(three: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(three, "a") as opened:
        opened.infolist()[2].header_offset = opened.infolist()[0].header_offset + 40
        opened.writestr("more.txt", b"")
    before = three.read_bytes()

    with pytest.raises(ArchiveDamaged, match="It was not changed"):
        rewrite_zip(three, {THIRD_NAME: None}, compresslevel=1)

    assert three.read_bytes() == before


def test_what_killed_runs_left_beside_the_zips_is_removed(three: Path) -> None:
    for name in (".archive.zip.appending", ".archive-20260101.zip.appending", ".archive_other.zip.appending"):
        three.with_name(name).write_bytes(b"half a copy")

    remove_unfinished(three)

    assert files_below(three.parent) == {three.name, ".archive_other.zip.appending"}
