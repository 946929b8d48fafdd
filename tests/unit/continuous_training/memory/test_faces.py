"""Memories from the shell, by beat and in the admin, and what `manage.py check` says of their settings."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from capture_app.checks import check_capture_settings
from capture_app.jobs import only_run
from capture_app.management.service_command import BUSY
from continuous_training import tasks
from continuous_training.memory.checks import check_memory_settings
from continuous_training.memory.embedders.openai_compatible import OpenAICompatibleEmbedder
from continuous_training.memory.settings import MEMORY
from continuous_training.memory.updating import JOB
from continuous_training.models import Memory
from tests.unit.continuous_training.memory.material import RECALL, remembered, said, summaries, summarising


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("update_memories", *arguments, stdout=out)
    return out.getvalue()


# --- The command -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_command_says_what_it_did() -> None:
    said("I like tea.", drain=False)
    said("", drain=False)
    said("I like coffee.")
    remembered("I liked milk.", days_ago=400)

    assert run("--limit", "2") == (
        "1 exchange remembered.\n  1 had nothing to remember\n  1 dropped, for they are older than DAYS\n"
    )
    assert orjson.loads(run("--json"))["remembered"] == 1


@pytest.mark.django_db
def test_the_command_fails_when_the_run_ended_early(capture: Callable[..., None]) -> None:
    capture(**summarising(ConnectionError("away")))
    for n in range(3):
        said(f"Question {n}", drain=n == 2)

    with pytest.raises(CommandError, match=r"ended early; the others wait\. The model could not be asked"):
        run()


@pytest.mark.django_db
def test_the_command_leaves_it_to_a_run_that_is_at_work() -> None:
    with only_run(JOB), pytest.raises(CommandError) as failure:
        run()

    assert failure.value.returncode == BUSY


@pytest.mark.parametrize("number", ["0", "-1", "x", "²"])
def test_a_limit_is_a_number(number: str) -> None:
    with pytest.raises(CommandError, match="is no number of examples"):
        run(f"--limit={number}")


# --- Beat ------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_beat_remembers_only_where_calls_may_ask_for_it(capture: Callable[..., None]) -> None:
    said("I like tea.")
    capture(MEMORY="")
    tasks.update_memories()
    assert not Memory.objects.exists()

    capture(MEMORY=RECALL)
    tasks.update_memories()
    assert len(summaries()) == 1


@pytest.mark.django_db
def test_beat_leaves_it_to_a_run_that_is_at_work_and_says_why_one_ended(
    capture: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    with only_run(JOB):
        tasks.update_memories()
    capture(**summarising(ConnectionError("away")))
    for n in range(3):
        said(f"Question {n}", drain=n == 2)
    tasks.update_memories()

    assert "Memories: The model could not be asked" in caplog.text


# --- The admin -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_memories_are_looked_at_and_never_changed(admin_client: Client) -> None:
    remembered("I like <script>alert(1)</script> tea\u202e.", example_id="e1", user="<b>ada</b>")
    Memory.objects.create(pk="nothing", created_at=Memory.objects.get().created_at)
    place = "admin:continuous_training_memory"
    listed = admin_client.get(reverse(f"{place}_changelist"), {"q": "<b>ada</b>"}).content.decode()
    shown = admin_client.get(reverse(f"{place}_change", args=["e1"])).content.decode()

    for page in (listed, shown):
        assert "I like &lt;script&gt;" in page
        assert "⟦U+202E⟧" in page
        assert "<b>ada</b>" not in page
    assert "nothing" not in listed
    assert admin_client.get(reverse(f"{place}_add")).status_code == 403
    assert admin_client.post(reverse(f"{place}_delete", args=["e1"])).status_code == 403


# --- Settings --------------------------------------------------------------------------------------------------------


SERVICE = {"BACKEND": f"{OpenAICompatibleEmbedder.__module__}.{OpenAICompatibleEmbedder.__name__}", "OPTIONS": {}}


@pytest.mark.parametrize("value", [{}, MEMORY, {"EMBEDDER": SERVICE, "MIN_SCORE": 0.5, "TASKS": ["chat"], "DAYS": 0.5}])
def test_settings_that_are_right_are_silent(settings: Any, value: Any) -> None:
    settings.CONTINUOUS_TRAINING = {"MEMORY": value}

    assert check_memory_settings() == []


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ([], "E021"),
        ({"EMBEDDERS": SERVICE}, "E021"),
        ({"TASKS": "chat"}, "E022"),
        ({"TASKS": [""]}, "E022"),
        ({"DAYS": 0}, "E022"),
        ({"DAYS": float("inf")}, "E022"),
        ({"SUMMARIZER": "model"}, "E022"),
        ({"EMBEDDER": SERVICE["BACKEND"]}, "E022"),
        ({"EMBEDDER": {"BACKEND": "nowhere.Embedder"}}, "E022"),
        ({"EMBEDDER": {"BACKEND": "continuous_training.memory.recall"}}, "E022"),
        ({"EMBEDDER": {"BACKEND": None}}, "E022"),
        ({"EMBEDDER": {**SERVICE, "OPTION": {}}}, "E022"),
        ({"EMBEDDER": {**SERVICE, "OPTIONS": []}}, "E022"),
        ({"MIN_SCORE": 1.5}, "E022"),
        ({"MIN_SCORE": True}, "E022"),
        ({"CANDIDATES": 0}, "E022"),
        ({"TOKENS": "800"}, "E022"),
    ],
)
def test_settings_that_are_wrong_are_said(settings: Any, value: Any, problem: str) -> None:
    settings.CONTINUOUS_TRAINING = {"MEMORY": value}
    [found] = check_memory_settings()

    assert found.id == f"continuous_training.{problem}"


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"MEMORY": "nowhere.recall"}, "E008"),
        ({"MEMORY_SECONDS": 0}, "E013"),
        ({"MEMORY_SECONDS": "0.5"}, "E013"),
        ({"MEMORY_SECONDS": float("nan")}, "E013"),
    ],
)
def test_wrong_settings_of_the_call_are_said_too(capture: Callable[..., None], keys: Any, problem: str) -> None:
    capture(**keys)
    [found] = check_capture_settings()

    assert found.id == f"capture_app.{problem}"
