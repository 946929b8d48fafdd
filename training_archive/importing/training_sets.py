"""Training sets in the forms of TRL and ShareGPT: a prompt and its completion, or turns of human and gpt.

Both know no ids and no times, and say little of where they came from. Tool calls become OpenAI's: TRL has their
arguments as objects, and ShareGPT's have no ids.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from capture_app.messages import to_json_text
from training_archive.importing.answered import (
    AnsweredCall,
    Message,
    checked_messages,
    checked_tools,
    json_in,
    result_of,
)
from training_archive.importing.openai_chat import learned
from training_archive.importing.reading import Record, Result, Source, Unreadable
from training_archive.importing.rows import rows_of

_ROLES: Final = {
    **dict.fromkeys(("human", "user"), "user"),
    **dict.fromkeys(("gpt", "assistant", "model"), "assistant"),
    "system": "system",
}
_CALLS: Final = "function_call"
_RESULTS: Final = ("observation", "tool")
_SYSTEM: Final = ("system", "system_prompt")


def is_prompt_completion(record: Record) -> bool:
    return "prompt" in record and "completion" in record


def is_sharegpt(record: Record) -> bool:
    return "conversations" in record


def read_prompt_completion(source: Source) -> Iterator[Result]:
    """{"prompt", "completion"}, each a text or a list of messages; `system` and `tools` beside them."""
    yield from _results(source, _prompt_completion)


def read_sharegpt(source: Source) -> Iterator[Result]:
    """{"conversations": [{"from", "value"}, ...]}, the last one being the answer; `system` and `tools` beside them."""
    yield from _results(source, _sharegpt)


def _results(source: Source, call_of: Callable[[Record], AnsweredCall]) -> Iterator[Result]:
    for row in rows_of(source):
        if row.record is None:
            yield Result(row.place, None, problem=row.problem)
            continue
        try:
            yield result_of(row.place, call_of(row.record), source)
        except Unreadable as error:
            yield Result(row.place, None, problem=str(error))


def _prompt_completion(record: Record) -> AnsweredCall:
    if not is_prompt_completion(record):
        raise Unreadable("it lacks prompt or completion")
    said = [*_said(record["prompt"], "user"), *_said(record["completion"], "assistant")]
    return _learned(record, said, known=("prompt", "completion"))


def _said(value: Any, role: str) -> list[Message]:
    if isinstance(value, str):
        return [{"role": role, "content": value}] if value else []
    messages = checked_messages([value] if isinstance(value, dict) else value)
    return [_with_text_arguments(message) for message in messages]


def _with_text_arguments(message: Message) -> Message:
    calls = message.get("tool_calls")
    return {**message, "tool_calls": [_text_call(call) for call in calls]} if isinstance(calls, list) else message


def _text_call(call: Any) -> Any:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or isinstance(function.get("arguments"), str):
        return call
    return {**call, "function": {**function, "arguments": to_json_text(function.get("arguments") or {})}}


def _learned(record: Record, said: list[Message], *, known: tuple[str, ...]) -> AnsweredCall:
    if not said or said[-1]["role"] != "assistant":
        raise Unreadable("it does not end with an answer")
    system = next((record[name] for name in _SYSTEM if isinstance(record.get(name), str) and record[name]), "")
    if system and not any(message["role"] in ("system", "developer") for message in said):
        said = [{"role": "system", "content": system}, *said]
        known = (*known, *_SYSTEM)
    tools = [_tool(tool) for tool in checked_tools(record.get("tools"))]
    return learned(record, said, record, known=known, tools=tools)


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    """ShareGPT's are the functions alone."""
    return {"type": "function", "function": tool} if "name" in tool and "function" not in tool else tool


# --- ShareGPT --------------------------------------------------------------------------------------------------------


def _sharegpt(record: Record) -> AnsweredCall:
    turns = record.get("conversations")
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise Unreadable("its conversations are no list of turns")
    said: list[Message] = []
    for turn in turns:
        said += _turn(turn, said)
    return _learned(record, said, known=("conversations",))


def _turn(turn: dict[str, Any], before: list[Message]) -> list[Message]:
    speaker, value = turn.get("from", turn.get("role")), turn.get("value", turn.get("content"))
    if not isinstance(speaker, str) or not isinstance(value, str):
        raise Unreadable("a turn has no text, or nobody says it")
    if speaker in _ROLES:
        return [{"role": _ROLES[speaker], "content": value}]
    if speaker == _CALLS:
        return [{"role": "assistant", "content": None, "tool_calls": _calls(value, len(before))}]
    if speaker in _RESULTS:
        return _observed(value, before)
    raise Unreadable("a turn is of nobody who is known")


def _calls(value: str, position: int) -> list[Message]:
    """Ids are made from the position, so that the same record always makes the same calls."""
    found = json_in(value, "a function call is no JSON")
    calls = found if isinstance(found, list) else [found]
    if not calls or not all(isinstance(call, dict) and isinstance(call.get("name"), str) for call in calls):
        raise Unreadable("a function call has no name")
    return [
        {"id": f"call_{position}_{number}", "type": "function", "function": _function(call)}
        for number, call in enumerate(calls)
    ]


def _function(call: dict[str, Any]) -> dict[str, str]:
    arguments = call.get("arguments")
    return {
        "name": call["name"],
        "arguments": arguments if isinstance(arguments, str) else to_json_text(arguments or {}),
    }


def _observed(value: str, before: list[Message]) -> list[Message]:
    """What the calls just before gave: one text, or for several calls a list of them in JSON."""
    calls = before[-1].get("tool_calls") if before else None
    if not calls:
        raise Unreadable("a tool answers, and was not called")
    results = [value] if len(calls) == 1 else json_in(value, "what the tools gave is no JSON")
    if not isinstance(results, list) or len(results) != len(calls):
        raise Unreadable("there are not as many results as calls")
    return [
        {
            "role": "tool",
            "tool_call_id": call["id"],
            "content": result if isinstance(result, str) else to_json_text(result),
        }
        for call, result in zip(calls, results, strict=True)
    ]
