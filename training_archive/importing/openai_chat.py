"""OpenAI's own files: fine-tuning data, stored completions, and the output of a batch with its input beside it.

Of two answers to prefer between, the preferred one is the answer, and the other is noted.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

import orjson

from capture_app.example import storable
from training_archive.importing.annotations import annotations_in
from training_archive.importing.answered import (
    AnsweredCall,
    Message,
    checked_messages,
    checked_tools,
    count,
    mapping,
    result_of,
)
from training_archive.importing.identity import moment
from training_archive.importing.reading import Record, Result, Source, Unreadable
from training_archive.importing.rows import rows_of

PROVIDER: Final = "openai"
# Of a request: what has a place of its own. All the rest are parameters.
_PLACED: Final = frozenset(("model", "messages", "tools", "response_format", "metadata", "stream", "stream_options"))
_CHATS: Final = "chat.completion"
_PAIR: Final = frozenset(("input", "preferred_output"))


def is_openai(record: Record) -> bool:
    """Whether the record is one of those that `read_openai` reads."""
    keys = record.keys()
    is_data = "messages" in keys or keys >= _PAIR or {"custom_id", "response"} <= keys
    return is_data or record.get("object") == _CHATS


def read_openai(source: Source) -> Iterator[Result]:
    with _batch_requests(source) as requests:
        for row in rows_of(source):
            if row.record is None:
                yield Result(row.place, None, problem=row.problem)
                continue
            try:
                for call in _calls(row.record, requests):
                    yield result_of(row.place, call, source)
            except Unreadable as error:
                yield Result(row.place, None, problem=str(error))


class _Requests:
    """The requests of a batch by custom_id, on the disk: a batch may hold 200 MB of them."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.execute("CREATE TABLE requests (custom_id TEXT PRIMARY KEY, body BLOB)")

    def add(self, record: Record) -> None:
        body, custom_id = record.get("body"), record.get("custom_id")
        if isinstance(body, dict) and isinstance(custom_id, str):
            values = (custom_id, orjson.dumps(storable(body)))
            self._database.execute("INSERT OR IGNORE INTO requests VALUES (?, ?)", values)

    def find(self, custom_id: Any) -> dict[str, Any]:
        found = self._database.execute("SELECT body FROM requests WHERE custom_id = ?", (str(custom_id),)).fetchone()
        if found is None:
            raise Unreadable("its request is not known; name the batch's input with --requests")
        body: dict[str, Any] = orjson.loads(found[0])
        return body


@contextmanager
def _batch_requests(source: Source) -> Iterator[_Requests]:
    path = source.scratch / "requests.sqlite3"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as database:
        requests = _Requests(database)
        if source.requests is not None:
            for row in rows_of(replace(source, path=source.requests, name=source.requests.name)):
                requests.add(row.record or {})
        yield requests


def _calls(record: Record, requests: _Requests) -> Iterator[AnsweredCall]:
    if "response" in record and "custom_id" in record:
        yield from _completion(_batch_body(record), requests.find(record["custom_id"]), custom_id=record["custom_id"])
    elif record.get("object") == _CHATS:
        yield from _completion(record, {**mapping(record.get("request")), **_beside(record)})
    elif "messages" in record:
        yield _fine_tuning(record)
    elif "preferred_output" in record:
        yield _preference(record)
    else:
        raise Unreadable("it has no messages")


def _beside(record: Record) -> dict[str, Any]:
    return {name: record[name] for name in ("messages", "tools", "response_format") if record.get(name)}


def _batch_body(record: Record) -> Record:
    response = mapping(record.get("response"))
    if record.get("error") or response.get("status_code", HTTPStatus.OK) != HTTPStatus.OK:
        raise Unreadable("the request failed, so there is no answer")
    return mapping(response.get("body"))


def _completion(body: Record, request: Record, *, custom_id: Any = None) -> Iterator[AnsweredCall]:
    """One call for each choice."""
    if "messages" not in request:
        raise Unreadable("it holds no prompt")
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        raise Unreadable("it has no answer")
    for number, choice in enumerate(choices):
        yield _choice(body, request, mapping(choice), number, custom_id)


def _choice(body: Record, request: Record, choice: Record, number: int, custom_id: Any) -> AnsweredCall:
    usage = mapping(body.get("usage"))
    source_id = body.get("id")
    return AnsweredCall(
        messages=checked_messages(request["messages"]),
        answer=dict(mapping(choice.get("message"))),
        provider=PROVIDER,
        model=str(body.get("model") or request.get("model") or ""),
        source_id=f"{source_id}#{number}" if source_id and number else source_id,
        content=[request, choice],
        created_at=moment(body.get("created")),
        tools=checked_tools(request.get("tools")),
        response_format=mapping(request.get("response_format")) or None,
        parameters={name: value for name, value in request.items() if name not in _PLACED and value is not None},
        input_tokens=count(usage.get("prompt_tokens")),
        output_tokens=count(usage.get("completion_tokens")),
        cached_input_tokens=count(mapping(usage.get("prompt_tokens_details")).get("cached_tokens")),
        reasoning_tokens=count(mapping(usage.get("completion_tokens_details")).get("reasoning_tokens")),
        finish_reason=choice.get("finish_reason") if isinstance(choice.get("finish_reason"), str) else None,
        response_id=source_id if isinstance(source_id, str) else None,
        metadata=mapping(request.get("metadata") or body.get("metadata")),
        origin={"custom_id": custom_id},
    )


def _fine_tuning(record: Record) -> AnsweredCall:
    """The last message is the answer to learn, and what is before it the conversation."""
    messages = checked_messages(record["messages"])
    if not messages or messages[-1]["role"] != "assistant":
        raise Unreadable("its last message is not the assistant's")
    return learned(record, messages, record, known=("messages",))


def _preference(record: Record) -> AnsweredCall:
    asked, preferred = mapping(record.get("input")), checked_messages(record["preferred_output"])
    if not preferred or preferred[-1]["role"] != "assistant":
        raise Unreadable("its preferred output does not end with a message of the assistant")
    messages = [*checked_messages(asked.get("messages")), *preferred]
    return learned(record, messages, asked, known=("input", "preferred_output"))


def learned(
    record: Record, messages: Sequence[Message], settings: Record, *, known: Sequence[str], tools: Any = None
) -> AnsweredCall:
    """A record of a training set: the last of the messages is the answer. What is not `known` of it is noted."""
    parallel = settings.get("parallel_tool_calls")
    own = mapping(record.get("metadata"))
    annotations = {name: value for name, value in annotations_in(record).items() if name not in own}
    known = (*known, "tools", "parallel_tool_calls", "metadata", "model", *annotations)
    return AnsweredCall(
        messages=messages[:-1],
        answer=messages[-1],
        content=record,
        model=record["model"] if isinstance(record.get("model"), str) else "",
        tools=checked_tools(settings.get("tools")) if tools is None else tools,
        parameters={} if parallel is None else {"parallel_tool_calls": parallel},
        metadata={**own, **annotations},
        origin={"other": {name: value for name, value in record.items() if name not in known} or None},
    )
