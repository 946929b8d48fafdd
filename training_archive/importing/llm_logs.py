"""The logs.db of Simon Willison's `llm`: both its message store (`turns`) and the older `responses`.

The file is opened read-only, and only its tables are read: a view of the same name could compute anything. Columns and
tables that an older version had not yet made count as empty.
"""

import base64
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from capture_app.example import storable
from capture_app.messages import to_json_text
from training_archive.importing.answered import AnsweredCall, Message, count, mapping, result_of
from training_archive.importing.identity import moment
from training_archive.importing.reading import LONGEST_RECORD, NotAnExample, Result, Source, Unreadable

TURNS: Final = "turns"
RESPONSES: Final = "responses"

_LONGEST_CHAIN: Final = 10_000  # messages of one conversation; a chain that loops ends here
_READ_ONLY: Final = ("PRAGMA query_only = ON", "PRAGMA trusted_schema = OFF", "PRAGMA cell_size_check = ON")

SqlRow = Mapping[str, Any]


def is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"


def read_llm_logs(source: Source) -> Iterator[Result]:
    """Every turn and every older response, oldest first. Raises Unreadable for what is no logs.db."""
    try:
        with _opened(source.path) as database:
            log = _Log(database)
            yield from log.results(source)
    except sqlite3.Error as error:
        raise Unreadable(f"SQLite cannot read it: {error}") from error


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(_connect(path)) as database:
        database.row_factory = sqlite3.Row
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_RECORD)
        for statement in _READ_ONLY:
            database.execute(statement)
        yield database


def _connect(path: Path) -> sqlite3.Connection:
    """Immutable only where SQLite may not write its index of the log beside the file, and there is no log to miss."""
    address = "file:" + quote(str(path.resolve()))
    database = sqlite3.connect(f"{address}?mode=ro", uri=True)
    try:
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return database
    except sqlite3.OperationalError:
        database.close()
        log = path.with_name(path.name + "-wal")
        if log.exists() and log.stat().st_size:
            raise
        return sqlite3.connect(f"{address}?mode=ro&immutable=1", uri=True)


class _Log:
    """An open logs.db."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._columns = _tables(database)
        if TURNS not in self._columns and RESPONSES not in self._columns:
            raise Unreadable("it has no table 'turns' or 'responses', so it is no logs.db of llm")

    def results(self, source: Source) -> Iterator[Result]:
        for table, call_of in ((TURNS, self._turn), (RESPONSES, self._response)):
            if table not in self._columns:
                continue
            for row in self._database.execute(f"SELECT * FROM {table} ORDER BY id"):
                place = f"{table} {row['id']}"
                try:
                    yield result_of(place, call_of(row), source)
                except Unreadable as error:
                    yield Result(place, None, problem=str(error))
                except NotAnExample as error:
                    yield Result(place, None, skipped=str(error))
                except (json.JSONDecodeError, KeyError, TypeError, ValueError, RecursionError) as error:
                    yield Result(place, None, problem=f"malformed: {type(error).__name__}")

    def _rows(self, table: str, where: str, *values: Any) -> list[SqlRow]:
        """Rows of a table as dicts; none of a table that is not there."""
        if table not in self._columns:
            return []
        found = self._database.execute(f'SELECT * FROM "{table}" WHERE {where}', values)
        return [dict(row) for row in found]

    def _row(self, table: str, key: Any) -> SqlRow:
        return next(iter(self._rows(table, "id = ?", key)), {})

    def _call(self, row: SqlRow, conversation: str | None, **parts: Any) -> AnsweredCall:
        """What turns and responses have in common."""
        found = dict(row)
        details = mapping(_json(found.get("token_details")))
        schema = self._row("schemas", found["schema_id"]) if found.get("schema_id") else {}
        return AnsweredCall(
            model=str(found.get("resolved_model") or found.get("model") or ""),
            source_id=str(found["id"]),
            created_at=moment(found.get("datetime_utc")),
            parameters=mapping(_json(found.get("options_json"))),
            response_format=_schema_format(_json(schema.get("content"))),
            input_tokens=count(found.get("input_tokens")),
            output_tokens=count(found.get("output_tokens")),
            cached_input_tokens=_detail(details, "cached_tokens"),
            reasoning_tokens=_detail(details, "reasoning_tokens"),
            latency_ms=count(found.get("duration_ms")) or None,
            metadata={"conversation_id": conversation} if conversation else {},
            **parts,
        )

    # --- The message store -------------------------------------------------------------------------------------------

    def _turn(self, row: SqlRow) -> AnsweredCall:
        before = self._chain(row["parent_message_hash"], None)
        said = self._chain(row["tip_message_hash"], row["parent_message_hash"])
        tools = self._rows("tools", "id IN (SELECT tool_id FROM turn_tools WHERE turn_id = ?)", row["id"])
        answer, thoughts = _joined(said)
        return self._call(
            row,
            row["thread_id"],
            messages=[message for found in before for message in found],
            answer=answer,
            tools=[_tool(tool) for tool in tools],
            origin={"reasoning": thoughts or None},
        )

    def _chain(self, tip: str | None, stop: str | None) -> list[list[Message]]:
        """The messages from after `stop` to `tip`, oldest first."""
        chain: list[list[Message]] = []
        while tip and tip != stop:
            row = next(iter(self._rows("messages", "hash = ?", tip)), None)
            if row is None or len(chain) == _LONGEST_CHAIN:
                raise Unreadable("its chain of messages is broken")
            chain.append(self._messages(row))
            tip = row["parent_hash"]
        return chain[::-1]

    def _messages(self, row: SqlRow) -> list[Message]:
        """One of llm's messages in chat form: results of tools are a message each there."""
        parts = self._rows("parts", "message_hash = ? ORDER BY position", row["hash"])
        built = _MessageBuilder(str(row["role"]))
        for part in parts:
            payload = {**mapping(_json(part["payload"])), "type": part["type"]}
            built.add(part["type"], self._part_text(part["text"], payload), payload, self._attached(payload))
        return built.messages()

    def _part_text(self, text: str | None, payload: Mapping[str, Any]) -> str:
        if text is not None:
            return text
        pieces = payload.get("text_ref") or []
        return "".join(
            piece["literal"]
            if "literal" in piece
            else str(self._row("fragments", piece["fragment"]).get("content", ""))
            for piece in pieces
        )

    def _attached(self, payload: Mapping[str, Any]) -> list[Message]:
        one = payload.get("attachment")
        references = [one] if one else payload.get("attachments") or []
        return [_attachment(self._row("attachments", reference["id"])) for reference in references]

    # --- The older responses -----------------------------------------------------------------------------------------

    def _response(self, row: SqlRow) -> AnsweredCall:
        if self._rows(TURNS, "id = ?", row["id"]):
            raise NotAnExample("a response that is a turn as well")
        conversation = row["conversation_id"]
        earlier = self._rows(RESPONSES, "conversation_id = ? AND id < ? ORDER BY id", conversation, row["id"])
        system = self._system(row)
        messages = [{"role": "system", "content": system}] if system else []
        for past in earlier[-_LONGEST_CHAIN:]:
            messages += [*self._asked(past), self._answered(past)]
        tools = self._rows("tools", "id IN (SELECT tool_id FROM tool_responses WHERE response_id = ?)", row["id"])
        return self._call(
            row,
            conversation,
            messages=[*messages, *self._asked(row)],
            answer=self._answered(row),
            tools=[_tool(tool) for tool in tools],
            origin={"reasoning": dict(row).get("reasoning") or None},
        )

    def _system(self, row: SqlRow) -> str:
        return "\n".join([*self._fragments("system_fragments", row["id"]), *filter(None, [row["system"]])])

    def _asked(self, row: SqlRow) -> list[Message]:
        """The results of tools and the user's prompt that a response answers."""
        messages = [
            {"role": "tool", "tool_call_id": found["tool_call_id"] or "", "content": found["output"] or ""}
            for found in self._rows("tool_results", "response_id = ? ORDER BY id", row["id"])
        ]
        text = "\n".join([*self._fragments("prompt_fragments", row["id"]), *filter(None, [row["prompt"]])])
        references = self._rows("prompt_attachments", 'response_id = ? ORDER BY "order"', row["id"])
        attached = [_attachment(self._row("attachments", found["attachment_id"])) for found in references]
        if text or attached or not messages:
            messages.append({"role": "user", "content": _content(text, attached)})
        return messages

    def _answered(self, row: SqlRow) -> Message:
        calls = self._rows("tool_calls", "response_id = ? ORDER BY id", row["id"])
        return _assistant(
            row["response"] or "",
            [_function(call["name"], call["arguments"] or "{}", call["tool_call_id"]) for call in calls],
        )

    def _fragments(self, table: str, response_id: str) -> list[str]:
        found = self._rows(table, 'response_id = ? ORDER BY "order"', response_id)
        return [str(self._row("fragments", reference["fragment_id"]).get("content", "")) for reference in found]


class _MessageBuilder:
    """Gathers the parts of one of llm's messages."""

    def __init__(self, role: str) -> None:
        self._role = role
        self._texts: list[str] = []
        self._attached: list[Message] = []
        self._calls: list[Message] = []
        self._results: list[Message] = []
        self._thoughts: list[str] = []

    def add(self, kind: str, text: str, payload: Mapping[str, Any], attached: list[Message]) -> None:
        if kind == "text":
            self._texts.append(text)
        elif kind == "reasoning":
            self._thoughts.append(text)
        elif kind == "tool_call":
            arguments = to_json_text(payload.get("arguments") or {})
            self._calls.append(_function(payload["name"], arguments, payload.get("tool_call_id")))
        elif kind == "tool_result":
            output = _content(str(payload.get("output") or ""), attached)
            self._results.append({"role": "tool", "tool_call_id": payload.get("tool_call_id") or "", "content": output})
        elif kind == "attachment":
            self._attached += attached
        else:
            raise Unreadable(f"a part of a message is of the unknown type {kind!r}")

    def messages(self) -> list[Message]:
        text = "".join(self._texts)
        if self._role == "assistant":
            thoughts = {"reasoning": "".join(self._thoughts)} if any(self._thoughts) else {}
            return [{**_assistant(text, self._calls), **thoughts}, *self._results]
        if self._results and not text and not self._attached:
            return self._results
        return [*self._results, {"role": self._role, "content": _content(text, self._attached)}]


def _tables(database: sqlite3.Connection) -> dict[str, set[str]]:
    """The tables by name, with their columns: neither views nor virtual tables."""
    found = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
    plain = [row["name"] for row in found if not str(row["sql"]).upper().lstrip().startswith("CREATE VIRTUAL")]
    return {name: {column["name"] for column in _table_info(database, name)} for name in plain}


def _table_info(database: sqlite3.Connection, table: str) -> list[sqlite3.Row]:
    return database.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall()


def _joined(said: list[list[Message]]) -> tuple[Message, str]:
    """What the model said in one turn as one message, and its thoughts. Tools that the provider ran are within."""
    messages = [message for found in said for message in found]
    texts = [str(message["content"]) for message in messages if message["role"] == "assistant" and message["content"]]
    calls = [call for message in messages for call in message.get("tool_calls", ())]
    thoughts = "".join(str(message.get("reasoning", "")) for message in messages)
    return _assistant("\n".join(texts), calls), thoughts


def _assistant(text: str, calls: list[Message]) -> Message:
    message: Message = {"role": "assistant", "content": text or None}
    return {**message, "tool_calls": calls} if calls else message


def _function(name: str, arguments: str, call_id: str | None) -> Message:
    return {"id": call_id or "", "type": "function", "function": {"name": name, "arguments": arguments}}


def _tool(row: SqlRow) -> dict[str, Any]:
    parameters = mapping(_json(row["input_schema"]))
    return {
        "type": "function",
        "function": {"name": row["name"], "description": row["description"] or "", "parameters": parameters},
    }


def _content(text: str, attached: list[Message]) -> Any:
    if not attached:
        return text
    return [*([{"type": "text", "text": text}] if text else []), *attached]


def _attachment(row: SqlRow) -> Message:
    """As a part of a message. A file that llm only pointed at is named, and not read: its path is another machine's."""
    kind = str(row.get("type") or "application/octet-stream")
    if row.get("content"):
        address = f"data:{kind};base64,{base64.b64encode(row['content']).decode()}"
    else:
        address = str(row.get("url") or Path(str(row.get("path") or "missing")).name)
    if kind.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": address}}
    return {"type": "file", "file": {"file_data": address}}


def _schema_format(schema: Any) -> dict[str, Any] | None:
    if not isinstance(schema, Mapping):
        return None
    return {"type": "json_schema", "json_schema": {"name": "output", "schema": dict(schema)}}


def _detail(details: Mapping[str, Any], name: str) -> int | None:
    """Models nest it differently: {"cached_tokens": 2} or {"prompt_tokens_details": {"cached_tokens": 2}}."""
    nested = [details, *(value for value in details.values() if isinstance(value, Mapping))]
    return next((number for found in nested if (number := count(found.get(name)))), None)


def _json(text: str | None) -> Any:
    return storable(json.loads(text)) if text else None
