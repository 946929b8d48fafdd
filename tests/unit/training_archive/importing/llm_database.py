"""A logs.db as llm 0.36 makes it (message store) and as 0.27 did (responses), row by row, without llm."""

import json
import sqlite3
from pathlib import Path
from typing import Any

_SHARED = """
CREATE TABLE attachments (id TEXT PRIMARY KEY, type TEXT, path TEXT, url TEXT, content BLOB);
CREATE TABLE fragments (id INTEGER PRIMARY KEY, hash TEXT, content TEXT, datetime_utc TEXT, source TEXT);
CREATE TABLE schemas (id TEXT PRIMARY KEY, content TEXT);
CREATE TABLE tools (id INTEGER PRIMARY KEY, hash TEXT, name TEXT, description TEXT, input_schema TEXT, plugin TEXT);
"""
_TURNS = """
CREATE TABLE messages (hash TEXT PRIMARY KEY, parent_hash TEXT, role TEXT, provider_metadata TEXT);
CREATE TABLE parts (id INTEGER PRIMARY KEY, message_hash TEXT, position INTEGER, type TEXT, tool_name TEXT, text TEXT,
    payload TEXT);
CREATE TABLE turns (id TEXT PRIMARY KEY, thread_id TEXT, parent_message_hash TEXT, tip_message_hash TEXT, model TEXT,
    resolved_model TEXT, options_json TEXT, schema_id TEXT, input_tokens INTEGER, output_tokens INTEGER,
    token_details TEXT, duration_ms INTEGER, datetime_utc TEXT, response_json TEXT);
CREATE TABLE turn_tools (turn_id TEXT, tool_id INTEGER, instance_id INTEGER);
"""
_RESPONSES = """
CREATE TABLE conversations (id TEXT PRIMARY KEY, name TEXT, model TEXT);
CREATE TABLE responses (id TEXT PRIMARY KEY, model TEXT, prompt TEXT, system TEXT, prompt_json TEXT, options_json TEXT,
    response TEXT, response_json TEXT, conversation_id TEXT, duration_ms INTEGER, datetime_utc TEXT,
    input_tokens INTEGER, output_tokens INTEGER, token_details TEXT, schema_id TEXT, resolved_model TEXT);
CREATE TABLE prompt_attachments (response_id TEXT, attachment_id TEXT, "order" INTEGER);
CREATE TABLE prompt_fragments (response_id TEXT, fragment_id INTEGER, "order" INTEGER);
CREATE TABLE system_fragments (response_id TEXT, fragment_id INTEGER, "order" INTEGER);
CREATE TABLE tool_responses (tool_id INTEGER, response_id TEXT);
CREATE TABLE tool_calls (id INTEGER PRIMARY KEY, response_id TEXT, tool_id INTEGER, name TEXT, arguments TEXT,
    tool_call_id TEXT);
CREATE TABLE tool_results (id INTEGER PRIMARY KEY, response_id TEXT, tool_id INTEGER, name TEXT, output TEXT,
    tool_call_id TEXT, instance_id INTEGER, exception TEXT);
"""

TIME = "2026-01-01T12:00:00.250000+00:00"
PICTURE = bytes(range(256))


class LogsDatabase:
    """`insert` rows; the file is complete when `close` has been called."""

    def __init__(self, path: Path, *, turns: bool = True, responses: bool = True) -> None:
        self.path = path
        self._database = sqlite3.connect(path)
        self._database.executescript(_SHARED + _TURNS * turns + _RESPONSES * responses)

    def insert(self, table: str, **values: Any) -> None:
        columns = ", ".join(f'"{name}"' for name in values)
        cells = [json.dumps(value) if isinstance(value, dict) else value for value in values.values()]
        places = ", ".join("?" * len(cells))
        self._database.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})", cells)

    def message(self, hash_: str, parent: str | None, role: str, *parts: dict[str, Any]) -> None:
        self.insert("messages", hash=hash_, parent_hash=parent, role=role)
        for position, part in enumerate(parts):
            self.insert("parts", message_hash=hash_, position=position, **part)

    def turn(self, id_: str, parent: str, tip: str, **values: Any) -> None:
        facts = {"thread_id": "thread", "model": "echo", "datetime_utc": TIME, "input_tokens": 5, "output_tokens": 7}
        self.insert("turns", id=id_, parent_message_hash=parent, tip_message_hash=tip, **{**facts, **values})

    def response(self, id_: str, prompt: str, answer: str, **values: Any) -> None:
        facts = {"model": "echo", "datetime_utc": TIME, "conversation_id": "talk", "duration_ms": 30}
        self.insert("responses", id=id_, prompt=prompt, response=answer, **{**facts, **values})

    def close(self) -> Path:
        self._database.commit()
        self._database.close()
        return self.path


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "text": content}


def part(kind: str, **payload: Any) -> dict[str, Any]:
    return {"type": kind, "payload": payload}
