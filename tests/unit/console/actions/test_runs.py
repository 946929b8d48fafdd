"""What takes its time: its page, its progress, and what becomes of it when things go wrong."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import current_app
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.urls import reverse

from console.actions import runs
from console.actions.selection import selection_of
from console.actions.tasks import do_action
from console.models import ActionRun, AuditEvent
from training_archive.exports.exceptions import ExportBusy

pytestmark = pytest.mark.django_db(transaction=True)

EXPORT, FORGET = "console.export_examples", "console.forget_examples"
Make = Callable[..., list[str]]
Staff = Callable[..., Client]
CHOICES = {"format": "openai-chat", "dedupe": "exact", "split": "1", "name": "mine", "count_only": False}


@pytest.fixture
def queued(example_ids: Make, nothing_is_small: None, queue: Callable[[], Any]) -> ActionRun:
    """An export that waits for a worker."""
    user = User.objects.create_user("asker", is_staff=True)
    return runs.start("export", user, selection_of(example_ids(1)), CHOICES)


def page_of(run: ActionRun, client: Client) -> str:
    return client.get(reverse("admin:console_action_run", args=[run.pk])).content.decode()


def test_a_worker_does_what_waits(queued: ActionRun) -> None:
    do_action(queued.pk)

    queued.refresh_from_db()
    assert (queued.state, queued.result["rows"]) == ("succeeded", 1)


def test_the_page_of_a_waiting_run_is_kept_up_to_date_by_a_script(queued: ActionRun, staff: Staff) -> None:
    page = page_of(queued, staff(EXPORT))

    address = reverse("admin:console_action_progress", args=[queued.pk])
    assert f'data-progress="{address}"' in page
    assert 'aria-live="polite"' in page


def test_how_far_it_is_can_be_asked(queued: ActionRun, staff: Staff) -> None:
    ActionRun.objects.update(state="running", step="writing", done=3, total=7, seen_at=datetime.now(UTC))

    facts = json.loads(staff(EXPORT).get(reverse("admin:console_action_progress", args=[queued.pk])).content)

    assert facts == {
        "state": "running",
        "label": "Running",
        "step": "writing",
        "done": 3,
        "total": 7,
        "waits": False,
    }


def test_a_run_that_no_worker_takes_says_how_to_start_one(queued: ActionRun, staff: Staff) -> None:
    ActionRun.objects.update(requested_at=datetime.now(UTC) - timedelta(minutes=1))

    page = page_of(queued, staff(EXPORT))

    assert "celery --app project_settings worker" in page
    assert "Try it again" in page


def test_a_run_whose_process_is_gone_can_be_asked_for_again(
    queued: ActionRun, staff: Staff, queue: Callable[[], Any]
) -> None:
    client = staff(EXPORT)
    queue()
    ActionRun.objects.update(state="running", seen_at=datetime.now(UTC) - timedelta(minutes=5))
    assert "no sign of life" in page_of(queued, client)

    client.post(reverse("admin:console_action_again", args=[queued.pk]))

    assert queue() == [[queued.pk]]
    runs.work(queued.pk)
    assert ActionRun.objects.get().state == "succeeded"


def test_a_run_that_is_at_work_is_not_asked_for_again(queued: ActionRun, staff: Staff) -> None:
    ActionRun.objects.update(state="running", seen_at=datetime.now(UTC))
    client = staff(EXPORT)

    client.post(reverse("admin:console_action_again", args=[queued.pk]))

    assert "There is no need" in page_of(queued, client)
    assert ActionRun.objects.get().state == "running"


def test_looking_at_the_address_of_again_starts_nothing(queued: ActionRun, staff: Staff) -> None:
    ActionRun.objects.update(state="failed")

    staff(EXPORT).get(reverse("admin:console_action_again", args=[queued.pk]))

    assert ActionRun.objects.get().state == "failed"


def test_what_nobody_foresaw_is_said_without_its_words(queued: ActionRun, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any) -> dict[str, Any]:
        raise RuntimeError("the text of an example")

    monkeypatch.setitem(runs._DOERS, "export", fails)

    runs.work(queued.pk)

    queued.refresh_from_db()
    assert (queued.state, queued.problem) == ("failed", "It ended with RuntimeError; the log has more. Try it again.")


def other_process_succeeds(run: ActionRun) -> None:
    """As `work` ends in a process that gave no sign for long, and was taken for gone."""
    runs._finish(run, "succeeded", result={"rows": 1}, ids=[])


def test_a_run_that_succeeded_elsewhere_does_not_fail_afterwards(
    queued: ActionRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failed and without ids it could be asked for again, and would be an export of everything."""

    def is_late(run: ActionRun, *args: Any) -> dict[str, Any]:
        other_process_succeeds(run)
        raise ExportBusy("Another run is writing into the folder.")

    monkeypatch.setitem(runs._DOERS, "export", is_late)

    runs.work(queued.pk)

    queued.refresh_from_db()
    assert (queued.state, queued.problem, runs.may_go_again(queued)) == ("succeeded", "", False)


def test_a_run_that_ends_elsewhere_as_it_is_taken_is_still_for_its_own_examples(
    queued: ActionRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    picked, dealt_with = queued.ids, []
    take = QuerySet.update

    def takes(rows: Any, **values: Any) -> int:
        taken = take(rows, **values)
        if values["state"] == "running":
            other_process_succeeds(queued)
        return taken

    def does(run: ActionRun, *args: Any) -> dict[str, Any]:
        dealt_with.extend(run.ids)
        return {}

    monkeypatch.setattr(QuerySet, "update", takes)
    monkeypatch.setitem(runs._DOERS, "export", does)

    runs.work(queued.pk)

    assert dealt_with == picked


def test_what_succeeds_after_all_has_no_problem_any_more(queued: ActionRun, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails_elsewhere(run: ActionRun, *args: Any) -> dict[str, Any]:
        runs._finish(run, "failed", problem="Another run is writing into the folder.")
        return {}

    monkeypatch.setitem(runs._DOERS, "export", fails_elsewhere)

    runs.work(queued.pk)

    queued.refresh_from_db()
    assert (queued.state, queued.problem) == ("succeeded", "")


def test_a_broker_that_is_away_leaves_the_run_waiting(
    example_ids: Make, nothing_is_small: None, monkeypatch: pytest.MonkeyPatch, staff: Staff
) -> None:
    def away(*args: Any, **options: Any) -> None:
        raise ConnectionRefusedError("nobody there")

    monkeypatch.setattr(type(current_app._get_current_object()), "send_task", away)

    run = runs.start("export", User.objects.create_user("asker"), selection_of(example_ids(1)), CHOICES)

    assert run.state == "queued"


def test_nothing_is_begun_that_cannot_be_noted(example_ids: Make) -> None:
    ids = example_ids(1)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {AuditEvent._meta.db_table}")
    try:
        with pytest.raises(Exception, match=r"no such table|does not exist"):
            runs.start("export", User.objects.create_user("asker"), selection_of(ids), CHOICES)
        assert not ActionRun.objects.exists()
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(AuditEvent)


@pytest.mark.parametrize(("right", "kind"), [(EXPORT, "forget"), (FORGET, "export"), ("console.run_archive", "export")])
@pytest.mark.parametrize("name", ["console_action_run", "console_action_progress", "console_action_again"])
def test_each_kind_is_shown_to_its_own_right_only(staff: Staff, right: str, kind: str, name: str) -> None:
    run = ActionRun.objects.create(
        kind=kind, requested_by="x", requested_at=datetime.now(UTC), examples=1, state="failed", choices=CHOICES
    )

    assert staff(right).get(reverse(f"admin:{name}", args=[run.pk])).status_code == 403


def test_old_runs_are_forgotten(example_ids: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_KEPT", 2)
    user, selection = User.objects.create_user("asker"), selection_of(example_ids(1))

    for name in ("a", "b", "c", "d"):
        runs.start("export", user, selection, {**CHOICES, "name": name})

    assert sorted(run.choices["name"] for run in ActionRun.objects.all()) == ["c", "d"]


@pytest.mark.parametrize("state", ["queued", "running"])
def test_an_old_run_that_is_not_over_is_not_forgotten(
    queued: ActionRun, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr(runs, "_KEPT", 1)
    ActionRun.objects.update(state=state)

    for name in ("a", "b"):
        runs.start("export", User.objects.get(), selection_of(queued.ids), {**CHOICES, "name": name})

    assert ActionRun.objects.filter(pk=queued.pk).exists()


@pytest.mark.parametrize("run_id", [0, 999_999_999, 2**70])
def test_a_run_that_is_not_there_is_not_found(staff: Staff, run_id: int) -> None:
    assert staff(EXPORT).get(reverse("admin:console_action_run", args=[run_id])).status_code == 404
