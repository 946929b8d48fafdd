"""Reading the ZIP: it is never trusted."""

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training_archive.material import (
    NAME,
    NEW,
    NEW_NAME,
    OLD,
    OLD_NAME,
    files_below,
    sidecar_of,
)
from training_archive.exceptions import ArchiveDamaged, ArchiveError
from training_archive.zip_archive import (
    ChunkMember,
    check_member,
    extract_chunk,
    find_chunk,
    list_chunks,
    open_zip,
    read_sidecar,
)

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


def places_of(path: Path, wanted: bytes) -> list[int]:
    content, places = path.read_bytes(), []
    place = content.find(wanted)
    while place >= 0:
        places.append(place)
        place = content.find(wanted, place + 1)
    return places


def overwrite(path: Path, place: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        file.write(content)


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

    with pytest.raises(ArchiveDamaged, match=f"{NAME}|overlap|before its first member"):
        extract_all(path, tmp_path / "out")


def test_never_more_bytes_are_written_than_the_directory_declares(forge: Callable[..., Path], tmp_path: Path) -> None:
    content = b"\0" * 2**24
    path = forge(content=content)
    for place in places_of(path, len(content).to_bytes(4, "little")):  # in the directory and at the member itself
        overwrite(path, place, (1000).to_bytes(4, "little"))

    with pytest.raises(ArchiveDamaged, match="goes on after 1000 bytes"):
        extract_all(path, tmp_path / "out")

    assert (tmp_path / "out" / f"{NAME}.duckdb").stat().st_size <= 1000


def test_a_chunk_larger_than_the_disk_is_refused_before_a_byte_is_written(tmp_path: Path) -> None:
    path, size = tmp_path / "archive.zip", shutil.disk_usage(tmp_path).free + 2**30
    info = zipfile.ZipInfo(f"{NAME}.duckdb")
    info.header_offset, info.CRC, info.file_size, info.compress_size = 0, 0, size, size
    with zipfile.ZipFile(path, "w") as archive:
        assert archive.fp is not None
        archive.fp.write(info.FileHeader(zip64=True))
        archive.fp.truncate(archive.fp.tell() + size)  # a hole: stored zeros that take no room
        archive.start_dir = archive.fp.seek(0, os.SEEK_END)
        archive.filelist.append(info)

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
