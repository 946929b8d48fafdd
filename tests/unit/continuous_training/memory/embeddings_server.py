"""A small server on a free port of the loopback that speaks OpenAI's embeddings, and answers as a test says."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.integration.openai_server import serving


@dataclass
class EmbeddingsServer:
    """What the server was asked, and how it answers."""

    base_url: str
    requests: list[dict[str, Any]] = field(default_factory=list)  # the JSON of each, in order
    refusals: list[int] = field(default_factory=list)  # HTTP statuses, one for each of the next requests
    answer: Any = None  # the JSON of every answer; None: an embedding of each text

    def embeddings(self, request: dict[str, Any]) -> Any:
        """The length of the text in the first place, and 1 in the second; the last one first."""
        if self.answer is not None:
            return self.answer
        data = [
            {"object": "embedding", "index": index, "embedding": [float(len(text)), 1.0]}
            for index, text in enumerate(request["input"])
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return {"object": "list", "data": data[::-1], "model": request["model"], "usage": usage}


@contextmanager
def embeddings_server() -> Iterator[EmbeddingsServer]:
    """A server for the time of the block."""
    with serving(_Handler) as http:
        state = EmbeddingsServer(base_url=f"http://127.0.0.1:{http.server_port}/v1")
        http.state = state  # type: ignore[attr-defined]  # for the handler, which knows only its server
        yield state


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        state: EmbeddingsServer = self.server.state  # type: ignore[attr-defined]  # put there by embeddings_server
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        state.requests.append(request)
        status = state.refusals.pop(0) if state.refusals else 200
        answer = state.embeddings(request) if status == 200 else {"error": {"message": "no", "type": "x"}}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After-Ms", "1")  # the SDK takes its word, and does not wait for long
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (http.server calls it so)
        """Say nothing."""
