"""The API of training files as it is served, asked everything that its OpenAPI description allows, and forbids."""

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError

import pytest

from tests.integration.conftest import DATABASE, ROOT, Project, project_in
from tests.integration.servers import free_port, wait_until

_FILL = """
import django
django.setup()
from capture_app.api_tokens import create_token
from tests.unit.training_files.filling import many, training_file
from training_files.actors import Actor
ids = many("c", 40)
for number in range(12):
    print(training_file(ids[number : number + 3], name=f"file {number}", by=Actor("token:ci")).pk)
print(create_token("ci", scopes=["training_files:write"]).token)
"""

# What is accepted of a request that is as the description says: some facts it cannot say, such as which conversations
# there are. A key that comes twice by chance is 422.
_ACCEPTED = ["2xx", "404", "409", "422"]
_NAMING_CONVERSATIONS = ["createTrainingFile", "addConversations", "removeConversations", "startBuild"]


@dataclass(frozen=True, slots=True)
class Served:
    project: Project
    url: str
    token: str
    files: list[str]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Served]:
    """The stand-alone project under gunicorn, with some training files of a token's."""
    folder, port = tmp_path_factory.mktemp("served"), free_port()
    log = folder / "web.log"
    shutil.copy(migrated, folder / DATABASE)
    project = project_in(folder, PORT=str(port), WEB_CONCURRENCY="1")
    filled = project.run("-c", _FILL)
    assert filled.returncode == 0, filled.stderr
    *files, token = filled.stdout.split()
    url = f"http://127.0.0.1:{port}"
    with project.running(log, "gunicorn", "--config", "python:project_settings.gunicorn_conf", "project_settings.wsgi"):
        wait_until(lambda: _answers(f"{url}/api/training-files/openapi.json"), log)
        yield Served(project, url, token, files)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _configuration(served: Served) -> str:
    """Of schemathesis: ids that there are, so that it comes further than "not found"."""
    return f"""
[checks]
positive_data_acceptance.expected-statuses = {json.dumps(_ACCEPTED)}
[dictionaries.files]
values = {json.dumps(served.files)}
[dictionaries.conversations]
values = {json.dumps([f"c{number}" for number in range(40)])}
[dictionaries.numbers]
values = [1, 2]
[parameters]
"path.file_id" = {{ dictionary = "files", probability = 0.8 }}
"path.conversation_id" = {{ dictionary = "conversations", probability = 0.7 }}
"path.number" = {{ dictionary = "numbers", probability = 0.7 }}
"path.turn" = {{ dictionary = "numbers", probability = 0.7 }}
"query.version" = {{ dictionary = "numbers", probability = 0.5 }}
"query.old" = {{ dictionary = "numbers", probability = 0.5 }}
"query.new" = {{ dictionary = "numbers", probability = 0.5 }}
"body.conversation_ids[*]" = {{ dictionary = "conversations", probability = 0.9 }}
[[operations]]
include-operation-id = {json.dumps(_NAMING_CONVERSATIONS)}
checks.positive_data_acceptance.expected-statuses = {json.dumps([*_ACCEPTED, "400"])}
[[operations]]
include-operation-id = "downloadContent"
checks.positive_data_acceptance.expected-statuses = ["403"]
"""


def test_schemathesis_finds_nothing(served: Served, tmp_path: Path) -> None:
    """Every kind of good and bad value of each field, once; without the import, whose format has tests of its own."""
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(_configuration(served))

    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("schemathesis"), "--config-file", configuration),
            *(
                "run",
                f"{served.url}/api/training-files/openapi.json",
                "--header",
                f"Authorization: Bearer {served.token}",
            ),
            *(
                "--seed",
                "1",
                "--phases",
                "coverage",
                "--exclude-operation-id",
                "importConversation",
                "--no-shrink",
                "--warnings",
                "off",
            ),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr


def test_the_same_request_sent_many_times_at_once_is_done_once(served: Served) -> None:
    body = json.dumps({"name": "at once", "conversation_ids": ["c1"]}).encode()
    headers = {
        "Authorization": f"Bearer {served.token}",
        "Content-Type": "application/json",
        "Idempotency-Key": "the same",
    }

    def send(_: int) -> tuple[int, str | None, bytes]:
        request = urllib.request.Request(f"{served.url}/api/training-files", body, headers)
        try:
            with urllib.request.urlopen(request) as response:
                return response.status, response.headers.get("Idempotency-Replayed"), response.read()
        except HTTPError as error:
            return error.code, error.headers.get("Retry-After"), error.read()

    with ThreadPoolExecutor(8) as senders:
        answers = list(senders.map(send, range(16)))

    assert [(status, told) for status, told, _ in answers].count((201, None)) == 1
    assert {(status, told) for status, told, _ in answers} <= {(201, None), (201, "true"), (409, "1")}
    assert len({content for status, _, content in answers if status == 201}) == 1


def test_the_lines_of_the_document_work_as_typed(served: Served, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "training_files_api.md").read_text()
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("http://127.0.0.1:8000", served.url)
    here = lines.replace(".venv/bin/python", sys.executable).replace("manage.py", str(ROOT / "manage.py"))

    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", here],
        cwd=tmp_path,
        env=served.project.environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    header, line = (tmp_path / "first.jsonl").read_text().splitlines()
    assert json.loads(header)["_meta"]["file_name"] == "first file"
    assert json.loads(line)["training_metadata"]["reviewer_notes"] == "Warm and clear"
