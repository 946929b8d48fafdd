"""Small servers that speak OpenAI's protocol on a free port of the loopback.

`chat_server` answers chat completions in the usual way. `scripted_server` says, byte by byte, what a test gives it.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
    with serving(_Handler) as http:
        state = ChatServer(base_url=f"http://127.0.0.1:{http.server_port}/v1")
        http.chat = state  # type: ignore[attr-defined]  # for the handler, which knows only its server
        yield state


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128  # beyond it a connection waits a second and is tried again


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[ThreadingHTTPServer]:
    """A server on a free port of loopback, for the time of the block."""
    with _Server(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield http
        finally:
            http.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections stay open, as those of a real service do

    def do_POST(self) -> None:
        chat: ChatServer = self.server.chat  # type: ignore[attr-defined]  # put there by chat_server
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


# --- Byte by byte ------------------------------------------------------------------------------------------------

# What is sent next: bytes, flushed at once; a number of seconds to wait; or something to wait for.
Piece = bytes | float | threading.Event


@dataclass(frozen=True)
class Reply:
    """One answer. Without `length` it is chunked, a chunk per piece."""

    pieces: Sequence[Piece] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None  # the Content-Length it claims
    is_cut: bool = False  # the connection ends after the pieces, whatever was claimed


@dataclass(frozen=True)
class Seen:
    """A request, as it came over the wire."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass
class ScriptedServer:
    """Gives the replies in their order; the last one again and again."""

    base_url: str
    replies: list[Reply] = field(default_factory=list)
    answer_for: Callable[[Seen], Reply] | None = None  # instead of the replies
    seen: list[Seen] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start_anew(self) -> None:
        with self.lock:
            self.replies, self.answer_for, self.seen = [], None, []

    def next_reply(self, seen: Seen) -> Reply:
        with self.lock:
            self.seen.append(seen)
            if self.answer_for is not None:
                return self.answer_for(seen)
            return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


REQUEST_ID = {"x-request-id": "req-1"}


def json_reply(answer: Any, *, status: int = 200, **headers: str) -> Reply:
    """A whole answer: one of the SDK's own objects, anything that JSON can hold, or bytes as they are."""
    if hasattr(answer, "model_dump_json"):
        body = answer.model_dump_json(exclude_unset=True).encode()
    else:
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    named = {
        "content-type": "application/json",
        **REQUEST_ID,
        **{key.replace("_", "-"): headers[key] for key in headers},
    }
    return Reply([body], status=status, headers=named, length=len(body))


def sse_bytes(events: Sequence[Any], *, eol: bytes = b"\n", is_done: bool = True, named: bool = False) -> bytes:
    """The body of a stream. An event is an object of the SDK, anything that JSON can hold, or bytes as they are."""
    lines: list[bytes] = []
    for event in events:
        if isinstance(event, bytes):
            lines.append(event)
            continue
        text = event.model_dump_json(exclude_unset=True) if hasattr(event, "model_dump_json") else json.dumps(event)
        name = [b"event: " + event.type.encode()] if named and hasattr(event, "type") else []
        lines.append(eol.join([*name, b"data: " + text.encode(), b"", b""]))
    return b"".join([*lines, *([b"data: [DONE]" + eol + eol] if is_done else [])])


def sse_reply(body: bytes, *, every: int | None = None, is_cut: bool = False) -> Reply:
    """A stream, in pieces of that many bytes."""
    step = every or max(len(body), 1)
    pieces = [body[start : start + step] for start in range(0, len(body), step)]
    return Reply(pieces, headers={"content-type": "text/event-stream; charset=utf-8", **REQUEST_ID}, is_cut=is_cut)


@contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    """A server for the time of the block."""
    with serving(_ScriptedHandler) as http:
        state = ScriptedServer(base_url=f"http://127.0.0.1:{http.server_port}/v1")
        http.script = state  # type: ignore[attr-defined]  # as above
        yield state


class _ScriptedHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        script: ScriptedServer = self.server.script  # type: ignore[attr-defined]  # as above
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        reply = script.next_reply(Seen(self.command, self.path, list(self.headers.items()), body))
        with suppress(ConnectionError):  # whoever asked may leave before the end
            self._send(reply)

    do_GET = do_POST  # noqa: N815  (the base class names it so)
    do_DELETE = do_POST  # noqa: N815  (http.server looks for this name)

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.length is None:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(reply.length))
        self.end_headers()
        for piece in reply.pieces:
            self._send_piece(piece, is_chunked=reply.length is None)
        if reply.is_cut:
            self.close_connection = True
        elif reply.length is None:
            self.wfile.write(b"0\r\n\r\n")

    def _send_piece(self, piece: Piece, *, is_chunked: bool) -> None:
        if isinstance(piece, threading.Event):
            piece.wait(10)
        elif isinstance(piece, bytes):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if is_chunked else piece)
            self.wfile.flush()
        else:
            time.sleep(piece)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class names it so)
        """Say nothing."""
