"""Reading the prompts out of files with held-out data, whatever their format; told by their content.

JSON lines in any format that `export_dataset` writes, Parquet and CSV with a column that holds prompts, and plain text
with one prompt a line.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import duckdb
import orjson

from capture_app.duckdb_files import duckdb_session, quoted
from capture_app.messages import content_text, prompt_text
from training_archive.chunks import MEMORY_MB
from training_archive.exports.exceptions import ExportError

_TEXT_FIELDS: Final = ("prompt_text", "prompt", "question", "text", "input", "query")
_CHAT_FIELDS: Final = ("messages", "prompt", "input")
_LONGEST_HEADER = 2**16  # bytes of a CSV's first line
_SHAREGPT_ROLES = {"gpt": "assistant", "function_call": "assistant", "human": "user", "system": "system"}


def prompts_in(path: Path, scratch: Path) -> Iterator[str]:
    """The prompts in the file, one after the other. Raises ExportError when it holds something else."""
    try:
        for number, record in enumerate(_records(path, scratch), start=1):
            prompt = record if isinstance(record, str) else _prompt(record)
            if prompt is None:
                raise ExportError(_explained(path, f"record {number} holds no prompt in a field that is known."))
            yield prompt
    except OSError as error:
        raise ExportError(_explained(path, f"it cannot be read: {error.strerror}.")) from error
    except UnicodeDecodeError as error:
        raise ExportError(_explained(path, "it is not in UTF-8.")) from error
    except (duckdb.DataError, duckdb.ProgrammingError) as error:
        raise ExportError(_explained(path, f"DuckDB does not read it: {error}")) from error


def _explained(path: Path, problem: str) -> str:
    return f"The held-out file {path} is of no use: {problem} Nothing was written; mend the file, or leave it out."


def _records(path: Path, scratch: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        head = file.read(_LONGEST_HEADER)
    if head.startswith(b"PAR1"):
        return _table_records(f"read_parquet({quoted(str(path))})", scratch)
    if b"\0" in head:
        raise ExportError(_explained(path, "it is neither text in UTF-8 nor Parquet."))
    if head.lstrip().startswith(b"{"):
        return _json_records(path)
    if _is_csv(head):
        source = (
            f"read_csv({quoted(str(path))}, header = true, all_varchar = true, delim = ',', quote = '\"', "
            "escape = '\"', max_line_size = 67108864)"
        )
        return _table_records(source, scratch)
    return _lines(path)


def _is_csv(head: bytes) -> bool:
    first_line = re.split("[\r\n]", head.decode(errors="replace"), maxsplit=1)[0]
    columns = next(csv.reader(io.StringIO(first_line.strip().removeprefix("\ufeff"))), [])
    return any(column in (*_TEXT_FIELDS, "instruction") for column in columns)


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        yield from (line for line in file if line.strip())


def _json_records(path: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise ExportError(_explained(path, f"line {number} is no JSON.")) from error


def _table_records(source: str, scratch: Path) -> Iterator[dict[str, Any]]:
    with duckdb_session(scratch=scratch, memory_mb=MEMORY_MB) as connection:
        found = connection.execute(f"FROM {source}")
        names = [column[0] for column in found.description or ()]
        while rows := found.fetchmany(100):
            for row in rows:
                yield dict(zip(names, row, strict=True))


def _prompt(record: Any) -> str | None:
    """The prompt of a record in one of the known forms; None when it has none of them."""
    if not isinstance(record, Mapping):
        return None
    return next((prompt for find in _FORMS if (prompt := find(record)) is not None), None)


def _columns(record: Mapping[str, Any]) -> str | None:
    return next((record[field] for field in _TEXT_FIELDS[:1] if isinstance(record.get(field), str)), None)


def _instruction(record: Mapping[str, Any]) -> str | None:
    instruction = record.get("instruction")
    if not isinstance(instruction, str):
        return None
    return f"{instruction}\n{record.get('input') or ''}"


def _chat(record: Mapping[str, Any]) -> str | None:
    for field in _CHAT_FIELDS:
        value = record.get(field)
        messages = value.get("messages") if isinstance(value, Mapping) else value
        if isinstance(messages, list):
            return _asked(messages)
    return None


def _sharegpt(record: Mapping[str, Any]) -> str | None:
    turns = record.get("conversations")
    if not isinstance(turns, list):
        return None
    turns = [turn for turn in turns if isinstance(turn, Mapping)]
    return _asked(
        [{"role": _SHAREGPT_ROLES.get(turn.get("from", ""), "user"), "content": turn.get("value")} for turn in turns]
    )


def _asked(messages: list[Any]) -> str | None:
    """What was said before the last answer."""
    known = [message for message in messages if isinstance(message, Mapping)]
    if known and known[-1].get("role") == "assistant":
        known = known[:-1]
    return prompt_text(known) if any(content_text(message) for message in known) else None


def _text(record: Mapping[str, Any]) -> str | None:
    return next((record[field] for field in _TEXT_FIELDS if isinstance(record.get(field), str)), None)


_FORMS: Final[tuple[Callable[[Mapping[str, Any]], str | None], ...]] = (_columns, _instruction, _chat, _sharegpt, _text)
