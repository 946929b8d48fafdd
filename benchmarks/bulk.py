"""Examples by the million: text as in `corpus`, put together by DuckDB, a hundred thousand in seconds.

A prompt is four passages, each cut at a random place out of the corpus, so that no two prompts resemble each other by
chance, however many there are. One in ten asks again what another example asked, one in ten nearly the same.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from duckdb import DuckDBPyConnection

from benchmarks.corpus import MODELS, TASKS, corpus
from benchmarks.site import site
from capture_app.duckdb_files import quoted
from capture_app.example import TABLE, llm_signature
from capture_app.index import index_examples
from capture_app.live_database import ALIAS, live_session, lock_live_database

TEXT: Final = """\
Examples have about 4,096 bytes as lines of JSON. Their text was cut at random places out of the installed packages'
source code and documentation: a prompt is four passages, the system prompt one of 64; one prompt in ten is another
one's, one in ten nearly another one's."""

_PROVIDER = "instant"
_SYSTEM_PROMPTS = 64
_PIECE_CHARACTERS = 2**13  # of the corpus, as DuckDB has it
_SYSTEM_CHARACTERS, _PASSAGE_CHARACTERS, _RESPONSE_CHARACTERS = 300, 475, 1070
_PASSAGES = 4  # in a prompt
_BEGIN_MS, _STEP_MS = 1_790_000_000_000, 400  # since 1970: the first call; and from call to call
_ROWS_AT_ONCE = 16_384  # into the live database, as a drain does it
_MEMORY_MB = 512


@dataclass(frozen=True, slots=True)
class Bulk:
    """Examples are known by their numbers: the same number is the same example, each time."""

    _connection: DuckDBPyConnection

    def fill(self, folder: Path, rows: int, *, first: int = 0) -> Path:
        """Put the examples from number `first` on into the live database of the site in `folder`; gives its path.

        They come through the door that the drain uses, as many at once. The index, which archive runs leave alone,
        stays empty.
        """
        with site(folder) as live:
            self.fill_live(live, rows, first=first)
        return live

    def fill_live(self, live: Path, rows: int, *, first: int = 0) -> None:
        """As `fill`, for a live database whose site is at work already."""
        with lock_live_database(live) as database:
            for start in range(first, first + rows, _ROWS_AT_ONCE):
                with database.attached(self._connection):
                    count = min(_ROWS_AT_ONCE, first + rows - start)
                    self._connection.execute(f"INSERT INTO {ALIAS}.{TABLE} {_examples(start, count)}")

    def index(self, rows: int, generation: str, *, first: int = 0) -> None:
        """Put the examples into the index, and nowhere else. One in a thousand was cut short, one in three had tools,
        one in a hundred came in part."""
        for start in range(first, first + rows, _ROWS_AT_ONCE):
            examples = _examples(start, min(_ROWS_AT_ONCE, first + rows - start))
            index_examples(self._connection, f"({_marked(examples)})", generation)

    def write_json_lines(self, path: Path, rows: int) -> None:
        """The first examples as lines of JSON, with metadata and slot_specs as objects."""
        target = f"{quoted(str(path))} (FORMAT json, COMPRESSION uncompressed)"
        self._connection.execute(f"COPY ({_examples(0, rows)}) TO {target}")


@contextmanager
def bulk_session(folder: Path) -> Iterator[Bulk]:
    """What makes examples; `folder` is for work in progress."""
    text = corpus()
    last = len(text) - _PIECE_CHARACTERS
    pieces = [text[start : start + _PIECE_CHARACTERS] for start in range(0, last, _PIECE_CHARACTERS)]
    with live_session(folder, _MEMORY_MB) as connection:
        connection.execute("CREATE TABLE pool (piece UBIGINT, text VARCHAR)")
        connection.execute("INSERT INTO pool SELECT unnest(?), unnest(?)", [list(range(len(pieces))), pieces])
        connection.execute(f"SET VARIABLE pieces = {len(pieces)}::UBIGINT")
        yield Bulk(connection)


def _examples(start: int, count: int) -> str:
    """SQL for `count` examples from number `start` on, always the same ones."""
    prompt = " || ".join(f"passage_{number}.text" for number in range(_PASSAGES))
    passages = " ".join(
        _passage(f"passage_{number}", f"asked, {number}", _PASSAGE_CHARACTERS) for number in range(_PASSAGES)
    )
    return f"""
        SELECT printf('%08x-%04x-7%03x-%04x-%012x', ms >> 16, ms & 65535, chance & 4095,
                      32768 | ((chance >> 12) & 16383), (hash(n, 'id') & 281474976710655)::BIGINT) AS id,
            {_choice(TASKS, "chance")} AS task,
            if(nearly, 'Once more. ', '') || {prompt} AS prompt_text,
            system.text AS system_prompt,
            response.text AS response_strong,
            (printf('{{"page":"https://shop.example/items/%06d","gleaner":{{"user_id":"user-%04d",'
                    '"conversation_id":"conversation-%08d","finish_reason":"stop","response_id":"answer-%016x"}}}}',
                    chance % 1000000, chance % 1000, n // 4, chance))::JSON AS metadata,
            '{{"price":{{"type":"numeric_tol","tolerance":0.01}}}}'::JSON AS slot_specs,
            {_choice([llm_signature(_PROVIDER, model, {}) for model in MODELS], "chance // 8")} AS llm_signature,
            '{_PROVIDER}' AS provider,
            {_choice(MODELS, "chance // 8")} AS model_name,
            400 + chance % 400 AS input_tokens,
            100 + chance % 200 AS output_tokens,
            417 AS latency_ms,
            make_timestamp(1000 * ms) AS created_at,
            sha256(concat(system_prompt, chr(0), prompt_text)) AS prompt_hash
        FROM (SELECT n, {_BEGIN_MS} + {_STEP_MS} * n AS ms, (hash(n) >> 2)::BIGINT AS chance,
                hash(n, 'again') % 10 AS again, again = 1 AS nearly,
                if(again < 2 AND n > 0, hash(n, 'asked') % n, n) AS asked
            FROM range({start}, {start + count}) AS numbers (n))
        {_passage("system", f"hash(asked, 'system') % {_SYSTEM_PROMPTS}, 0", _SYSTEM_CHARACTERS)}
        {passages}
        {_passage("response", "n, 'response'", _RESPONSE_CHARACTERS)}"""


def _marked(examples: str) -> str:
    """SQL for the same examples, some of them with what filters look for."""
    number, known = "hash(id) % 3000", '"gleaner":{'
    cases = {
        f"{number} < 3": ('"finish_reason":"stop"', '"finish_reason":"length"'),
        f"{number} < 33": (known, f'{known}"partial":true,'),
        f"{number} % 3 = 0": (known, f'{known}"tools":[],'),
    }
    marked = " ".join(
        f"WHEN {condition} THEN replace(metadata::VARCHAR, {quoted(old)}, {quoted(new)})"
        for condition, (old, new) in cases.items()
    )
    return f"SELECT * REPLACE ((CASE {marked} ELSE metadata::VARCHAR END)::JSON AS metadata) FROM ({examples})"


def _choice(values: Sequence[str], number: str) -> str:
    """SQL for one of `values`, told by the number."""
    return f"[{', '.join(map(quoted, values))}][1 + {number} % {len(values)}]"


def _passage(name: str, seed: str, length: int) -> str:
    """SQL that joins a passage of the corpus as NAME.text; the same seed gives the same passage."""
    offset = f"hash({seed}, 'offset') % {_PIECE_CHARACTERS - length}"
    piece = f"hash({seed}, 'piece') % getvariable('pieces')"
    return (
        f"JOIN LATERAL (SELECT substr(pool.text, 1 + ({offset})::BIGINT, {length}) AS text FROM pool "
        f"WHERE pool.piece = {piece}) AS {name} ON true"
    )
