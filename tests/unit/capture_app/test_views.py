"""/healthz and /metrics, as machines ask for them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.models.query import QuerySet
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from capture_app import call_llm, gauges
from capture_app.conf import capture_settings
from capture_app.inbox.spool import SpoolInbox
from capture_app.live_database import lock_live_database
from capture_app.metrics import count_capture_failure, count_withheld
from capture_app.services import drain_captures
from tests.unit.capture_app.captured import example, spool

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.unit.capture_app.urls")]


@pytest.fixture(autouse=True)
def said_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """No figure is known to be missing."""
    monkeypatch.setattr(gauges, "_failing", set())


def figures(client: Client) -> dict[str, float]:
    """Every sample of /metrics, its labels' values after its name."""
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = [s for f in text_string_to_metric_families(response.content.decode()) for s in f.samples]
    return {" ".join([sample.name, *sample.labels.values()]): sample.value for sample in samples}


def health(client: Client) -> tuple[int, dict[str, str]]:
    response = client.get("/healthz")
    return response.status_code, json.loads(response.content)


# --- /metrics --------------------------------------------------------------------------------------------------------


def test_at_first_every_figure_is_there_and_nothing_is_counted(client: Client) -> None:
    assert figures(client) == {
        "gleaner_captures_total": 0,
        "gleaner_withheld_total": 0,
        "gleaner_memory_failures_total": 0,
        "gleaner_inbox_bytes": 0,
        "gleaner_cold_storage_bytes": 0,
        "gleaner_cold_storage_examples": 0,
        "gleaner_inbox_oldest_age_seconds": 0,
        "gleaner_quarantined_records": 0,
        "gleaner_live_database_bytes": 0,
        "gleaner_sealed_files": 0,
        "gleaner_archive_bytes": 0,
        "gleaner_archive_zips": 0,
    }


def test_what_was_captured_withheld_and_lost_is_counted(client: Client) -> None:
    for _ in range(3):
        call_llm("What is the price?", training_metadata={})
    drain_captures()
    count_withheld()
    count_capture_failure(OSError(28, "No space left on device"))
    count_capture_failure(ValueError('a "quoted"\nmess'))

    found = figures(client)

    assert (found["gleaner_captures_total"], found["gleaner_withheld_total"]) == (3, 1)
    assert found["gleaner_capture_failures_total OSError errno 28"] == 1
    assert found["gleaner_capture_failures_total ValueError"] == 1


def test_what_waits_is_measured(client: Client) -> None:
    spool(example(), b"torn\n")
    drain_captures()
    later = example()
    spool(later)

    found = figures(client)

    assert found["gleaner_inbox_bytes"] == len(later.to_json_line())
    assert 0 < found["gleaner_inbox_oldest_age_seconds"] < 60
    assert found["gleaner_quarantined_records"] == 1
    assert found["gleaner_live_database_bytes"] == capture_settings().live_database.stat().st_size > 0


def test_what_each_job_did_last_is_told(client: Client) -> None:
    spool(example(), example())
    drain_captures()

    found = figures(client)

    assert found["gleaner_job_rows drain"] == 2
    assert found["gleaner_job_failing drain"] == 0
    assert found["gleaner_job_duration_seconds drain"] > 0
    assert found["gleaner_job_last_success_timestamp_seconds drain"] > 1.7e9


def test_a_job_that_fails_is_told(client: Client) -> None:
    spool(example())
    capture_settings().live_database.write_bytes(b"no database at all")
    with pytest.raises(Exception, match="cannot be used"):
        drain_captures()

    found = figures(client)

    assert found["gleaner_job_failing drain"] == 1
    assert "gleaner_job_last_success_timestamp_seconds drain" not in found


def test_a_database_that_is_away_takes_only_its_own_figures_along(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*args: Any, **kwargs: Any) -> Iterator[Any]:
        raise OperationalError("no route to host")

    drain_captures()
    monkeypatch.setattr(QuerySet, "__iter__", away)

    for _ in range(2):
        found = figures(client)

    assert "gleaner_inbox_bytes" in found
    assert not any("gleaner_job" in name for name in found)
    assert caplog.text.count("are missing from /metrics") == 1


def test_an_inbox_that_is_away_takes_only_its_own_figures_along(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(inbox: SpoolInbox) -> Any:
        raise ConnectionError("Redis does not answer")

    monkeypatch.setattr(SpoolInbox, "depth", away)

    found = figures(client)

    assert "gleaner_live_database_bytes" in found
    assert "gleaner_inbox_bytes" not in found


def test_counts_that_cannot_be_read_take_only_themselves_along(client: Client, data_dir: Path) -> None:
    (data_dir / "metrics" / "0000.counts").mkdir(parents=True)

    found = figures(client)

    assert "gleaner_inbox_bytes" in found
    assert "gleaner_captures_total" not in found


def test_a_scrape_waits_for_no_lock(client: Client) -> None:
    spool(example())

    with lock_live_database(capture_settings().live_database):
        assert figures(client)["gleaner_inbox_bytes"] > 0


def test_a_scrape_reads_no_record(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def count_rows(inbox: SpoolInbox) -> int:
        pytest.fail("It reads the whole inbox.")

    monkeypatch.setattr(SpoolInbox, "count_rows", count_rows)

    assert figures(client)


def test_a_scrape_asks_the_database_once(client: Client, django_assert_num_queries: Callable[..., Any]) -> None:
    drain_captures()

    with django_assert_num_queries(1):
        figures(client)


# --- /healthz --------------------------------------------------------------------------------------------------------


def test_a_process_that_has_captured_nothing_yet_is_well(client: Client, data_dir: Path) -> None:
    assert health(client) == (200, {"status": "ok"})
    assert not data_dir.exists()


def test_a_process_that_captures_is_well(client: Client) -> None:
    call_llm("What is the price?", training_metadata={})

    assert health(client) == (200, {"status": "ok"})


def test_health_asks_no_database_and_waits_for_no_lock(
    client: Client, django_assert_num_queries: Callable[..., Any]
) -> None:
    with django_assert_num_queries(0), lock_live_database(capture_settings().live_database):
        assert health(client)[0] == 200


@pytest.mark.usefixtures("broken_spool")
def test_a_file_in_the_place_of_the_spool_is_no_health(client: Client) -> None:
    status, answer = health(client)

    assert (status, answer["status"]) == (503, "unavailable")
    assert "A file is in the place" in answer["reason"]


def test_a_folder_that_cannot_be_written_is_no_health(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)

    assert health(client) == (503, {"status": "unavailable", "reason": "The data directory cannot be written."})


@pytest.mark.parametrize(("blocks", "inodes"), [(3, 100), (0, 100), (10**6, 0)])
def test_a_full_disk_is_no_health(client: Client, monkeypatch: pytest.MonkeyPatch, blocks: int, inodes: int) -> None:
    class Disk:
        f_bavail, f_frsize, f_files, f_favail = blocks, 4096, 1000, inodes

    monkeypatch.setattr("os.statvfs", lambda path: Disk)

    assert health(client) == (503, {"status": "unavailable", "reason": "The disk of the data directory is full."})


@pytest.mark.usefixtures("broken_spool")
def test_an_inbox_elsewhere_needs_no_disk_as_long_as_it_answers(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("capture_app.health.SpoolInbox", type("Spool", (), {}))
    assert health(client)[0] == 200

    def away(inbox: SpoolInbox) -> Any:
        raise ConnectionError("redis://:secret@host does not answer")

    monkeypatch.setattr(SpoolInbox, "depth", away)

    status, answer = health(client)
    assert (status, answer["reason"]) == (503, "Capture does not work: ConnectionError.")


def test_a_wrong_setting_is_no_health_and_tells_no_secret(client: Client, settings: Any) -> None:
    settings.TRAINING_CAPTURE = {"SECRET": "hidden"}

    assert health(client) == (
        503,
        {"status": "unavailable", "reason": "Capture does not work: CaptureConfigurationError."},
    )


def test_an_old_archive_is_no_reason_to_end_a_web_server(client: Client) -> None:
    spool(example())
    [segment] = (capture_settings().data_dir / "spool").glob("*.jsonl")
    segment.rename(segment.with_name("0" * 20 + segment.name[20:]))

    assert figures(client)["gleaner_inbox_oldest_age_seconds"] > 1e9
    assert health(client)[0] == 200


# --- Both ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
def test_nothing_is_cached_and_nothing_is_changed(client: Client, path: str) -> None:
    answer = client.get(path)

    assert "no-store" in answer["Cache-Control"]
    assert client.head(path).status_code == 200
    for method in ("post", "put", "delete", "patch"):
        assert getattr(client, method)(path).status_code == 405


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
def test_neither_begins_a_transaction(client: Client, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a database that is away, that would be the end of them."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    begun: list[str] = []
    monkeypatch.setattr("django.core.handlers.base.transaction.atomic", lambda **_: begun.append(path))

    assert client.get(path).status_code == 200
    assert begun == []
