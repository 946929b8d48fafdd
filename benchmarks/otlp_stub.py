"""A server that takes spans as OpenTelemetry and Langfuse send them. It runs as a process of its own: `OtlpStub()`.

POST keeps the request's body and answers 200; GET answers with the ids of the spans kept so far, as JSON. Bodies are
parsed only then, so that keeping them costs the measured process no core.
"""

import gzip
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
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
        self._answer(json.dumps([span for body in [*_bodies] for span in _span_ids(body)]).encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def _span_ids(body: bytes) -> Iterator[str]:
    request = ExportTraceServiceRequest.FromString(body)
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            yield from (span.span_id.hex() for span in scope.spans)


class OtlpStub:
    """The server, for as long as the `with` block lasts."""

    url: str

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "benchmarks.otlp_stub"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.communicate()

    def span_ids(self) -> list[str]:
        """In hexadecimal, in the order of their arrival; an id that came twice is there twice."""
        with urllib.request.urlopen(self.url) as response:
            ids: list[str] = json.load(response)
        return ids


def _serve() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    _serve()
