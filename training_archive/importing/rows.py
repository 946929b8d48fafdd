"""Records out of the files that hold them: lines of JSON, JSON values, CSV, Parquet. Bounded memory, whatever the size.

What is read here is not understood yet; the formats do that.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, Final

import duckdb
import orjson

from capture_app.duckdb_files import duckdb_session, quoted
from capture_app.example import COLUMNS, storable
from training_archive.chunks import MEMORY_MB
from training_archive.exports.formats.csv_table import unescaped
from training_archive.importing.reading import LONGEST_RECORD, Row, Source, Unreadable

JSON_LINES: Final = "JSON lines"
JSON_VALUES: Final = "JSON"
CSV: Final = "CSV"
PARQUET: Final = "Parquet"

_LINE_SUFFIXES: Final = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
_HEAD_BYTES: Final = 2**16
_READ_CHARACTERS: Final = 2**20
_ROWS_AT_ONCE: Final = 500
_LISTS: Final = ("data", "observations")  # where an object has its records: an API's page, a trace's download

# What a file that is damaged, or no text, raises while it is read.
READ_ERRORS = (UnicodeDecodeError, EOFError, zlib.error, gzip.BadGzipFile)


@contextmanager
def opened(source: Source) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked when it is gzip."""
    with source.path.open("rb") as file:
        if file.read(2) == b"\x1f\x8b":
            file.seek(0)
            with gzip.open(file) as unpacked:
                yield unpacked  # type: ignore[misc]  # typeshed's GzipFile is an IO[bytes] in all that is used here
        else:
            file.seek(0)
            yield file


def kind_of(source: Source) -> str:
    """What holds the records. Raises Unreadable for what is no text."""
    with opened(source) as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(b"PAR1"):
        return PARQUET
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head:
        raise Unreadable("it is no text in UTF-8; convert it first")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if source.name.lower().endswith(_LINE_SUFFIXES):
        return JSON_LINES
    if start.startswith(b"["):
        return JSON_VALUES
    if start.startswith(b"{"):
        return JSON_LINES if _is_json(start.partition(b"\n")[0]) or b"\n" not in start else JSON_VALUES
    return CSV


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def rows_of(source: Source) -> Iterator[Row]:
    """The file's records, or their problems, in its order. Raises Unreadable when nothing more can be read."""
    try:
        yield from _READERS[kind_of(source)](source)
    except READ_ERRORS as error:
        raise Unreadable(f"it is damaged, or no text in UTF-8: {error}") from error


# --- Lines of JSON ---------------------------------------------------------------------------------------------------


def _json_lines(source: Source) -> Iterator[Row]:
    with opened(source) as file:
        number = 0
        while line := file.readline(LONGEST_RECORD):
            number += 1
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if len(line) >= LONGEST_RECORD and not line.endswith(b"\n"):
                _skip_line(file)
                yield Row(f"line {number}", None, f"longer than {LONGEST_RECORD} bytes")
            elif not line.isspace():
                yield _line(f"line {number}", line)


def _skip_line(file: IO[bytes]) -> None:
    while (rest := file.readline(LONGEST_RECORD)) and not rest.endswith(b"\n"):
        pass


def _line(place: str, line: bytes) -> Row:
    try:
        return _row(place, orjson.loads(line))
    except orjson.JSONDecodeError as error:
        return _lax_line(place, line, error)


def _lax_line(place: str, line: bytes, error: orjson.JSONDecodeError) -> Row:
    """Python reads lone surrogates and integers of any size too, which other languages write."""
    try:
        return _row(place, storable(json.loads(line.decode("utf-8", "surrogatepass"), parse_constant=str)))
    except (ValueError, RecursionError):
        return Row(place, None, f"no JSON: {error.msg}")


def _row(place: str, value: Any) -> Row:
    return Row(place, value) if isinstance(value, dict) else Row(place, None, "no JSON object")


# --- JSON values: a list of records, or an object that has one ------------------------------------------------------


def _json_values(source: Source) -> Iterator[Row]:
    with opened(source) as file:
        text = _Text(io.TextIOWrapper(file, "utf-8-sig"))
        if text.peek() == "[":
            text.take()
            values = _elements(text)
        else:
            values = _inner(text.value())
        for number, value in enumerate(values, 1):
            yield _row(f"record {number}", storable(value))


def _inner(value: Any) -> Iterator[Any]:
    for name in _LISTS:
        if isinstance(value, dict) and isinstance(value.get(name), list):
            yield from value[name]
            return
    yield value


def _elements(text: "_Text") -> Iterator[Any]:
    while text.peek() != "]":
        yield text.value()
        if text.peek() == ",":
            text.take()
        elif text.peek() != "]":
            raise Unreadable("a list that ends too early, or lacks a comma")


class _Text:
    """JSON text of any length, of which no more is in memory than its longest value, and a block."""

    def __init__(self, file: io.TextIOBase) -> None:
        self._file = file
        self._buffer = ""
        self._at = 0
        self._decoder = json.JSONDecoder(parse_constant=str)

    def peek(self) -> str:
        """The next character that is no blank; "" at the end."""
        while True:
            while self._at < len(self._buffer) and self._buffer[self._at].isspace():
                self._at += 1
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._read_more():
                return ""

    def take(self) -> None:
        self._at += 1

    def value(self) -> Any:
        """The next value. What is cut off by the end of the block is tried again with twice as much."""
        self.peek()
        while True:
            try:
                value, self._at = self._decoder.raw_decode(self._buffer, self._at)
                return value
            except RecursionError as error:
                raise Unreadable("it nests too deep") from error
            except ValueError as error:
                if len(self._buffer) - self._at > LONGEST_RECORD or not self._read_more():
                    raise Unreadable(f"no JSON from here on: {getattr(error, 'msg', error)}") from error

    def _read_more(self) -> bool:
        rest = self._buffer[self._at :]
        more = self._file.read(max(_READ_CHARACTERS, len(rest)))
        self._buffer, self._at = rest + more, 0
        return bool(more)


# --- CSV -------------------------------------------------------------------------------------------------------------


def _csv(source: Source) -> Iterator[Row]:
    """By the rules of RFC 4180. The first line names the columns."""
    with opened(source) as file, _long_fields():
        lines = csv.reader(io.TextIOWrapper(file, "utf-8-sig", newline=""), strict=True)
        names = _header(lines)
        while True:
            place = f"line {lines.line_num + 1}"
            try:
                cells = next(lines)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(place, None, f"no CSV: {error}")
                continue
            if cells:
                yield _cells(place, names, cells)


def _header(lines: Iterator[list[str]]) -> list[str]:
    try:
        names = next(lines)
    except (StopIteration, csv.Error) as error:
        raise Unreadable("it has no line that names the columns") from error
    if len(set(names)) != len(names):
        raise Unreadable("two of its columns have the same name")
    return names


def _cells(place: str, names: list[str], cells: list[str]) -> Row:
    if len(cells) != len(names):
        return Row(place, None, f"{len(cells)} cells for {len(names)} columns")
    return Row(place, {name: cell for name, cell in zip(names, _as_they_were(names, cells), strict=True) if cell != ""})


def _as_they_were(names: list[str], cells: list[str]) -> list[str]:
    """Of our own CSV, which has exactly our columns; a file of other hands keeps its apostrophes."""
    return [unescaped(cell) for cell in cells] if names == list(COLUMNS) else cells


@contextmanager
def _long_fields() -> Iterator[None]:
    """The standard library's limit is 128 KiB, and one for all of the process."""
    before = csv.field_size_limit(LONGEST_RECORD)
    try:
        yield
    finally:
        csv.field_size_limit(before)


# --- Parquet ---------------------------------------------------------------------------------------------------------


def _parquet(source: Source) -> Iterator[Row]:
    link = source.scratch / "source.parquet"  # the file's own name may hold wildcards
    link.unlink(missing_ok=True)
    link.symlink_to(source.path.resolve())
    try:
        with duckdb_session(scratch=source.scratch, memory_mb=MEMORY_MB) as connection:
            table = f"read_parquet({quoted(str(link))})"
            columns = connection.execute(f"DESCRIBE FROM {table}").fetchall()
            names = [name for name, *_ in columns]
            found = connection.execute(f"SELECT {', '.join(_column(*column[:2]) for column in columns)} FROM {table}")
            number = 0
            while rows := found.fetchmany(_ROWS_AT_ONCE):
                for row in rows:
                    number += 1
                    yield Row(f"row {number}", dict(zip(names, row, strict=True)))
    except duckdb.Error as error:
        raise Unreadable(f"DuckDB cannot read it: {str(error).partition(chr(10))[0]}") from error


def _column(name: str, kind: str) -> str:
    identifier = '"' + name.replace('"', '""') + '"'
    # Without a zone, in UTC: DuckDB needs another library to give a time with one.
    return f"timezone('UTC', {identifier})" if kind == "TIMESTAMP WITH TIME ZONE" else identifier


_READERS: Final[Mapping[str, Any]] = {
    JSON_LINES: _json_lines,
    JSON_VALUES: _json_values,
    CSV: _csv,
    PARQUET: _parquet,
}
