"""A small server that speaks OpenAI's chat completions on a free port of the loopback."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class ChatServer:
    """What the server was asked, and what it answers next."""

    base_url: str
    requests: list[dict[str, Any]] = field(default_factory=list)  # the JSON of each, in order
    keys: list[str] = field(default_factory=list)  # the Authorization header of each
    status: int = 200
    answer: Any = None  # the JSON of a plain answer, or of an error
    chunks: Sequence[Any] = ()  # the events of a streamed one
    breaks_off: bool = False  # cut the connection after the chunks, without their end


def completion(message: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A plain answer."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_772_000_000,
        "model": "small-1-2026-03-01",
        "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
        **fields,
    }


def chunk(delta: dict[str, Any] | None = None, *, finish_reason: str | None = None, **fields: Any) -> dict[str, Any]:
    """One event of a stream; without a delta it has no choice, as the one with the usage."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_772_000_000,
        "model": "small-1-2026-03-01",
        "choices": choices,
        **fields,
    }


def error(message: str, kind: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": None, "param": None}}


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    """A server for the time of the block."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as http:
        http.daemon_threads = True
        state = ChatServer(base_url=f"http://127.0.0.1:{http.server_port}/v1")
        http.chat = state  # type: ignore[attr-defined]
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield state
        finally:
            http.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections stay open, as those of a real service do

    def do_POST(self) -> None:
        chat: ChatServer = self.server.chat  # type: ignore[attr-defined]
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/chat/completions":
            self._send_json(404, error(f"There is no {self.path}.", "invalid_request_error"))
            return
        chat.requests.append(request)
        chat.keys.append(self.headers["Authorization"])
        if chat.status == 200 and request.get("stream"):
            self._send_events(chat)
        else:
            self._send_json(chat.status, chat.answer)

    def _send_json(self, status: int, answer: Any) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_events(self, chat: ChatServer) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        events = [json.dumps(each).encode() for each in chat.chunks] + [b"[DONE]"] * (not chat.breaks_off)
        body = b"".join(b"data: %s\n\n" % event for event in events)
        # One byte more than will come, when the connection is to be cut.
        self.send_header("Content-Length", str(len(body) + chat.breaks_off))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.close_connection or chat.breaks_off

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class names it so)
        """Say nothing."""
