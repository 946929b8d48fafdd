"""A server that takes what Langfuse's SDK sends, and counts it. It runs as a process of its own: `LangfuseStub()`.

POST keeps the request's body and answers 200; GET answers with the number of spans kept so far, as JSON. Bodies are
parsed only then, so that counting costs the measured process no core.
"""

import gzip
import json
import subprocess
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_bodies: list[bytes] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        _bodies.append(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
        self._answer(b"")

    def do_GET(self) -> None:
        self._answer(json.dumps(sum(map(_spans, _bodies))).encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def _spans(body: bytes) -> int:
    request = ExportTraceServiceRequest.FromString(body)
    return sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)


class LangfuseStub:
    """The server, for as long as the `with` block lasts."""

    url: str

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "benchmarks.langfuse_stub"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.communicate()

    def spans(self) -> int:
        with urllib.request.urlopen(self.url) as response:
            return int(json.load(response))


def _serve() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    _serve()
