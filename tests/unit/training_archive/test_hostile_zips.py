"""ZIPs made to do harm, and ZIPs of which a part is gone: all are refused, and the reason is told."""

import json
import os
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from capture_app.example import COLUMNS
from tests.unit.training_archive.forging import (
    Member,
    deflated,
    end_facts,
    end_of,
    entry_of,
    head_of,
    many_members,
    with_end,
    with_end64,
    with_hidden_zip,
    zip_of,
)
from tests.unit.training_archive.material import (
    NAME,
    append_bytes,
    files_below,
    row,
    sidecar_of,
    write_archive,
    write_odd_database,
)
from training_archive.chunks import Sidecar
from training_archive.exceptions import ArchiveDamaged, ArchiveError
from training_archive.reader import iter_chunks, iter_examples, load_into
from training_archive.services import verify_archive
from training_archive.zip_archive import check_member, extract_chunk, list_chunks, open_zip, read_sidecar


@pytest.fixture(scope="module")
def chunk(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """A real chunk and its sidecar."""
    path = tmp_path_factory.mktemp("chunk") / "archive.zip"
    [sidecar] = write_archive(path, [row("a")])
    with zipfile.ZipFile(path) as archive:
        content = archive.read(f"{sidecar.chunk}.duckdb")
    return content, replace(sidecar, chunk=NAME).to_json()


@pytest.fixture
def pair(chunk: tuple[bytes, bytes]) -> Callable[..., list[Member]]:
    """The chunk and its sidecar as members; `lies` are of the chunk."""

    def make(**lies: Any) -> list[Member]:
        content, sidecar = chunk
        return [
            replace(Member(f"{NAME}.duckdb".encode(), content), **lies),
            Member(f"{NAME}.json".encode(), sidecar),
        ]

    return make


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "zips").mkdir()
    return tmp_path / "zips" / "archive.zip"


def reasons(path: Path) -> list[str]:
    """Why each way to read the examples refuses the ZIP; none of them leaves anything behind."""
    before = files_below(path.parent)
    found = ["; ".join(str(problem) for problem in verify_archive(zip_path=path).problems)]
    with pytest.raises(ArchiveError) as of_examples:
        list(iter_examples(path))
    with duckdb.connect() as connection:
        with pytest.raises(ArchiveError) as of_merging:
            load_into(connection, path)
        assert connection.execute("SELECT count(*) FROM examples").fetchall() == [(0,)]
        attached = "SELECT count(*) FROM duckdb_databases() WHERE NOT internal"
        assert connection.execute(attached).fetchall() == [(1,)]
    assert files_below(path.parent) == before
    return [*found, str(of_examples.value), str(of_merging.value)]


def test_the_forger_makes_sound_zips_when_it_does_not_lie(pair: Callable[..., list[Member]], path: Path) -> None:
    path.write_bytes(zip_of(*pair()))

    assert verify_archive(zip_path=path).problems == []
    assert [example["id"] for example in iter_examples(path)] == ["a"]


# --- Members that lie ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lies", "reason"),
    [
        ({"both": {"flags": 0x1}}, "encrypted"),
        ({"listed": {"flags": 0x1}}, "encrypted"),
        ({"head": {"flags": 0x1}}, "encrypted"),
        ({"both": {"flags": 0x41}}, "encrypted"),
        ({"both": {"flags": 0x2000}}, "encrypted"),
        ({"both": {"method": 12}}, "method 12"),
        ({"both": {"method": 14}}, "method 14"),
        ({"both": {"method": 9}}, "method 9"),
        ({"both": {"method": 99}}, "method 99"),
        ({"listed": {"attributes": 0o120777 << 16}}, "a link"),
        ({"listed": {"attributes": 0o020666 << 16}}, "a device"),
        ({"listed": {"attributes": 0o040700 << 16}}, "a folder"),
        ({"listed": {"size": 1}}, "head says something else than the directory: size"),
        ({"head": {"size": 1}}, "head says something else than the directory: size"),
        ({"listed": {"size": 2**31}}, "head says something else than the directory: size"),
        ({"head": {"packed": 1}}, "compressed size"),
        ({"head": {"crc": 1}}, "CRC"),
        ({"head": {"method": 0}}, "method"),
        ({"at_head": NAME.replace("Z", "Y").encode() + b".duckdb"}, "name"),
        ({"both": {"size": 1000}}, "goes on after 1000 bytes"),
        ({"both": {"size": 10**6}}, "ends after"),
        ({"both": {"crc": 1}}, "Bad CRC-32"),
        ({"both": {"packed": 100}}, "ends in the middle"),
        ({"both": {"size": 2**32 - 2}}, "as a bomb does"),
        ({"packed": b"\xff" * 1000}, "invalid"),
        ({"listed": {"offset": 50}}, "before its first member"),
        ({"listed": {"packed": 2**31}}, "overlap"),
    ],
    ids=str,
)
def test_a_member_that_lies_is_refused(
    pair: Callable[..., list[Member]], path: Path, lies: dict[str, Any], reason: str
) -> None:
    path.write_bytes(zip_of(*pair(**lies)))

    for told in reasons(path):
        assert reason in told


def test_data_behind_the_end_of_a_stream_is_refused(pair: Callable[..., list[Member]], path: Path) -> None:
    member = pair()[0]
    path.write_bytes(zip_of(*pair(packed=member.data + b"hidden")))

    assert all("goes on after its end" in told for told in reasons(path))


def test_a_bomb_that_is_honest_about_its_size_is_refused(pair: Callable[..., list[Member]], path: Path) -> None:
    path.write_bytes(zip_of(*pair(content=bytes(2**27))))

    assert all("as a bomb does" in told for told in reasons(path))


# --- ZIPs that lie ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: b"#!/bin/sh\n" + content, "not where its end says"),
        (lambda content: content + b"more", "cut off"),
        (lambda content: content + content, "not where its end says"),
        (lambda content: with_end(content, disk=1), "one part of several"),
        (lambda content: with_end(content, all=1), "one part of several"),
        (lambda content: with_end(content, here=1, all=1), "something else than its end says"),
        (lambda content: with_end(content, here=65535, all=65535), "something else than its end says"),
        (lambda content: with_end(content, size=end_facts(content)[4] - 46), "not where its end says"),
        (lambda content: with_end(content, comment=5), "cut off"),
        (with_hidden_zip, "two ends"),
        (lambda content: with_end64(content, offset=0), "contradict"),
        (lambda content: with_end64(content, here=1), "contradict"),
        (lambda content: with_end64(content, size=2**40), "contradict"),
        (lambda content: with_end64(content, all=2**40, here=2**40), "contradict"),
    ],
    ids=[
        "something before it",
        "something behind it",
        "two ZIPs",
        "many disks",
        "other counts",
        "fewer members",
        "more members",
        "a shorter directory",
        "a longer comment",
        "a ZIP in the comment",
        "64 bit: offset",
        "64 bit: counts",
        "64 bit: size",
        "64 bit: members",
    ],
)
def test_a_zip_whose_end_lies_is_refused(
    pair: Callable[..., list[Member]], path: Path, change: Callable[[bytes], bytes], reason: str
) -> None:
    path.write_bytes(change(zip_of(*pair())))

    for told in reasons(path):
        assert reason in told


def test_a_64_bit_end_that_is_true_is_read(pair: Callable[..., list[Member]], path: Path) -> None:
    path.write_bytes(with_end64(zip_of(*pair())))

    assert verify_archive(zip_path=path).problems == []


def test_a_comment_is_read_over(pair: Callable[..., list[Member]], path: Path) -> None:
    path.write_bytes(zip_of(*pair())[:-2] + struct.pack("<H", 65535) + b"c" * 65535)

    assert verify_archive(zip_path=path).problems == []


def test_a_comment_full_of_ends_is_refused(pair: Callable[..., list[Member]], path: Path) -> None:
    path.write_bytes(zip_of(*pair())[:-2] + struct.pack("<H", 65532) + b"PK\x05\x06" * 16383)

    assert all("not readable as a ZIP" in told for told in reasons(path))


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ([f"{NAME}.duckdb", f"{NAME}.duckdb"], "two members of the same name"),
        ([f"{NAME}.duckdb\0.txt"], "two names"),
        ([f"{NAME}-2.json\0"], "two names"),
    ],
    ids=["twice", "a chunk with NUL", "a sidecar with NUL"],
)
def test_names_that_two_readers_see_in_two_ways_are_refused(
    pair: Callable[..., list[Member]], path: Path, names: list[str], reason: str
) -> None:
    path.write_bytes(zip_of(*pair()[1:], *[Member(name.encode(), b"x") for name in names]))

    for told in reasons(path):
        assert reason in told


def test_members_that_share_their_data_are_refused(pair: Callable[..., list[Member]], path: Path) -> None:
    kernel, sidecar = pair()
    inner = head_of(kernel) + kernel.data
    quoting = Member(b"llm_training_chunk_outer.duckdb", inner, packed=inner, both={"method": 0})
    body = head_of(quoting) + inner
    entries = entry_of(quoting, 0) + entry_of(kernel, len(head_of(quoting))) + entry_of(sidecar, len(body))
    body += head_of(sidecar) + sidecar.data
    path.write_bytes(body + entries + end_of(3, len(entries), len(body)))

    assert all("overlap" in told for told in reasons(path))


def test_a_chunk_that_only_its_sidecar_tells_of_is_missed(pair: Callable[..., list[Member]], path: Path) -> None:
    path.write_bytes(zip_of(*pair()[1:]))

    assert all("no chunk belongs" in told or "lost the chunk" in told for told in reasons(path))
    with pytest.raises(ArchiveDamaged, match="lost the chunk"):
        list(iter_chunks(path))


# --- Names -----------------------------------------------------------------------------------------------------------

HARMFUL = [
    "../evil.txt",
    f"../{NAME}.duckdb",
    "/etc/passwd",
    "..\\evil.txt",
    "C:\\evil.txt",
    "C:evil.txt",
    "folder/file.txt",
    "folder/",
    "..",
    "two\nlines.txt",
    "\x1b[2Jcleared.txt",
    "turned\u202etxt.exe",
    "n" * 201,
    "n" * 60_000,
    f"{NAME}.duckdb.wal",
    f"{NAME}.duckdb.txt",
    f"{NAME.upper()}.DUCKDB",
    "other.duckdb",
]


@pytest.mark.parametrize("name", HARMFUL, ids=lambda name: ascii(name)[:40])
def test_a_name_that_does_harm_when_unzipped_is_told_and_printed_without_harm(
    pair: Callable[..., list[Member]], path: Path, name: str
) -> None:
    path.write_bytes(zip_of(*pair(), Member(name.encode(), b"evil", both={"flags": 0x800})))

    [problem] = verify_archive(zip_path=path).problems

    assert "should not be unzipped" in problem.reason
    assert str(problem).isprintable()
    assert len(str(problem)) < 400
    assert [example["id"] for example in iter_examples(path)] == ["a"]


def test_a_name_that_is_no_text_is_refused(pair: Callable[..., list[Member]], path: Path) -> None:
    path.write_bytes(zip_of(*pair(), Member(b"\xff\xfe", b"evil", both={"flags": 0x800})))

    assert all("not readable as a ZIP" in told for told in reasons(path))


# --- Chunks that are no chunks ---------------------------------------------------------------------------------------


def examples(**columns: str) -> str:
    kinds = {name: kind + " PRIMARY KEY" * (name == "id") for name, kind in COLUMNS.items()}
    return f"CREATE TABLE examples ({', '.join(f'{name} {kind}' for name, kind in {**kinds, **columns}.items())})"


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("CREATE VIEW examples AS SELECT content AS id FROM read_text('/etc/passwd')", "no table"),
        ("CREATE MACRO examples() AS TABLE SELECT * FROM read_text('/etc/passwd')", "no table"),
        ("CREATE SCHEMA s; CREATE TABLE s.examples (id VARCHAR PRIMARY KEY)", "no table"),
        (examples(response_strong="VARCHAR AS (current_setting('temp_directory'))"), "worked out by an expression"),
        (examples(task="VARCHAR DEFAULT (current_setting('temp_directory'))"), "worked out by an expression"),
        (examples(id="VARCHAR COLLATE NOCASE PRIMARY KEY"), "collation"),
        (examples(id="VARCHAR"), "no primary key"),
        (examples(input_tokens="VARCHAR"), "another type"),
        (examples(created_at="TIMESTAMPTZ"), "another type"),
        (examples(metadata="STRUCT(x VARCHAR)"), "another type"),
        (f"""CREATE TYPE "JSON" AS ENUM ('a'); {examples()}""", "another type"),
    ],
)
def test_a_database_that_would_do_more_than_hold_examples_is_refused(
    path: Path, tmp_path: Path, statement: str, reason: str
) -> None:
    content = write_odd_database(tmp_path / "odd.duckdb", statement).read_bytes()
    append_bytes(path, content, name=NAME, sidecar=sidecar_of(content, rows=0))

    for told in reasons(path):
        assert reason in told


def test_a_log_that_lies_beside_a_chunk_is_not_replayed(chunk: tuple[bytes, bytes], path: Path, tmp_path: Path) -> None:
    database = tmp_path / "logged.duckdb"
    database.write_bytes(chunk[0])
    script = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); "
        "c.execute('SET checkpoint_threshold = \\'1TB\\''); c.execute('DELETE FROM examples'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, str(database)], check=True)
    log = database.with_name("logged.duckdb.wal").read_bytes()
    append_bytes(path, database.read_bytes(), name=NAME, sidecar=sidecar_of(database.read_bytes()))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{NAME}.duckdb.wal", log)

    assert [example["id"] for example in iter_examples(path)] == ["a"]
    assert [problem.member for problem in verify_archive(zip_path=path).problems] == [f"{NAME}.duckdb.wal"]


# --- Bounds ----------------------------------------------------------------------------------------------------------

MEASURE = """
import json, resource, sys
from pathlib import Path
import django
django.setup()
from training_archive.exceptions import ArchiveError
from training_archive.reader import iter_chunks, iter_examples
from training_archive.services import verify_archive

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

list(iter_examples(Path(sys.argv[1])))
before = peak()
for name in sys.argv[2:]:
    told = [str(problem) for problem in verify_archive(zip_path=Path(name)).problems]
    for read in (iter_chunks, iter_examples):
        try:
            list(read(Path(name)))
        except ArchiveError as error:
            told.append(str(error))
    print(json.dumps([Path(name).name, peak() - before, told]))
"""


def test_no_bomb_takes_more_than_64_mb_of_memory(pair: Callable[..., list[Member]], path: Path, data_dir: Path) -> None:
    chunk, sidecar = pair()
    zeros = deflated(bytes(2**29))
    bombs = {
        "a sidecar that inflates.zip": zip_of(chunk, replace(sidecar, packed=zeros)),
        "a sidecar of half a gigabyte.zip": zip_of(chunk, replace(sidecar, packed=zeros, both={"size": 2**29})),
        "a chunk that inflates.zip": zip_of(replace(chunk, packed=zeros), sidecar),
        "half a million members.zip": many_members(500_000),
        "a directory of a gigabyte.zip": with_end64(
            with_end(many_members(1), size=2**32 - 1, offset=2**32 - 1), size=2**30, offset=0
        ),
    }
    path.write_bytes(zip_of(chunk, sidecar))
    for name, content in bombs.items():
        path.with_name(name).write_bytes(content)

    run = [sys.executable, "-c", MEASURE, str(path), *[str(path.with_name(name)) for name in bombs]]
    settings = {"DJANGO_SETTINGS_MODULE": "tests.settings", "TRAINING_DATA_DIR": str(data_dir)}
    printed = subprocess.run(run, check=True, capture_output=True, text=True, env={**os.environ, **settings})

    for line in printed.stdout.splitlines():
        name, grown, told = json.loads(line)
        assert told, name
        assert grown < 64 * 2**20, f"{name}: {grown}"
    assert len(printed.stdout.splitlines()) == len(bombs)


# --- What is gone, and what is wrong ---------------------------------------------------------------------------------

TAIL = 2**16


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of two chunks whose last 64 kB are its directory, a sidecar and a part of a chunk."""
    path = tmp_path_factory.mktemp("whole") / "archive.zip"
    texts = [[row(f"{part}{number}", prompt_text=os.urandom(800).hex()) for number in range(150)] for part in "ab"]
    write_archive(path, *texts)
    with zipfile.ZipFile(path) as archive:
        last_chunk = archive.infolist()[2]
        assert last_chunk.compress_size > TAIL
        assert archive.start_dir > path.stat().st_size - TAIL
    return path


def test_cut_off_anywhere_in_its_last_64_kb_a_zip_is_refused(whole: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(whole, tmp_path / "cut.zip"))
    size = path.stat().st_size
    for left in range(size - 1, size - TAIL - 1, -1):
        os.truncate(path, left)
        with pytest.raises(ArchiveDamaged), open_zip(path) as archive:
            list_chunks(archive)


@pytest.mark.parametrize("gone", [1, 21, 22, 23, 100, 1000, 10_000, TAIL])
def test_cut_off_somewhere_a_zip_is_refused_by_all_that_read_it(whole: Path, path: Path, gone: int) -> None:
    path.write_bytes(whole.read_bytes()[:-gone])

    assert all("cut" in told for told in reasons(path))


def flippable(path: Path) -> Iterator[int]:
    """Every byte that is no member's data."""
    with zipfile.ZipFile(path) as archive:
        infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
        ends = [info.header_offset for info in infos[1:]] + [archive.start_dir]
        for info, end in zip(infos, ends, strict=True):
            yield from range(info.header_offset, end - info.compress_size)
        yield from range(archive.start_dir, path.stat().st_size)


def read_all(path: Path) -> list[tuple[str, Sidecar, bytes]]:
    folder, found = path.parent, []
    with open_zip(path) as archive:
        members = list_chunks(archive)
        for member in members:
            sidecar = read_sidecar(archive, member)
            check_member(archive, member, sidecar)
            found.append((member.name, sidecar, extract_chunk(archive, member, folder).read_bytes()))
        if len(archive.namelist()) != 2 * len(members):
            raise ArchiveDamaged("verify_archive tells of it as a stray")
    return found


def test_a_flipped_bit_in_a_head_or_the_directory_is_found_or_changes_nothing(path: Path) -> None:
    for number in range(2):
        append_bytes(path, b"chunk %d" % number, name=f"llm_training_chunk_{number}")
    expected, content = read_all(path), path.read_bytes()
    places = list(flippable(path))
    assert len(places) > 500

    harmless = 0
    with path.open("r+b", buffering=0) as file:
        for place in places:
            for bit in range(8):
                os.pwrite(file.fileno(), bytes([content[place] ^ 1 << bit]), place)
                try:
                    assert sorted(read_all(path)) == sorted(expected), f"byte {place}, bit {bit}"
                    harmless += 1
                except ArchiveError:
                    pass
            os.pwrite(file.fileno(), content[place : place + 1], place)

    assert read_all(path) == expected
    assert harmless < len(places) * 8 * 0.45  # dates, versions, attributes: nothing that is read
