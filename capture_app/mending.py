"""Records that DuckDB refused, made storable without losing anything.

Python's JSON is laxer than DuckDB's: it reads lone surrogates and integers of any size. What such a record holds
becomes its nearest JSON (see `example.storable`); a value that its column cannot hold leaves the column NULL, and is
kept under `metadata.gleaner.mended`, by the column's name.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
from duckdb import DuckDBPyConnection

from capture_app.example import COLUMNS, JSON_COLUMNS, RESERVED_KEY, storable
from capture_app.live_database import RECORD_ERRORS, records

MENDED: Final = "mended"  # under RESERVED_KEY

_LONGEST_INTEGER = 40  # digits; longer ones are text from the start, for Python takes long to read them


class Unmendable(Exception):
    """The record cannot be stored, and nothing is known that would help. The text says why."""


class Outcome(NamedTuple):
    """What became of a record: a line that the live database takes, or the problem with it."""

    line: bytes
    problem: str = ""  # "" when the line can be stored


def make_storable(connection: DuckDBPyConnection, file: Path, raw: Sequence[bytes]) -> list[Outcome]:
    """For each raw record its outcome; one that can be stored as it is, is left as it is. `file` is overwritten."""
    found = [Outcome(record) for record in raw]
    waiting = list(range(len(found)))
    for attempt in (_as_it_is, _as_nearest_json, _with_fitting_columns):
        for number in waiting:
            found[number] = _attempt(attempt, raw[number])
        candidates = [number for number in waiting if not found[number].problem]
        for number in _refused(connection, file, found, candidates):
            found[number] = Outcome(found[number].line, "DuckDB refuses it, however it is mended")
        waiting = [number for number in waiting if found[number].problem]
    return found


def _attempt(attempt: Callable[[bytes], bytes], record: bytes) -> Outcome:
    try:
        return Outcome(attempt(record))
    except Unmendable as error:
        return Outcome(record, str(error))


def _refused(
    connection: DuckDBPyConnection, file: Path, found: Sequence[Outcome], candidates: Sequence[int]
) -> list[int]:
    """Those of the candidates that DuckDB does not read: all at once, or each half, down to the single record."""
    if not candidates:
        return []
    lines = [found[number].line.strip(b"\n") for number in candidates]
    file.write_bytes(b"\n".join(lines) + b"\n")
    try:
        source = records([file], largest_record=max(map(len, lines)) + 1)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE trial AS FROM {source}")
        return []
    except RECORD_ERRORS:
        if len(candidates) == 1:
            return list(candidates)
    middle = len(candidates) // 2
    halves = candidates[:middle], candidates[middle:]
    return [number for half in halves for number in _refused(connection, file, found, half)]


def _as_it_is(line: bytes) -> bytes:
    try:
        _check(orjson.loads(line))
    except orjson.JSONDecodeError as error:
        raise Unmendable(f"no JSON: {error}") from error
    return line


def _as_nearest_json(line: bytes) -> bytes:
    return orjson.dumps(storable(_read(line)))


def _with_fitting_columns(line: bytes) -> bytes:
    record = storable(_read(line))
    fitting = {name: _FITTING[kind](record.get(name)) for name, kind in COLUMNS.items() if name not in JSON_COLUMNS}
    misfits = {name: record[name] for name, value in fitting.items() if value is None and record.get(name) is not None}
    return orjson.dumps({**record, **fitting, "metadata": _noting(misfits, record.get("metadata"))})


def _read(line: bytes) -> Mapping[str, Any]:
    try:
        text = line.decode("utf-8", "surrogatepass")
        record = json.loads(text, parse_int=_integer, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise Unmendable(f"no JSON: {error}") from error
    _check(record)
    return dict(record)


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else digits


def _check(record: object) -> None:
    if not isinstance(record, Mapping):
        raise Unmendable("no JSON object")
    if record.get("id") is None:
        raise Unmendable("no id")


def _noting(misfits: Mapping[str, Any], metadata: Any) -> Any:
    if not misfits:
        return metadata
    if not isinstance(metadata, dict):
        misfits, metadata = {**misfits, "metadata": metadata} if metadata is not None else misfits, {}
    reserved = metadata.get(RESERVED_KEY)
    if not isinstance(reserved, dict):
        misfits, reserved = {**misfits, RESERVED_KEY: reserved} if reserved is not None else misfits, {}
    return {**metadata, RESERVED_KEY: {**reserved, MENDED: misfits}}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None if value is None else orjson.dumps(value).decode()


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return None
    exact = isinstance(value, str) or number == value
    return number if exact and -(2**63) <= number < 2**63 else None


def _moment(value: Any) -> str | None:
    """In UTC and without a zone, as DuckDB keeps it."""
    try:
        moment = datetime.fromisoformat(value)
        return (moment.astimezone(UTC) if moment.tzinfo else moment).replace(tzinfo=None).isoformat()
    except (TypeError, ValueError, OverflowError):
        return None


_FITTING: Final[Mapping[str, Callable[[Any], Any]]] = {"VARCHAR": _text, "BIGINT": _whole, "TIMESTAMP": _moment}
