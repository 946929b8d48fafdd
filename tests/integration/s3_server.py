"""An S3 server of a test's own, on loopback: moto in a process of its own, with trouble on command.

`python -m tests.integration.s3_server PORT` is that process. What it stores is in its memory; it counts the bytes of
the bodies that it takes and gives, and a request to /-trouble makes it slow, broken, or away for a while.
"""

import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "training-archive"

_PATIENCE = 60.0  # seconds
_PIECE = 256 * 2**10  # bytes of an answer


def storage_on(url: str) -> dict[str, Any]:
    """An entry of STORAGES for the bucket there. What fails is tried again by Gleaner alone, and soon."""
    from botocore.config import Config

    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": BUCKET,
            "endpoint_url": url,
            "region_name": "us-east-1",
            "access_key": "test",
            "secret_key": "test",
            "client_config": Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=5),
        },
    }


@contextmanager
def new_bucket(server: "S3Server") -> Iterator[Any]:
    """The bucket, empty, as boto3 knows it; gone with all that is in it at the end of the block."""
    import boto3

    options = storage_on(server.url)["OPTIONS"]
    s3 = boto3.resource(
        "s3",
        endpoint_url=server.url,
        region_name=options["region_name"],
        aws_access_key_id=options["access_key"],
        aws_secret_access_key=options["secret_key"],
    )
    bucket = s3.create_bucket(Bucket=BUCKET)
    yield bucket
    server.wait()
    server.trouble(delay=0, refuse=0, cut=0, opaque=0)
    for upload in bucket.multipart_uploads.all():
        upload.abort()
    bucket.objects.all().delete()
    bucket.delete()


class S3Server:
    """The server as the tests see it."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it answers."""
        command = [sys.executable, "-m", "tests.integration.s3_server", str(self.port)]
        self._process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        self.wait()

    def wait(self) -> None:
        """Returns when it answers."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                self.seen()
            except (OSError, HTTPException):
                assert time.monotonic() < deadline, "the S3 server does not answer"
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def seen(self) -> dict[str, int]:
        """How many bytes it has `taken` and `given` as bodies of objects."""
        return self.trouble()

    def trouble(self, **kinds: float) -> dict[str, int]:
        """`delay`: seconds before each request and each piece of an answer; `refuse`: answer so many requests with 503;
        `cut`: break off so many long answers; `away`: close the port for so many seconds; `opaque`: say nothing
        of what an object contains, as a server with keys of its own does.
        """
        request = urllib.request.Request(f"{self.url}/-trouble", data=json.dumps(kinds).encode())
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
            found: dict[str, int] = json.load(answer)
            return found


@contextmanager
def s3_server() -> Iterator[S3Server]:
    server = S3Server()
    server.start()
    try:
        yield server
    finally:
        server.stop()


# --- In the server's process -----------------------------------------------------------------------------------------


class _Troubled:
    """A WSGI application before moto's."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self.away = 0.0
        self.leave: Callable[[], None] = lambda: None
        self._application = application
        self._seen = {"taken": 0, "given": 0}
        self._delay = 0.0
        self._refuse = 0
        self._cut = 0
        self._opaque = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        if environ["PATH_INFO"] == "/-trouble":
            yield self._obey(environ, start_response)
            return
        time.sleep(self._delay)
        if self._refuse:
            self._refuse -= 1
            start_response("503 Slow Down", [("Content-Type", "application/xml"), ("Content-Length", "0")])
            return
        self._seen["taken"] += int(environ.get("CONTENT_LENGTH") or 0)
        is_part = "partNumber" in environ["QUERY_STRING"]
        respond = _opaque(start_response) if self._opaque and not is_part else start_response
        for answer in self._application(environ, respond):
            for begin in range(0, len(answer), _PIECE):
                self._seen["given"] += len(answer[begin : begin + _PIECE])
                yield answer[begin : begin + _PIECE]
                time.sleep(self._delay)
                if self._cut and len(answer) > _PIECE:
                    self._cut -= 1
                    raise ConnectionAbortedError

    def _obey(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> bytes:
        kinds = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        self._delay = kinds.get("delay", self._delay)
        self._refuse = kinds.get("refuse", self._refuse)
        self._cut = kinds.get("cut", self._cut)
        self._opaque = kinds.get("opaque", self._opaque)
        if "away" in kinds:
            self.away = kinds["away"]
            threading.Thread(target=self.leave).start()
        answer = json.dumps(self._seen).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
        return answer


def _opaque(start_response: Callable[..., Any]) -> Callable[..., Any]:
    def respond(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        kept = [(name, value) for name, value in headers if not name.lower().startswith("x-amz-checksum")]
        hidden = [(name, '"opaque"' if name.lower() == "etag" else value) for name, value in kept]
        return start_response(status, hidden, *rest)

    return respond


def main(port: int) -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    application = _Troubled(DomainDispatcherApplication(create_backend_app))
    while True:
        server = make_server("127.0.0.1", port, application, threaded=True, request_handler=MotoRequestHandler)
        application.leave = server.shutdown
        server.serve_forever(poll_interval=0.05)
        server.server_close()
        time.sleep(application.away)


if __name__ == "__main__":
    main(int(sys.argv[1]))
