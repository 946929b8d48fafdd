"""Gold files: one JSON object per line, {"messages", "expected_response", "category"}, all faults told at once.

Optional are `slot_specs` (see scorers.fields), `parameters`, `tools` and `response_format` as a call has them, and
`id`: the example's, for a line that was one. `metadata` is left alone. Two lines that ask the same are a fault: the
second would count what the first has counted.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from capture_app.contents import possible_hmacs
from capture_app.known import forgotten_contents, forgotten_ids
from capture_app.messages import system_text, to_json_text
from capture_app.wording import counted
from continuous_training.evaluation.items import FILE, SETTINGS, GoldItem, GoldSet, content_hash
from continuous_training.evaluation.scorers.fields import faults_in_specs
from continuous_training.exceptions import GoldSetInvalid
from training_archive.exports.formats.base import Refused
from training_archive.exports.formats.messages import checked_messages

FORGOTTEN: Final = "erased on request"

_MOST_BYTES: Final = 256 * 2**20  # of a file: all of it is in memory
_TOLD: Final = 20  # faults, in the message; the error has all
_KEYS: Final[Mapping[str, type]] = {
    "messages": list,
    "expected_response": str,
    "category": str,
    "slot_specs": dict,
    "parameters": dict,
    "tools": list,
    "response_format": dict,
    "id": str,
    "metadata": dict,
}
_NEEDED: Final = ("messages", "expected_response")
_WORDS: Final[Mapping[type, str]] = {list: "a list", str: "a text", dict: "an object"}


def read_gold_file(path: Path) -> GoldSet:
    """The items of a file. Raises GoldSetInvalid, with file and line of each fault."""
    items: list[GoldItem] = []
    faults: list[str] = []
    asked: dict[str, int] = {}
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        record, found = _read(line)
        if not found:
            item = _item(record)
            first = asked.setdefault(_identity(item), number)
            found = [] if first == number else [f"it asks the same as line {first}"]
            items.append(item)
        faults += [f"{path.name}:{number}: {fault}" for fault in found]
    _refuse(path, faults, items)
    kept = _without_forgotten(items)
    left_out = {FORGOTTEN: len(items) - len(kept)} if len(items) > len(kept) else {}
    return GoldSet(kind=FILE, name=path.name, items=kept, left_out=left_out)


def _lines(path: Path) -> list[bytes]:
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise GoldSetInvalid(
                f"The gold file {path} has {size:,} bytes; {_MOST_BYTES:,} are read at most. Nothing was asked. Some "
                "thousand items tell as much as a million: take a sample."
            )
        return path.read_bytes().splitlines()
    except OSError as error:
        raise GoldSetInvalid(
            f"The gold file {path} cannot be read: {error.strerror}. Nothing was asked; check the path."
        ) from error


def _refuse(path: Path, faults: list[str], items: list[GoldItem]) -> None:
    if faults:
        told = "\n".join(f"  {fault}" for fault in faults[:_TOLD])
        more = f"\n  and {len(faults) - _TOLD:,} more" if len(faults) > _TOLD else ""
        raise GoldSetInvalid(
            f"The gold file {path} has {counted(len(faults), 'fault')}. Nothing was asked; mend it.\n{told}{more}",
            faults=faults,
        )
    if not items:
        raise GoldSetInvalid(f"The gold file {path} holds no items. Nothing was asked.")


def _read(line: bytes) -> tuple[dict[str, Any], list[str]]:
    """The record in a line, and what is wrong with it."""
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return {}, [f"it is no JSON: {error}"]
    if not isinstance(record, dict):
        return {}, ["it is no JSON object"]
    return record, [*_faults_in_keys(record), *_faults_in_messages(record), *_faults_in_specs(record)]


def _faults_in_keys(record: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{key} is missing" for key in _NEEDED if key not in record)
    for key, value in record.items():
        kind = _KEYS.get(key)
        if kind is None:
            yield f"{key[:100]!r} is no key of a gold file; there are {', '.join(_KEYS)}"
        elif not isinstance(value, kind) and not (key == "expected_response" and isinstance(value, dict | list)):
            yield f"{key} must be {_WORDS[kind]}"
    if record.get("expected_response") == "":
        yield "expected_response is empty"


def _faults_in_messages(record: Mapping[str, Any]) -> Iterator[str]:
    given = record.get("messages")
    if not isinstance(given, list):
        return
    try:
        messages = checked_messages(given)
    except Refused as error:
        yield f"messages: {error}"
        return
    if not messages:
        yield "messages is empty"
    elif messages[-1]["role"] not in ("user", "tool"):
        yield f"messages ends with the role {messages[-1]['role']}: nothing is asked of the model"


def _faults_in_specs(record: Mapping[str, Any]) -> Iterator[str]:
    specs = record.get("slot_specs")
    if not isinstance(specs, dict) or not specs:
        return
    yield from (f"slot_specs: {fault}" for fault in faults_in_specs(specs))
    expected = record.get("expected_response")
    if isinstance(expected, str) and not is_json_object(expected):
        yield "slot_specs: expected_response is no JSON object, which has fields"


def is_json_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


def _item(record: Mapping[str, Any]) -> GoldItem:
    expected = record["expected_response"]
    return GoldItem(
        messages=checked_messages(record["messages"]),
        expected=expected if isinstance(expected, str) else to_json_text(expected),
        category=record.get("category", ""),
        slot_specs=record.get("slot_specs", {}),
        settings={key: record[key] for key in SETTINGS if record.get(key)},
        example_id=record.get("id", ""),
    )


def _identity(item: GoldItem) -> str:
    """Whole messages, and not only words: two images may be asked about in the same words."""
    return content_hash(to_json_text(item.messages))


def _without_forgotten(items: list[GoldItem]) -> list[GoldItem]:
    """Without what was erased on request: by id, or by what was asked and answered."""
    ids = forgotten_ids([item.example_id for item in items if item.example_id])
    hashes = {id(item): possible_hmacs(system_text(item.messages), item.prompt, item.expected) for item in items}
    gone = forgotten_contents([each for some in hashes.values() for each in some])
    return [item for item in items if item.example_id not in ids and gone.isdisjoint(hashes[id(item)])]
