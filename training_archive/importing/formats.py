"""The formats of `import_examples`: which there are, and which one a file has."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from capture_app.duckdb_files import is_duckdb_file
from training_archive.exceptions import ArchiveError
from training_archive.importing import gleaner, langfuse, llm_logs, openai_chat, training_sets
from training_archive.importing.reading import Record, Result, Source, Unreadable
from training_archive.importing.rows import PARQUET, kind_of, rows_of

AUTO: Final = "auto"
GLEANER_ZIP: Final = "gleaner-zip"

Reader = Callable[[Source], Iterator[Result]]

READERS: Final[Mapping[str, Reader]] = {
    "gleaner-jsonl": gleaner.read_records,  # also CSV with our columns
    "openai-chat": openai_chat.read_openai,
    "parquet": gleaner.read_records,
    GLEANER_ZIP: gleaner.read_zip,
    "gleaner-duckdb": gleaner.read_database,
    "llm": llm_logs.read_llm_logs,
    "langfuse": langfuse.read_langfuse,
    "prompt-completion": training_sets.read_prompt_completion,
    "sharegpt": training_sets.read_sharegpt,
}

# What a record needs to be one of a format, in the order in which they are looked for.
NEEDED_KEYS: Final[Mapping[str, str]] = {
    "gleaner-jsonl, parquet": "prompt_text and response_strong",
    "langfuse": "type, and traceId or trace_id",
    "openai-chat": "messages; or input and preferred_output; or custom_id and response (batch output); or object, "
    'being "chat.completion"',
    "prompt-completion": "prompt and completion",
    "sharegpt": "conversations",
}
_LOOKED_AT: Final = 100  # records, to find one that tells
_ZIP: Final = b"PK"


def detected(source: Source) -> str:
    """The format by the file's content, never by its name. Raises ArchiveError when it does not tell."""
    known = _by_first_bytes(source.path)
    try:
        return known or _by_first_record(source)
    except Unreadable as error:
        raise ArchiveError(f"{source.path} cannot be imported: {error}. Nothing was imported from it.") from error


def _by_first_bytes(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(4)
    if start.startswith(_ZIP):
        return GLEANER_ZIP
    if is_duckdb_file(path):
        return "gleaner-duckdb"
    return "llm" if llm_logs.is_sqlite(path) else ""


def is_zip(path: Path) -> bool:
    """Whether the file begins as ZIPs do."""
    with path.open("rb") as file:
        return file.read(len(_ZIP)) == _ZIP


def _by_first_record(source: Source) -> str:
    for number, row in enumerate(rows_of(source)):
        if row.record is not None:
            return _of_record(source, row.record)
        if number == _LOOKED_AT:
            break
    raise Unreadable("it has no record that can be read")


_BY_KEYS: Final[Mapping[str, Callable[[Record], bool]]] = {
    "langfuse": langfuse.is_langfuse,
    "openai-chat": openai_chat.is_openai,
    "prompt-completion": training_sets.is_prompt_completion,
    "sharegpt": training_sets.is_sharegpt,
}


def _of_record(source: Source, record: Record) -> str:
    if gleaner.is_ours(record):
        return "parquet" if kind_of(source) == PARQUET else "gleaner-jsonl"
    for format_, is_one in _BY_KEYS.items():
        if is_one(record):
            return format_
    known = "; ".join(f"{format_}: {keys}" for format_, keys in NEEDED_KEYS.items())
    raise Unreadable(f"its records are of no format that is known. Keys (or columns) that tell one: {known}")


def results_of(source: Source) -> Iterator[Result]:
    """Everything in the file, in its order; the rest of a file that ends badly is one problem."""
    try:
        yield from READERS[source.format](source)
    except (Unreadable, ArchiveError) as error:
        yield Result("the rest of the file", None, problem=str(error))


def with_format(source: Source, format_: str) -> Source:
    return replace(source, format=detected(source) if format_ == AUTO else format_)
