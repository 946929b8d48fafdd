"""The list of runs, the page of one, and what its script asks for."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from filelock import FileLock

from console.runs.page import duration
from training_archive.models import ArchiveRun

pytestmark = pytest.mark.django_db

LIST = "admin:training_archive_archiverun_changelist"
ONE = "admin:training_archive_archiverun_change"
PROGRESS = "admin:console_runs_progress"

Make = Callable[..., ArchiveRun]
HOSTILE = "</pre><script>alert(1)</script>\u202egnp.exe"


@pytest.fixture
def reader(log_in: Callable[..., Client]) -> Client:
    return log_in("view_figures")


def page(client: Client, run: ArchiveRun) -> str:
    return client.get(reverse(ONE, args=[run.pk])).content.decode()


def progress(client: Client, run: ArchiveRun, **query: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.get(reverse(PROGRESS, args=[run.pk]), query).json()
    return found


# --- The list --------------------------------------------------------------------------------------------------------


def test_the_list_has_each_run_with_its_figures(reader: Client, make_run: Make) -> None:
    make_run()

    found = reader.get(reverse(LIST)).content.decode()

    for text in ("2026-01-02 12:00<", "Requested (UTC)", "Succeeded", "1 min 5 s", "12,345", "3.5 MB"):
        assert text in found


def test_an_empty_list_says_what_to_do_next(log_in: Callable[..., Client]) -> None:
    assert "<em>Archive now</em> above starts one" in " ".join(
        log_in("run_archive").get(reverse(LIST)).content.decode().split()
    )


def test_who_may_not_start_one_is_told_the_command(reader: Client) -> None:
    assert "manage.py archive_training_data" in reader.get(reverse(LIST)).content.decode()


@pytest.mark.parametrize("query", ["state__exact=failed", "kind__exact=verify", "o=1.2.3.-4.5.6.7"])
def test_filters_search_and_order_work(reader: Client, make_run: Make, query: str) -> None:
    make_run()

    assert reader.get(f"{reverse(LIST)}?{query}").status_code == 200


@pytest.mark.parametrize("query", ["state__exact=%00", "requested_at__year=x", "p=-1", "o=99", "q=%00", "e=1"])
def test_odd_questions_are_no_accident(reader: Client, make_run: Make, query: str) -> None:
    make_run()

    assert reader.get(f"{reverse(LIST)}?{query}").status_code < 500


def test_the_list_asks_the_database_little(
    reader: Client, make_run: Make, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    for _ in range(60):
        make_run()

    with django_assert_max_num_queries(12):
        reader.get(reverse(LIST))


# --- The page of one -------------------------------------------------------------------------------------------------


def test_the_page_tells_all_of_a_run(reader: Client, make_run: Make) -> None:
    found = page(reader, make_run())

    for text in (
        "It succeeded.",
        "schedule, 2026-01-02 12:00:00 UTC",
        "on web-1, process 77",
        "12,345 examples in 1 chunk",
        "3.5 MB, 2.5 MB more than before",
        "1 min 0 s",
        "12:00:00  compacting",
    ):
        assert text in found
    assert "console/runs.js" not in found


def test_what_a_run_wrote_is_text_only(reader: Client, make_run: Make) -> None:
    run = make_run(
        requested_by=HOSTILE,
        log=HOSTILE,
        problem=HOSTILE,
        problems=1,
        findings=[{"zip_name": HOSTILE, "member": HOSTILE, "reason": HOSTILE}],
        steps=[{"step": HOSTILE, "times": 1, "seconds": 1.0}],
    )

    for found in (page(reader, run), reader.get(reverse(LIST)).content.decode()):
        assert "<script>alert" not in found
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page(reader, run)
    assert progress(reader, run)["log"] == HOSTILE


def test_each_problem_comes_with_what_to_do(reader: Client, make_run: Make) -> None:
    run = make_run(
        kind="verify",
        problems=1_203,
        findings=[
            {"zip_name": "a.zip", "member": "chunk.duckdb", "reason": "its SHA-256 is not the one in its sidecar"},
            {"zip_name": "a.zip", "member": "notes.txt", "reason": "no chunk belongs to it"},
            {"zip_name": "b.zip", "member": "", "reason": "it is not readable as a ZIP"},
        ],
    )

    found = " ".join(page(reader, run).split())
    for text in (
        "1,203 problems",
        "<bdi>chunk.duckdb</bdi>",
        "The other chunks are not touched by it. Run <code>manage.py verify_archive --repair</code>",
        "No chunk is harmed by it",
        "the ZIP itself",
        "New examples wait in sealed/",
        "And 1,200 more",
    ):
        assert text in found


@pytest.mark.parametrize(
    ("values", "advice"),
    [
        ({"state": "failed", "problem": "OSError"}, "What was captured is safe where it is"),
        ({"state": "failed", "kind": "verify"}, "an archive run makes it"),
        ({"state": "failed", "started_at": None}, "Celery&#x27;s broker does not answer"),
        ({"state": "lost"}, "it takes up what this one left"),
        ({"state": "refused"}, "Start this again when it has finished"),
    ],
)
def test_a_run_that_did_not_go_well_says_what_to_do(
    reader: Client, make_run: Make, values: dict[str, Any], advice: str
) -> None:
    assert advice in page(reader, make_run(**values))


def test_a_page_without_script_loads_itself_again_while_a_run_is_at_work(reader: Client, make_queued: Make) -> None:
    found = page(reader, make_queued())

    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in found
    assert "console/runs.js" in found


TOO_LONG = pytest.param("9" * 5000, id="too long for int()")


@pytest.mark.parametrize("number", ["0", "999", "99999999999999999999999", TOO_LONG, "abc", "1e3", "-1"])
def test_a_run_that_is_not_there_is_404(reader: Client, number: str) -> None:
    assert reader.get(reverse(LIST) + f"{number}/change/").status_code == 404
    assert reader.get(reverse(LIST) + f"{number}/progress/", follow=True).status_code == 404


def test_the_page_asks_the_database_little(
    reader: Client, make_run: Make, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    run = make_run()

    with django_assert_max_num_queries(6):
        page(reader, run)
    with django_assert_max_num_queries(6):
        progress(reader, run)


# --- How far it is ---------------------------------------------------------------------------------------------------


@pytest.fixture
def at_work(make_run: Make, data_dir: Path) -> Make:
    """A run at work, whose lock is nobody's business here."""

    def make(**values: Any) -> ArchiveRun:
        now = datetime.now(UTC)
        return make_run(**{"state": "running", "started_at": now, "seen_at": now, "finished_at": None, **values})

    return make


def test_the_progress_says_how_far_a_step_is(reader: Client, at_work: Make) -> None:
    found = progress(reader, at_work(step="copying the ZIP", done=3, total=4))

    assert (found["state"], found["step"], found["amount"], found["share"]) == (
        "running",
        "copying the ZIP",
        "75%",
        0.75,
    )
    assert not found["is_over"]


def test_a_step_of_unknown_length_has_a_count(reader: Client, at_work: Make) -> None:
    found = progress(reader, at_work(step="draining", done=12_345))

    assert (found["amount"], found["share"]) == ("12,345", None)


def test_a_log_that_was_seen_is_not_sent_again(reader: Client, at_work: Make) -> None:
    run = at_work(log="one line \N{SEEDLING}\n")
    first = progress(reader, run)

    assert first["log"] == run.log
    assert progress(reader, run, seen=first["log_length"])["log"] is None
    assert progress(reader, run, seen=3)["log"] == run.log


@pytest.mark.parametrize("seen", ["", "x", "-1", "9" * 5_000, "\u0663", "\0"])
def test_an_odd_length_is_none(reader: Client, at_work: Make, seen: str) -> None:
    run = at_work()

    assert progress(reader, run, seen=seen)["log"] == run.log


def test_a_run_that_no_worker_takes_says_how_to_start_one(reader: Client, make_queued: Make) -> None:
    run = make_queued()
    assert progress(reader, run)["waits"] is False
    assert 'data-run="waits" hidden' in page(reader, run)

    ArchiveRun.objects.update(requested_at=datetime.now(UTC) - timedelta(seconds=11))

    assert progress(reader, run)["waits"] is True
    found = page(reader, run)
    assert 'data-run="waits">' in found
    assert "celery --app project_settings worker" in found


def test_a_silent_step_is_told_from_a_dead_process(reader: Client, at_work: Make, data_dir: Path) -> None:
    then = datetime.now(UTC) - timedelta(minutes=2)
    run = at_work(seen_at=then, started_at=then)
    data_dir.mkdir()

    with FileLock(data_dir / f".run-{run.pk}.lock"):
        alive = progress(reader, run)
    killed = progress(reader, run)

    assert (alive["state"], alive["silence"]) == ("running", "2 min 0 s")
    assert (killed["state"], killed["is_over"]) == ("lost", True)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "40 ms"),
        (1.44, "1.4 s"),
        (59.4, "59 s"),
        (200, "3 min 20 s"),
        (7_500, "2 h 5 min"),
        (4e6, "1,111 h 6 min"),
    ],
)
def test_durations_are_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
