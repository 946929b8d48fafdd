"""What is wrong with a file of version 4, each fault with its JSON path. Enums are open: any key may be new.

Files come from strangers. So a fault never repeats what is in the file but for the names that lead to it; there are
never more than MOST_FAULTS; and what JSON can say but no other system could be given (unpaired surrogates, numbers
that no double or 64-bit integer holds, names that come twice, abysses of nesting) is a fault, too.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import islice
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from training_files.v4.reading import Path, Piece, Repeated, Unreadable, parse, read_pieces

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

MOST_FAULTS: Final = 100  # that are told of one file
DEEPEST: Final = 40  # that values may nest
LONGEST_LINE: Final = 16 * 2**20  # bytes

INDIVIDUAL, FULL, LINES = "individual", "full", "lines"
CONVERSATIONS: Final = "conversations"  # the list in a full file

_HEAD: Final = (
    *("dataset_metadata", "input_parameters", "training_pairs"),  # of an individual file
    *("training_file_metadata", CONVERSATIONS),  # of a full one
    "consultant_profile",
)
_SCHEMAS: Final = ("pair", "individual", "conversation", "full", "line", "line_header")
_URN: Final = "urn:gleaner:training-files:v4:"
_NOT_INLINED: Final = frozenset(("$ref", "$defs", "$id", "$schema"))
_SHOWN: Final = 100  # characters of a name in a path
_CONTAINERS: Final = (dict, list)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong."""

    path: str  # JSON path; of a line, after its number: "line 3: $.id"
    problem: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


@dataclass(slots=True, kw_only=True)
class Examined:
    """What a file was found to be."""

    kind: str = ""  # INDIVIDUAL, FULL or LINES; "": none of them
    conversations: int = 0
    pairs: int = 0  # of LINES, those that are lines
    faults: list[Fault] = field(default_factory=list)  # the first ones
    head: dict[str, Any] = field(default_factory=dict)  # values at the top, but for a full file's conversations


def faults_of_individual(value: Any) -> list[Fault]:
    """Of an individual enriched file."""
    return _faults("individual", value)


def faults_of_full(value: Any) -> list[Fault]:
    """Of a full training file that is in memory."""
    return _faults("full", value)


def faults_of_conversation(value: Any, path: Path = ()) -> list[Fault]:
    """Of an item of `conversations` in a full training file."""
    return _faults("conversation", value, path)


def faults_of_lines(lines: Iterable[bytes]) -> list[Fault]:
    """Of a training file as JSON Lines; the first line may be its header."""
    return examine_lines(lines).faults


def schema(name: str) -> dict[str, Any]:
    """One of our JSON Schemas: pair, individual, conversation, full, line, line_header."""
    found = json.loads((files("training_files.v4") / "schema" / f"{name}.schema.json").read_text())
    assert isinstance(found, dict)  # noqa: S101  (our own file)
    return found


# --- Whole files -----------------------------------------------------------------------------------------------------


def examine_file(path: FilePath) -> Examined:
    """A file by its name: *.jsonl as JSON Lines, all else as JSON. Raises OSError where it cannot be read."""
    if not path.is_file():  # a pipe or a device would never end
        raise FileNotFoundError(f"{path} is no file")
    with path.open("rb") as file:
        return examine_lines(read_lines(file)) if path.suffix.lower() == ".jsonl" else examine(file)


def examine(file: BinaryIO, each: Callable[[Piece], object] = lambda piece: None) -> Examined:
    """What the file is, individual or full, and what is wrong with it. Its text may be larger than the memory.

    `each` is called with every sound conversation of a full file. Reading ends when there are MOST_FAULTS.
    """
    found = Examined()
    try:
        for piece in read_pieces(file, items_of=CONVERSATIONS):
            _look_at(piece, found, each)
            if len(found.faults) >= MOST_FAULTS:
                break
        else:
            _look_at_whole(found)
    except Unreadable as error:
        found.faults.append(Fault(json_path(error.path), error.problem))
    del found.faults[MOST_FAULTS:]
    return found


def _look_at(piece: Piece, found: Examined, each: Callable[[Piece], object]) -> None:
    if len(piece.path) == 1:
        _look_at_head(piece, found)
        return
    found.conversations += 1
    faults = faults_of_conversation(piece.value, piece.path)
    found.faults += faults
    if not faults:
        found.pairs += len(piece.value["training_pairs"])
        each(piece)


def _look_at_head(piece: Piece, found: Examined) -> None:
    """Others than those that we know are not kept: there may be many, and each may be large."""
    name = str(piece.path[0])
    if name in _HEAD:
        found.head[name] = piece.value
    else:
        found.faults += islice(unsound(piece.value, piece.path), MOST_FAULTS)


def _look_at_whole(found: Examined) -> None:
    if CONVERSATIONS in found.head:
        found.kind = FULL
    elif "training_pairs" in found.head:
        found.kind, found.conversations = INDIVIDUAL, 1
        pairs = found.head["training_pairs"]
        found.pairs = len(pairs) if isinstance(pairs, list) else 0
    else:
        found.faults.append(Fault("$", "it has neither training_pairs nor conversations"))
        return
    found.faults += _faults(found.kind, found.head)


def examine_lines(lines: Iterable[bytes]) -> Examined:
    """As examine, of JSON Lines."""
    found, ids = Examined(kind=LINES), set[str]()
    for number, line in enumerate(lines, 1):
        faults, value = _line_faults(line, is_first=number == 1)
        found.faults += [Fault(f"line {number}: {fault.path}", fault.problem) for fault in faults]
        if not faults and "_meta" not in value:
            found.pairs += 1
            ids.add(value["conversation_id"])
        if len(found.faults) >= MOST_FAULTS:
            break
    found.conversations = len(ids)
    del found.faults[MOST_FAULTS:]
    return found


def read_lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines, none of them longer than is bearable: of one that is, only the beginning, and then no more."""
    while line := file.readline(LONGEST_LINE + 2):
        yield line.removesuffix(b"\n")
        if len(line) > LONGEST_LINE + 1:
            return


def _line_faults(line: bytes, *, is_first: bool) -> tuple[list[Fault], dict[str, Any]]:
    if len(line) > LONGEST_LINE:
        return [Fault("$", f"it has more than {LONGEST_LINE:,} bytes")], {}
    try:
        value = parse(line)
    except Unreadable as error:
        return [Fault("$", error.problem)], {}
    is_header = is_first and isinstance(value, dict) and "_meta" in value
    return _faults("line_header" if is_header else "line", value), value if isinstance(value, dict) else {}


# --- Values ----------------------------------------------------------------------------------------------------------


def faults_against(validator: "Draft202012Validator", value: Any, path: Path = ()) -> list[Fault]:
    """What cannot be stored; if all can, what the schema does not allow."""
    faults = list(islice(unsound(value, path), MOST_FAULTS))
    if faults:
        return faults
    errors = islice(validator.iter_errors(value), MOST_FAULTS)
    return [Fault(json_path((*path, *error.absolute_path)), _problem(error)) for error in errors]


def _faults(name: str, value: Any, path: Path = ()) -> list[Fault]:
    return faults_against(_validator(name), value, path)


@cache
def _validator(name: str) -> "Draft202012Validator":
    """With what our schemas refer to in its place: following references takes longer than all else."""
    from jsonschema import Draft202012Validator  # only who validates waits for it; the app is loaded by every process

    documents = {found["$id"]: found for found in map(schema, _SCHEMAS)}
    return Draft202012Validator(_inlined({"$ref": _URN + name}, documents, ""))


def _inlined(part: Any, documents: Mapping[str, Any], document: str) -> Any:
    """None of our schemas refers to itself."""
    if isinstance(part, list):
        return [_inlined(each, documents, document) for each in part]
    if not isinstance(part, dict):
        return part
    own = {name: _inlined(each, documents, document) for name, each in part.items() if name not in _NOT_INLINED}
    if "$ref" not in part:
        return own
    place, _, pointer = part["$ref"].partition("#")
    target = documents[place or document]
    for step in pointer.split("/")[1:]:
        target = target[step]
    referred = _inlined(target, documents, place or document)
    return {**own, "allOf": [referred]} if own else referred


def unsound(value: Any, path: Path = ()) -> Iterator[Fault]:
    """What cannot be stored as it is, anywhere in a value of JSON, however many members it has."""
    if isinstance(value, _CONTAINERS):
        yield from _unsound_members(value, path, DEEPEST)
    elif problem := _scalar_problem(value):
        yield Fault(json_path(path), problem)


def _unsound_members(found: dict[str, Any] | list[Any], at: Path, levels: int) -> Iterator[Fault]:
    if not levels:
        yield Fault(json_path(at), f"it nests deeper than {DEEPEST} values")
        return
    yield from _unsound_names(found, at)
    members: Iterable[tuple[str | int, Any]] = found.items() if isinstance(found, dict) else enumerate(found)
    for key, each in members:
        if isinstance(each, _CONTAINERS):
            yield from _unsound_members(each, (*at, key), levels - 1)
        elif problem := _scalar_problem(each):
            yield Fault(json_path((*at, key)), problem)


def _unsound_names(found: dict[str, Any] | list[Any], at: Path) -> Iterator[Fault]:
    if isinstance(found, Repeated):
        for name in found.names:
            yield Fault(json_path((*at, name)), "the name comes twice")
    if isinstance(found, dict):
        for name in found:
            if not _is_sound_text(name):
                yield Fault(json_path(at), "a name in it has an unpaired surrogate")


def _is_sound_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _scalar_problem(value: object) -> str:
    if isinstance(value, str):
        return "" if _is_sound_text(value) else "it has an unpaired surrogate"
    if isinstance(value, float) and not math.isfinite(value):
        return "the number is too large"
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return "the number has more than 64 bits"
    return ""


def json_path(path: Sequence[str | int]) -> str:
    """`$.training_pairs[0].id`. What is no plain name is quoted, so that no terminal obeys it, and cut."""
    return "$" + "".join(_step(each) for each in path)


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    shown = step if len(step) <= _SHOWN else f"{step[:_SHOWN]}…"
    return f".{shown}" if step.isascii() and step.isidentifier() else f"[{shown!a}]"


_KINDS: Final[Mapping[type, str]] = {
    dict: "an object",
    Repeated: "an object",
    list: "a list",
    str: "a text",
    bool: "a truth value",
    int: "a number",
    float: "a number",
    type(None): "null",
}
_EXPECTED: Final = {
    "object": "an object",
    "array": "a list",
    "string": "a text",
    "boolean": "a truth value",
    "number": "a number",
    "integer": "a whole number",
    "null": "null",
}


def _problem(error: "ValidationError") -> str:
    """In words of our own: those of jsonschema repeat the value."""
    wanted: Any = error.validator_value
    found: Any = error.instance
    if error.validator == "type":
        kinds = [wanted] if isinstance(wanted, str) else list(wanted)
        return f"it is {_KINDS[type(found)]}, not {' or '.join(_EXPECTED[kind] for kind in kinds)}"
    if error.validator == "required":
        return f"{next(name for name in wanted if error.message.startswith(repr(name)))} is missing"
    return {
        "minimum": f"it is less than {wanted}",
        "maximum": f"it is more than {wanted}",
        "minItems": "it is empty",
        "minLength": "it is empty",
        "maxLength": f"it has more than {wanted} characters",
        "maxItems": f"it has more than {wanted} items",
        "pattern": _pattern_problem(str(wanted)),
        "const": f"it is not {wanted}",
        "enum": f"it is none of {wanted}",
    }.get(str(error.validator), f"it is not as {error.validator} has it")


def _pattern_problem(pattern: str) -> str:
    if pattern.startswith("^4"):
        return "it is not of version 4"
    if pattern.startswith("^(?!"):
        return "it is blank, or a step in a path (. or ..), or has control characters"
    return "it is blank, or has control characters" if pattern.startswith("^[^") else f"it does not match {pattern}"
