"""The ZIP: replaced and never edited, and never trusted."""

import errno
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.unit.training_archive.material import NAME, files_below, sidecar_of
from training_archive.chunks import Sidecar
from training_archive.exceptions import ArchiveDamaged, ArchiveError
from training_archive.zip_archive import (
    ChunkMember,
    append_chunk,
    check_member,
    extract_chunk,
    find_chunk,
    list_chunks,
    open_zip,
    read_sidecar,
)

# The ZIP neither knows nor cares that a chunk is a DuckDB file; these are larger than one read.
OLD, NEW = b"old examples " * 100_000, b"new examples " * 100_000
OLD_NAME, NEW_NAME = NAME, f"{NAME}-2"


def append(zip_path: Path, content: bytes, *, name: str, sidecar: Sidecar | None = None, **options: Any) -> Sidecar:
    chunk = zip_path.parent / "chunk being added"
    chunk.write_bytes(content)
    sidecar = sidecar or sidecar_of(content, name=name)
    try:
        append_chunk(zip_path, chunk, sidecar, compresslevel=1, **options)
    finally:
        chunk.unlink()
    return sidecar


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A ZIP that holds one chunk."""
    path = tmp_path / "zip" / "archive.zip"
    path.parent.mkdir()
    append(path, OLD, name=OLD_NAME)
    return path


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


# --- Appending -------------------------------------------------------------------------------------------------------


def test_the_first_chunk_makes_the_zip_and_its_folder(tmp_path: Path) -> None:
    chunk = tmp_path / "chunk"
    chunk.write_bytes(NEW)
    sidecar = sidecar_of(NEW, name=NEW_NAME)

    append_chunk(tmp_path / "a" / "b" / "archive.zip", chunk, sidecar, compresslevel=9)

    expected = {f"{NEW_NAME}.duckdb": NEW, f"{NEW_NAME}.json": sidecar.to_json()}
    assert members_of(tmp_path / "a" / "b" / "archive.zip") == expected


def test_a_further_chunk_comes_after_the_others(archive: Path) -> None:
    append(archive, NEW, name=NEW_NAME)

    with open_zip(archive) as opened:
        assert [member.name for member in list_chunks(opened)] == [OLD_NAME, NEW_NAME]
        assert opened.testzip() is None


def test_an_append_leaves_every_old_byte_where_it_was(archive: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        end_of_members = opened.start_dir
    before = archive.read_bytes()[:end_of_members]

    append(archive, NEW, name=NEW_NAME)

    assert archive.read_bytes()[:end_of_members] == before


def test_an_append_keeps_what_others_put_into_the_zip(archive: Path) -> None:
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("README.txt", b"by hand")
        opened.comment = b"a comment"

    append(archive, NEW, name=NEW_NAME)

    assert members_of(archive)["README.txt"] == b"by hand"
    with zipfile.ZipFile(archive) as opened:
        assert opened.comment == b"a comment"


def test_an_append_keeps_the_permissions_of_the_zip(archive: Path) -> None:
    archive.chmod(0o640)

    append(archive, NEW, name=NEW_NAME)

    assert archive.stat().st_mode & 0o777 == 0o640


def test_an_append_takes_the_place_of_what_a_killed_run_left(archive: Path) -> None:
    archive.with_name(f".{archive.name}.appending").write_bytes(b"half a copy")

    append(archive, NEW, name=NEW_NAME)

    assert files_below(archive.parent) == {archive.name}


def test_a_reader_that_opened_the_old_zip_goes_on_reading_it(archive: Path) -> None:
    with open_zip(archive) as opened:
        append(archive, NEW, name=NEW_NAME)

        assert [member.name for member in list_chunks(opened)] == [OLD_NAME]
        assert opened.read(f"{OLD_NAME}.duckdb") == OLD


def test_a_chunk_that_does_not_shrink_is_kept_whole(archive: Path) -> None:
    noise = os.urandom(2**21 + 1)

    append(archive, noise, name=NEW_NAME)

    assert members_of(archive)[f"{NEW_NAME}.duckdb"] == noise


def refuse(*args: Any) -> NoReturn:
    raise OSError(errno.EXDEV, "Invalid cross-device link")


def copy_a_part_then_refuse() -> Callable[[int, int, int], int]:
    real, calls = os.copy_file_range, 0

    def copy(source: int, target: int, count: int) -> int:
        nonlocal calls
        calls += 1
        return real(source, target, 1000) if calls == 1 else refuse()

    return copy


@pytest.mark.parametrize("copy", [refuse, copy_a_part_then_refuse()], ids=["at once", "after a part"])
def test_a_file_system_without_copy_file_range_is_copied_by_hand(
    archive: Path, monkeypatch: pytest.MonkeyPatch, copy: Callable[..., int]
) -> None:
    monkeypatch.setattr(os, "copy_file_range", copy)

    append(archive, NEW, name=NEW_NAME)

    assert members_of(archive)[f"{OLD_NAME}.duckdb"] == OLD
    assert members_of(archive)[f"{NEW_NAME}.duckdb"] == NEW


# --- Appends that fail -----------------------------------------------------------------------------------------------


def no_space(*args: Any, **kwargs: Any) -> NoReturn:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("owner", "operation"),
    [
        (shutil, "copyfileobj"),
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
            append(archive, NEW, name=NEW_NAME)

    assert archive.read_bytes() == before
    assert files_below(archive.parent) == {archive.name}


def test_an_interrupted_append_leaves_the_zip_and_nothing_else(archive: Path) -> None:
    before = archive.read_bytes()

    def interrupt(stage: str, done: int, total: int) -> None:
        if stage == "compressing the chunk":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        append(archive, NEW, name=NEW_NAME, progress=interrupt)

    assert archive.read_bytes() == before
    assert files_below(archive.parent) == {archive.name}


def test_a_chunk_that_does_not_come_back_as_it_went_in_is_not_appended(archive: Path) -> None:
    before = archive.read_bytes()
    wrong = sidecar_of(NEW, name=NEW_NAME, sha256="0" * 64)

    with pytest.raises(ArchiveDamaged, match="SHA-256"):
        append(archive, NEW, name=NEW_NAME, sidecar=wrong)

    assert archive.read_bytes() == before
    assert files_below(archive.parent) == {archive.name}


@pytest.mark.parametrize("content", [b"", b"no ZIP at all", b"PK\x03\x04 cut off"])
def test_what_is_no_zip_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "archive.zip"
    path.write_bytes(content)

    with pytest.raises(ArchiveDamaged, match="It was not changed"):
        append(path, NEW, name=NEW_NAME)

    assert path.read_bytes() == content
    assert files_below(tmp_path) == {path.name}


# --- Reading ---------------------------------------------------------------------------------------------------------


def test_a_missing_zip_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="archive_training_data"), open_zip(tmp_path / "archive.zip"):
        pass


def test_a_chunk_is_found_by_its_name(archive: Path) -> None:
    with open_zip(archive) as opened:
        found = find_chunk(opened, OLD_NAME)
        assert found is not None
        assert read_sidecar(opened, found) == sidecar_of(OLD, name=OLD_NAME)
        assert find_chunk(opened, NEW_NAME) is None


def test_an_extracted_chunk_has_every_byte(archive: Path, tmp_path: Path) -> None:
    with open_zip(archive) as opened:
        path = extract_chunk(opened, list_chunks(opened)[0], tmp_path)

    assert path == tmp_path / f"{OLD_NAME}.duckdb"
    assert path.read_bytes() == OLD


# --- Hostile ZIPs ----------------------------------------------------------------------------------------------------


@pytest.fixture
def forge(tmp_path: Path) -> Callable[..., Path]:
    """A ZIP with one member and its sidecar; `lies` are what the ZIP's directory says of the member instead."""

    def make(member: str = f"{NAME}.duckdb", *, content: bytes = OLD, **lies: Any) -> Path:
        path = tmp_path / "forged" / "archive.zip"
        path.parent.mkdir()
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(member, content)
            archive.writestr(member.removesuffix(".duckdb") + ".json", sidecar_of(content).to_json())
            info = archive.infolist()[0]
            for fact, value in lies.items():
                setattr(info, fact, value)
        return path

    return make


def extract_all(path: Path, folder: Path) -> list[ChunkMember]:
    folder.mkdir()
    with open_zip(path) as archive:
        members = list_chunks(archive)
        for member in members:
            extract_chunk(archive, member, folder)
    return members


@pytest.mark.parametrize(
    "filename",
    [
        "../evil.duckdb",
        f"../{NAME}.duckdb",
        f"/tmp/{NAME}.duckdb",
        f"folder/{NAME}.duckdb",
        f"..\\{NAME}.duckdb",
        f"C:\\{NAME}.duckdb",
        "llm_training_chunk_../../evil.duckdb",
        f"{NAME}.duckdb/",
        f"{NAME}.DUCKDB",
    ],
)
def test_a_member_whose_name_leads_elsewhere_is_no_chunk(
    forge: Callable[..., Path], tmp_path: Path, filename: str
) -> None:
    path = forge(filename)
    before = files_below(tmp_path)

    assert extract_all(path, tmp_path / "out") == []
    assert files_below(tmp_path) == before | {"out"}


def test_two_members_of_one_name_are_damage(forge: Callable[..., Path]) -> None:
    path = forge()
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(f"{NAME}.duckdb", b"another")

    with open_zip(path) as archive, pytest.raises(ArchiveDamaged, match="two members of the same name"):
        list_chunks(archive)


@pytest.mark.parametrize(
    "lies",
    [
        {"file_size": len(OLD) + 1},
        {"file_size": len(OLD) - 1},
        {"compress_size": 10},
        {"CRC": 1},
        {"flag_bits": 0x1},
        {"compress_type": 99},
        {"header_offset": 10},
        {"filename": f"{NAME}-2.duckdb"},
    ],
    ids=[
        "too large a size",
        "too small a size",
        "cut off",
        "another CRC",
        "encrypted",
        "an unknown method",
        "another place",
        "another name than at the member itself",
    ],
)
def test_a_directory_that_lies_about_a_chunk_is_damage(
    forge: Callable[..., Path], tmp_path: Path, lies: dict[str, Any]
) -> None:
    path = forge(**lies)

    with pytest.raises(ArchiveDamaged, match=NAME):
        extract_all(path, tmp_path / "out")


def test_never_more_bytes_are_written_than_the_directory_declares(forge: Callable[..., Path], tmp_path: Path) -> None:
    bomb = forge(content=b"\0" * 2**24, file_size=1000)

    with pytest.raises(ArchiveDamaged):
        extract_all(bomb, tmp_path / "out")

    assert (tmp_path / "out" / f"{NAME}.duckdb").stat().st_size <= 1000


def test_a_chunk_larger_than_the_disk_is_refused_before_a_byte_is_written(
    forge: Callable[..., Path], tmp_path: Path
) -> None:
    path = forge(file_size=2**60)

    with pytest.raises(ArchiveError, match="Free some"):
        extract_all(path, tmp_path / "out")

    assert files_below(tmp_path / "out") == set()


def test_a_chunk_without_a_sidecar_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{NAME}.duckdb", OLD)

    with open_zip(path) as archive, pytest.raises(ArchiveDamaged, match="has no sidecar"):
        read_sidecar(archive, list_chunks(archive)[0])


def test_a_sidecar_of_absurd_size_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{NAME}.duckdb", OLD)
        archive.writestr(f"{NAME}.json", b" " * (17 * 2**20))

    with open_zip(path) as archive, pytest.raises(ArchiveDamaged, match="no sidecar is that large"):
        read_sidecar(archive, list_chunks(archive)[0])


def test_a_chunk_with_another_content_than_its_sidecar_says_is_damage(archive: Path) -> None:
    with open_zip(archive) as opened, pytest.raises(ArchiveDamaged, match="SHA-256"):
        check_member(opened, list_chunks(opened)[0], sidecar_of(NEW))
