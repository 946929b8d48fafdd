"""One captured call: its columns, its identity and its encoding.

`COLUMNS` is the only declaration of the `examples` table: the live database, the chunks, the drain and every reader
derive their SQL from it. Whatever a call knows beyond these columns lives in `metadata` under `RESERVED_KEY`, so that
a consumer of the fifteen columns never breaks.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson
from uuid_utils import uuid7

SCHEMA_VERSION: Final = 1
TABLE: Final = "examples"
RESERVED_KEY: Final = "gleaner"
DEFAULT_TASK: Final = "generic"

COLUMNS: Final[dict[str, str]] = {
    "id": "VARCHAR",
    "task": "VARCHAR",
    "prompt_text": "VARCHAR",
    "system_prompt": "VARCHAR",
    "response_strong": "VARCHAR",
    "metadata": "JSON",
    "slot_specs": "JSON",
    "llm_signature": "VARCHAR",
    "provider": "VARCHAR",
    "model_name": "VARCHAR",
    "input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "latency_ms": "BIGINT",
    "created_at": "TIMESTAMP",
    "prompt_hash": "VARCHAR",
}
PRIMARY_KEY: Final = "id"
JSON_COLUMNS: Final = tuple(name for name, kind in COLUMNS.items() if kind == "JSON")

_MAX_DEPTH = 64
# Parameters that name who asks, or what to do with the answer, and do not shape it.
_NOT_SHAPING = frozenset(("user", "safety_identifier", "prompt_cache_key", "metadata", "store", "previous_response_id"))


class Example(NamedTuple):
    """One answered LLM call, as it is stored: immutable, its fields the columns in their order."""

    id: str  # UUIDv7: unique everywhere, ordered by time
    task: str
    prompt_text: str  # the user's message, or the whole conversation as a transcript
    system_prompt: str
    response_strong: str  # the answer; the tool calls as JSON when there is no text
    metadata: Mapping[str, Any]  # the caller's own, plus what the columns cannot hold under RESERVED_KEY
    slot_specs: Mapping[str, Any]  # how each field of the answer is to be scored
    llm_signature: str  # what produced the answer; see llm_signature()
    provider: str
    model_name: str
    input_tokens: int | None
    output_tokens: int | None
    latency_ms: int | None
    created_at: datetime  # in UTC: DuckDB's TIMESTAMP has no zone, and drops the one that it is given
    prompt_hash: str  # see prompt_hash()

    def to_json_line(self) -> bytes:
        """The example as one line of JSON. Never fails: what JSON cannot hold is replaced (see `storable`)."""
        record = self._asdict()
        try:
            return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
        except TypeError:  # a lone surrogate, an integer beyond 64 bits, an object that is no JSON value
            return orjson.dumps(storable(record), option=orjson.OPT_APPEND_NEWLINE)


def storable(value: Any, ancestors: tuple[int, ...] = ()) -> Any:
    """`value` as nearest JSON: lone surrogates become U+FFFD, big integers and foreign objects their text.

    What contains itself, or nests deeper than any parser should be asked to read, is replaced by its type's name.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _utf8(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**63 else str(int(value))
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        if id(value) in ancestors or len(ancestors) == _MAX_DEPTH:
            return f"<{type(value).__name__}>"
        return _storable_container(value, (*ancestors, id(value)))
    return _utf8(value.isoformat() if type(value) is datetime else _text(value))


def _storable_container(value: Any, ancestors: tuple[int, ...]) -> Any:
    try:
        if isinstance(value, Mapping):
            return {_utf8(_text(key)): storable(item, ancestors) for key, item in value.items()}
        return [storable(item, ancestors) for item in value]
    except Exception:  # a foreign container may raise anything while it is read
        return f"<{type(value).__name__}>"


def _utf8(text: str) -> str:
    """`text` without lone surrogates; pairs of them become the character that they mean."""
    plain = str.__str__(text)  # subclasses, enums among them, may say anything else of themselves
    try:
        plain.encode()
    except UnicodeEncodeError:
        return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return plain


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return str(value)
    except Exception:  # a foreign __str__ may do anything, and capture must not fail for it
        return f"<{type(value).__name__}>"


def new_example_id() -> str:
    """A UUIDv7 (RFC 9562): unique everywhere, and ordered by time within a process.

    The library seeds its random generator anew in a forked child; without that, siblings would repeat each other.
    """
    return str(uuid7())


def prompt_hash(system_prompt: str, prompt_text: str) -> str:
    """SHA-256 in hex over system prompt and prompt, parted by a NUL: the same question has the same hash."""
    return hashlib.sha256(f"{system_prompt}\0{prompt_text}".encode("utf-8", "surrogatepass")).hexdigest()


def llm_signature(provider: str, model: str, settings: Mapping[str, Any]) -> str:
    """Sixteen hex digits that name what produced the answer: provider, model, parameters, tools, response format.

    Two examples with the same signature may be mixed in one training set. `settings` holds no secret: API keys belong
    to a provider's OPTIONS and never come here.
    """
    if not settings:
        return _plain_signature(provider, model)
    parameters = settings.get("parameters")
    if not isinstance(parameters, Mapping) or _NOT_SHAPING.isdisjoint(parameters):
        return _signature(provider, model, storable(settings))
    shaping = {key: value for key, value in parameters.items() if key not in _NOT_SHAPING}
    others = {key: value for key, value in settings.items() if key != "parameters"}
    return llm_signature(provider, model, {**others, "parameters": shaping} if shaping else others)


@lru_cache(maxsize=256)
def _plain_signature(provider: str, model: str) -> str:
    return _signature(provider, model, {})


def _signature(provider: str, model: str, settings: Any) -> str:
    canonical = orjson.dumps(storable([provider, model, settings]), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).hexdigest()[:16]
