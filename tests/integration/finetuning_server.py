"""A small service that fine-tunes, by OpenAI's protocol, on a free port of the loopback: files, jobs, events, models.

It keeps what it was sent, and its jobs go on each time they are looked at. `faults` says what it does instead of
answering well, each once, at the next request whose method and path begin so.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.integration.openai_server import serving

USUAL = ("validating_files", "queued", "running", "succeeded")


@dataclass
class Fault:
    """What happens instead of a good answer."""

    request: str  # such as "POST /v1/fine_tuning/jobs", or the beginning of it
    status: int = 0  # answered with; 0: as below
    body: Any = None  # JSON, or bytes as they are; None: an error in the usual form
    headers: dict[str, str] = field(default_factory=dict)
    is_done: bool = False  # the service does what it was asked for before
    is_cut: bool = False  # the connection ends without an answer
    seconds: float = 0.0  # before anything


@dataclass
class FinetuningServer:
    base_url: str = ""
    statuses: tuple[str, ...] = USUAL  # of a job, one at each look
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    bodies: list[dict[str, Any]] = field(default_factory=list)  # of all requests for a job
    models: list[str] = field(default_factory=list)
    uploads: int = 0
    requests: list[str] = field(default_factory=list)  # method and path, in order
    faults: list[Fault] = field(default_factory=list)
    lists: bool = True  # whether it remembers, when asked for a list
    job_facts: dict[str, Any] = field(default_factory=dict)  # told of every job, whatever is true
    lock: threading.RLock = field(default_factory=threading.RLock)

    def fault_for(self, request: str) -> Fault | None:
        found = next((fault for fault in self.faults if request.startswith(fault.request)), None)
        if found:
            self.faults.remove(found)
        return found

    # --- What it does -------------------------------------------------------------------------------------------

    def upload(self, name: str, content: bytes) -> dict[str, Any]:
        self.uploads += 1
        file_id = f"file-{self.uploads}"
        self.contents[file_id] = content
        self.files[file_id] = {
            "id": file_id,
            "object": "file",
            "bytes": len(content),
            "created_at": int(time.time()),
            "filename": name,
            "purpose": "fine-tune",
            "status": "processed",
        }
        return self.files[file_id]

    def create_job(self, body: dict[str, Any]) -> dict[str, Any]:
        self.bodies.append(body)
        job_id = f"ftjob-{len(self.bodies)}"
        self.jobs[job_id] = {
            "id": job_id,
            "object": "fine_tuning.job",
            "created_at": 1_800_000_000,
            "finished_at": None,
            "model": body["model"],
            "training_file": body["training_file"],
            "metadata": body.get("metadata"),
            "status": "validating_files",
            "fine_tuned_model": None,
            "trained_tokens": None,
            "error": None,
            "looks": 0,
        }
        return self.jobs[job_id]

    def look(self, job: dict[str, Any]) -> dict[str, Any]:
        if job["status"] not in ("succeeded", "failed", "cancelled"):
            job["status"] = self.statuses[min(job["looks"], len(self.statuses) - 1)]
            job["looks"] += 1
        if job["status"] == "succeeded" and not job["fine_tuned_model"]:
            job |= {"fine_tuned_model": f"ft:{job['model']}:{job['id']}", "trained_tokens": 2_000_000}
            job["finished_at"] = job["created_at"] + 600
            self.models.append(job["fine_tuned_model"])
        if job["status"] == "failed":
            job["error"] = {"code": "invalid", "message": "The loss is not finite.", "param": None}
        return {**job, **self.job_facts}

    def events(self, job: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {
                "id": f"event-{step}",
                "object": "fine_tuning.job.event",
                "created_at": 1_800_000_000,
                "level": "info",
                "message": f"Step {step}/10",
                "type": "metrics",
                "data": {"step": step, "total_steps": 10, "train_loss": 1.0 / step},
            }
            for step in range(min(10, job["looks"] * 2), 0, -1)
        ]


@contextmanager
def finetuning_server() -> Iterator[FinetuningServer]:
    """A server for the time of the block."""
    with serving(_Handler) as http:
        state = FinetuningServer(base_url=f"http://127.0.0.1:{http.server_port}/v1")
        http.service = state  # type: ignore[attr-defined]  # for the handler, which knows only its server
        yield state


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits for an acknowledgment, 40 ms

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        service: FinetuningServer = self.server.service  # type: ignore[attr-defined]  # put there by finetuning_server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        with service.lock:
            request = f"{self.command} {path}"
            service.requests.append(request)
            fault = service.fault_for(request)
        if fault:
            self._fail(service, fault, path, body)
        else:
            with service.lock:
                status, answer = self._answer(service, path, body)
            self._send(status, answer)

    def _fail(self, service: FinetuningServer, fault: Fault, path: str, body: bytes) -> None:
        time.sleep(fault.seconds)
        status, answer = fault.status, fault.body
        if fault.is_done or not (fault.status or fault.is_cut):
            with service.lock:
                found = self._answer(service, path, body)
            status, answer = (status, answer) if status else found
        if fault.is_cut:
            self.close_connection = True
            return
        self._send(status, _error(f"This is the fault {status}.") if answer is None else answer, **fault.headers)

    def _answer(self, service: FinetuningServer, path: str, body: bytes) -> tuple[int, Any]:
        for method, pattern, answer in _ROUTES:
            if method == self.command and (found := re.fullmatch(pattern, path)):
                return answer(service, self, body, *found.groups())
        return 404, _error(f"There is no {path}.")

    def _send(self, status: int, answer: Any, **headers: str) -> None:
        raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        if "Content-Type" not in headers:
            self.send_header("Content-Type", "application/json")
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class names it so)
        """Say nothing."""


def _error(message: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "code": code, "param": None}}


def _list(found: list[dict[str, Any]]) -> tuple[int, Any]:
    return 200, {"object": "list", "data": list(reversed(found)), "has_more": False}


def _upload(service: FinetuningServer, handler: _Handler, body: bytes) -> tuple[int, Any]:
    head = f"Content-Type: {handler.headers['Content-Type']}\r\n\r\n".encode()
    parts = list(BytesParser(policy=HTTP).parsebytes(head + body).iter_parts())
    file = next(part for part in parts if part.get_filename())
    content = file.get_payload(decode=True)
    assert isinstance(content, bytes)
    return 200, service.upload(str(file.get_filename()), content)


def _files(service: FinetuningServer, handler: _Handler, body: bytes) -> tuple[int, Any]:
    return _list(list(service.files.values()) if service.lists else [])


def _delete_file(service: FinetuningServer, handler: _Handler, body: bytes, file_id: str) -> tuple[int, Any]:
    if service.files.pop(file_id, None) is None:
        return 404, _error(f"No such File object: {file_id}")
    return 200, {"id": file_id, "object": "file", "deleted": True}


def _create(service: FinetuningServer, handler: _Handler, body: bytes) -> tuple[int, Any]:
    asked = json.loads(body)
    if asked["training_file"] not in service.files:
        return 400, _error("Invalid file.", "invalid_file")
    return 200, service.create_job(asked)


def _jobs(service: FinetuningServer, handler: _Handler, body: bytes) -> tuple[int, Any]:
    return _list(list(service.jobs.values()) if service.lists else [])


def _of_job(act: Callable[[FinetuningServer, dict[str, Any]], tuple[int, Any]]) -> Callable[..., tuple[int, Any]]:
    def answer(service: FinetuningServer, handler: _Handler, body: bytes, job_id: str) -> tuple[int, Any]:
        job = service.jobs.get(job_id)
        return (404, _error(f"No such job: {job_id}")) if job is None else act(service, job)

    return answer


def _cancel(service: FinetuningServer, job: dict[str, Any]) -> tuple[int, Any]:
    if job["status"] in ("succeeded", "failed", "cancelled"):
        return 400, _error(f"Job {job['id']} is {job['status']}.")
    job["status"] = "cancelled"
    return 200, job


def _delete_model(service: FinetuningServer, handler: _Handler, body: bytes, model: str) -> tuple[int, Any]:
    if model not in service.models:
        return 404, _error(f"The model {model} does not exist.")
    service.models.remove(model)
    return 200, {"id": model, "object": "model", "deleted": True}


_ROUTES: tuple[tuple[str, str, Callable[..., tuple[int, Any]]], ...] = (
    ("POST", r"/v1/files", _upload),
    ("GET", r"/v1/files", _files),
    ("DELETE", r"/v1/files/([^/]+)", _delete_file),
    ("POST", r"/v1/fine_tuning/jobs", _create),
    ("GET", r"/v1/fine_tuning/jobs", _jobs),
    ("GET", r"/v1/fine_tuning/jobs/([^/]+)", _of_job(lambda service, job: (200, service.look(job)))),
    ("POST", r"/v1/fine_tuning/jobs/([^/]+)/cancel", _of_job(_cancel)),
    ("GET", r"/v1/fine_tuning/jobs/([^/]+)/events", _of_job(lambda service, job: _list(service.events(job)[::-1]))),
    ("DELETE", r"/v1/models/([^/]+)", _delete_model),
)
