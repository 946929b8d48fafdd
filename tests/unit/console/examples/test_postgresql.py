"""The list and the search on PostgreSQL: they find what they find on SQLite."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import find_program
from tests.integration.servers import new_database, postgres_server

ROOT = Path(__file__).resolve().parents[4]

_SCRIPT = """
import json
import sys
from datetime import UTC, datetime, timedelta

import django

django.setup()

from django.core.management import call_command
from django.http import QueryDict

call_command("migrate", verbosity=0)

from capture_app.models import ExampleIndex, Review
from console.examples.choices import models, tasks
from console.examples.listing import Listing
from console.examples.search.entries import enter_examples
from console.examples.search.finding import find_by_words
from console.examples.wanted import read
from console.models import SearchEntry

noon = datetime(2026, 3, 1, 12, tzinfo=UTC)


def make(number, prompt, **values):
    facts = {"task": "shop", "provider": "offline", "model_name": "small", "prompt_hash": f"{number:064x}"}
    facts |= {"conversation_id": "c", "prompt_preview": prompt, "response_preview": "-", "generation": "live"}
    at = noon + timedelta(minutes=number)
    return ExampleIndex.objects.create(id=f"e{number}", created_at=at, **{**facts, **values})


def ids(text):
    found = []
    after = {}
    while True:
        query = QueryDict(text, mutable=True)
        query.update(after)
        page = Listing(read(query, may_read=True)[0], may_read=True).page(2)
        found += [row.pk for row in page.rows]
        if not page.next:
            return found
        after = {"after": page.next.token}


make(0, "What is the price? 12.5 EUR, \\u00fcber snake_case")
make(1, "secret words", task="other", finish_reason="length", has_tools=True)
make(3, "other words", is_partial=True, model_name="large")
Review.objects.create(example_id="e3", verdict="good", reviewed_by="ada", reviewed_at=noon)
enter_examples()
asked = json.loads(sys.argv[1])
found = {question: find_by_words(question).ids for question in asked["questions"]}
lists = {text: ids(text) for text in asked["lists"]}
names = [tasks(), models()]
ExampleIndex.objects.filter(pk="e1").delete()
print(json.dumps({
    "found": found, "lists": lists, "names": names,
    "after": [find_by_words("secret").ids, find_by_words("words").ids, SearchEntry.objects.count()],
}))
"""


# Question, or query string of the list -> what it finds.
_OF_THE_FIRST = ("price", "PRICE eur", '"the price"', "pri*", "the-price", "12.5", "ÜBER", "snake_case")
_OF_NONE = ("rice", '"price the"', "a' & b", "a | b", "!a", "(", "\\", "'")
_FOUND = {
    **{question: ["e0"] for question in _OF_THE_FIRST},
    **{question: [] for question in _OF_NONE},
    "words": ["e3", "e1"],
}
_LISTED = {
    "": ["e3", "e1", "e0"],
    "o=1": ["e0", "e1", "e3"],
    "task=shop": ["e3", "e0"],
    "cut_short=yes": ["e1"],
    "partial=yes": ["e3"],
    "tools=yes": ["e1"],
    "model=large": ["e3"],
    "provider=offline&task=shop": ["e3", "e0"],
    "review=good": ["e3"],
    "review=none": ["e1", "e0"],
    "year=2026&month=3": ["e3", "e1", "e0"],
    "q=words": ["e3", "e1"],
    "q=e1": ["e1"],
    "q=words&task=other": ["e1"],
}


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a process of its own finds on a PostgreSQL of its own."""
    folder = tmp_path_factory.mktemp("postgresql")
    asked = json.dumps({"questions": list(_FOUND), "lists": list(_LISTED)})
    with postgres_server(find_program) as server:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "project_settings.settings",
            "DATABASE_URL": new_database(server, "console"),
            "TRAINING_DATA_DIR": str(folder / "backups"),
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, "-c", _SCRIPT, asked]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_words_find_what_they_find_on_sqlite(answer: dict[str, Any]) -> None:
    assert answer["found"] == _FOUND


def test_filters_let_through_what_they_do_on_sqlite(answer: dict[str, Any]) -> None:
    assert answer["lists"] == _LISTED


def test_names_are_found(answer: dict[str, Any]) -> None:
    assert answer["names"] == [["other", "shop"], ["large", "small"]]


def test_words_go_with_their_example(answer: dict[str, Any]) -> None:
    assert answer["after"] == [[], ["e3"], 2]
