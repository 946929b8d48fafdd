"""python -m benchmarks.console_pages TIMES QUESTIONS: how long the configured project takes for each of its pages.

QUESTIONS is the file that console_site printed. Prints JSON: the seconds of each request, by page.
"""

import json
import logging
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402  (after Django's settings, as those below)
from django.test import Client  # noqa: E402  (as above)
from django.urls import reverse  # noqa: E402  (as above)
from django.utils.http import urlencode  # noqa: E402  (as above)

from capture_app.conf import capture_settings  # noqa: E402  (as above)
from console.example_page.chunk_cache import FOLDER  # noqa: E402  (as above)

_LIST: Final = "admin:capture_app_exampleindex_changelist"
_PAGE: Final = "admin:capture_app_exampleindex_change"
_WARMING: Final = 2  # requests of each page that are not counted
_WORD: Final = re.compile(r"[A-Za-z]{6,}")

UNPACKED: Final = "an example, its chunk to be unpacked"

Ask = Callable[[], str]


def _pages(questions: Mapping[str, Any]) -> dict[str, Ask]:
    """By name, what gives the next address."""
    rows: Iterator[dict[str, str]] = cycle(questions["rows"])
    newest: Iterator[str] = cycle(questions["newest"])

    def listed(**asked: str) -> Ask:
        return lambda: f"{reverse(_LIST)}?{urlencode(asked)}"

    def queue(**asked: str) -> Ask:
        return lambda: f"{reverse('admin:console_review')}?{urlencode(asked)}"

    def of_a_row(name: str, field: str) -> Ask:
        return lambda: f"{reverse(_LIST)}?{urlencode({name: next(rows)[field]})}"

    def rare() -> str:
        words = _WORD.findall(next(rows)["prompt_preview"])
        return f"{reverse(_LIST)}?{urlencode({'q': max(words, key=len, default='nothing')})}"

    def example() -> str:
        return reverse(_PAGE, args=[next(newest)])

    return {
        "the list": listed(),
        "the list, oldest first": listed(o="1"),
        "by task": of_a_row("task", "task"),
        "by model": of_a_row("model", "model_name"),
        "by provider": of_a_row("provider", "provider"),
        "by month": listed(year="2026", month="9"),
        "reviewed as good": listed(review="good"),
        "reviewed as bad": listed(review="bad"),
        "not reviewed": listed(review="none"),
        "rated low": listed(rating="low"),
        "by tag": listed(tag="tag-1"),
        "cut short": listed(cut_short="yes"),
        "partial": listed(partial="yes"),
        "with tools": listed(tools="yes"),
        "archived": listed(place="archived"),
        "not archived": listed(place="live"),
        "a provider that never answered": listed(provider="nobody"),
        "a task, with tools, reviewed as bad": listed(task="navpage_classifier", tools="yes", review="bad"),
        "search: an id": of_a_row("q", "pk"),
        "search: a prompt's hash": of_a_row("q", "prompt_hash"),
        "search: a conversation": of_a_row("q", "conversation_id"),
        "search: a word that is common": listed(q="return"),
        "search: two words that are common": listed(q="self return"),
        "search: the beginning of a word": listed(q="con*"),
        "search: a word that is rare": rare,
        "search: a word that is nowhere": listed(q="qzxjkvwb"),
        "search: a word, of one task": listed(q="return", task="navpage_classifier"),
        "an example, its chunk at hand": example,
        UNPACKED: example,
        "the review queue": queue(),
        "the review queue, a random sample": queue(order="sample", seed="7"),
        "the review queue, of a task, those reviewed as bad": queue(task="navpage_classifier", state="bad"),
        "the dashboard": lambda: reverse("admin:index"),
    }


def _measure(client: Client, name: str, ask: Ask, times: int) -> list[float]:
    taken = []
    for number in range(times + _WARMING):
        if name == UNPACKED:
            shutil.rmtree(capture_settings().data_dir / FOLDER, ignore_errors=True)
        address = ask()
        began = time.perf_counter()
        answer = client.get(address, follow=True)  # the queue leads to its next example
        seconds = time.perf_counter() - began
        assert answer.status_code == 200, (address, answer.status_code)
        if number >= _WARMING:
            taken.append(seconds)
    return taken


def _main(times: int, questions: Path) -> None:
    logging.disable(logging.INFO)
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get())
    pages = _pages(json.loads(questions.read_text()))
    json.dump({name: _measure(client, name, ask, times) for name, ask in pages.items()}, sys.stdout)


if __name__ == "__main__":
    _main(int(sys.argv[1]), Path(sys.argv[2]))
