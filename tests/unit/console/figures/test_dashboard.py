"""The dashboard on the admin's first page."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from capture_app import call_llm
from capture_app.models import ExampleIndex, Job
from capture_app.services import drain_captures
from console.access import RIGHTS
from console.figures import reading
from console.figures.refresh import refresh_figures
from tests.unit.console.figures.conftest import log_in
from tests.unit.console.figures.rows import days_ago, index_some
from tests.unit.console.hostile import KINDS, Page
from training_archive.models import ArchivedChunk
from training_archive.services import archive_training_data

pytestmark = pytest.mark.django_db

Get = Callable[..., str]

SEES_FIGURES = {right.removeprefix("console.") for right in RIGHTS} - {"view_audit"}
DASHBOARD = 'id="figures"'


def test_strangers_are_sent_to_the_login(client: Client) -> None:
    answer = client.get(reverse("admin:index"))

    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("admin:login"))


@pytest.mark.parametrize("right", sorted(right.removeprefix("console.") for right in RIGHTS))
def test_each_right_that_includes_figures_shows_the_dashboard(client: Client, right: str) -> None:
    page = log_in(client, right).get(reverse("admin:index")).content.decode()

    assert (DASHBOARD in page) is (right in SEES_FIGURES)


def test_staff_without_rights_see_the_usual_page(client: Client) -> None:
    index_some(task="TASK")

    page = log_in(client).get(reverse("admin:index")).content.decode()

    assert DASHBOARD not in page
    assert "figures.css" not in page
    assert "TASK" not in page
    assert "Recent actions" in page


def test_the_page_of_one_app_has_no_dashboard(admin_client: Client) -> None:
    page = admin_client.get(reverse("admin:app_list", args=["capture_app"])).content.decode()

    assert DASHBOARD not in page


def test_no_text_of_an_example_is_shown(page: Get) -> None:
    index_some()

    found = page()

    assert "shop" in found
    assert "SECRET" not in found


def test_without_calls_the_page_says_how_to_make_one(page: Get) -> None:
    found = page()

    assert "No calls yet" in found
    assert "call_llm(" in found
    assert "No archive yet" in found


def test_calls_that_wait_are_not_taken_for_none(page: Get) -> None:
    call_llm("Question", task="shop", training_metadata={})

    assert "Calls wait in the inbox" in page()


def test_a_selection_without_examples_says_so(page: Get) -> None:
    index_some()

    assert "No examples here" in page(task="another")


def test_an_index_that_was_never_counted_says_how(page: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LIVE_ROWS_AT_MOST", 0)
    index_some()

    found = page()

    assert "Not counted yet" in found
    assert "manage.py refresh_figures" in found
    assert "nothing counts them in the background" in found


def test_figures_that_are_old_because_nothing_counts_say_so(page: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LIVE_ROWS_AT_MOST", 0)
    index_some()
    refresh_figures()
    assert "nothing counts them" not in page()

    later = datetime.now(UTC) + timedelta(minutes=20)
    monkeypatch.setattr("console.figures.dashboard.datetime", _Clock(later))

    assert "nothing counts them in the background" in page()


class _Clock:
    """A `datetime` that stands still."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self, zone: Any) -> datetime:
        return self.moment


def test_each_chart_has_a_title_a_description_and_a_table(page: Get) -> None:
    index_some(3)
    call_llm("Question", task="shop", training_metadata={})
    archive_training_data()

    found = page()

    charts = found.count('role="img"')
    assert charts == 5
    assert found.count("<title id=") == found.count("<desc id=") == found.count("<details>") == charts
    assert found.count('<th scope="row">2') == charts * 30


def test_the_tables_have_the_numbers(page: Get) -> None:
    index_some(1234, input_tokens=10, output_tokens=1, cost_usd=0.5, created_at=days_ago(2))

    found = page()

    assert f'<th scope="row">{days_ago(2).date()}</th><td>1,234</td>' in found
    assert f'<th scope="row">{days_ago(2).date()}</th><td>12,340</td><td>1,234</td><td>13,574</td>' in found
    assert "$617.00" in found


def test_what_is_not_known_is_not_taken_for_nothing(page: Get) -> None:
    index_some(3, cost_usd=None, latency_ms=None, input_tokens=None, output_tokens=None)
    index_some(1, model_name="priced", cost_usd=1.0)

    found = page()

    assert "<td>not known</td>" in found
    assert "The cost of 25% of these calls is known" in found


def test_the_archive_grows_with_its_chunks(page: Get) -> None:
    for number, ago in enumerate((40, 2, 2, 1)):
        ArchivedChunk.objects.create(
            name=f"chunk {number}", zip_name="z", rows=10, size=1000, sha256="", archived_at=days_ago(ago)
        )

    found = page()

    for ago, cells in ((3, ("0", "10", "1 kB")), (2, ("2", "30", "3 kB")), (1, ("1", "40", "4 kB"))):
        expected = "".join(f"<td>{cell}</td>" for cell in cells)
        assert f'<th scope="row">{days_ago(ago).date()}</th>{expected}' in found


def test_days_that_are_not_on_offer_are_said(page: Get) -> None:
    assert "These days are not on offer" in page(days="12")


@pytest.mark.parametrize("days", [7, 30, 90, 365])
def test_every_range_is_shown(page: Get, days: int) -> None:
    index_some(created_at=days_ago(days - 1))
    refresh_figures()

    assert f'<option value="{days}" selected>' in page(days=days)
    assert "Examples per day by task" in page(days=days)


def test_a_name_leads_to_its_own_figures(page: Get, reader: Client) -> None:
    index_some(2, task="a&b <c>", model_name="m")
    index_some(3, task="another", model_name="m")

    assert 'href="?days=30&amp;task=a%26b+%3Cc%3E"' in page()
    assert "Examples per day by model" in page(task="a&b <c>")


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_names_are_text(page: Get, kind: str) -> None:
    index_some(task="harmless", model_name="harmless")
    harmless = {*Page(page(days=7)).elements, *Page(page(days=7, task="harmless")).elements}
    for text in KINDS[kind].values():
        name = text[:200].replace("\0", " ")  # as the index has it
        index_some(2, task=name, model_name=name)

        queries: tuple[dict[str, str], ...] = ({}, {"task": name}, {"model": name})
        for query in queries:
            found = Page(page(days=7, **query))

            assert set(found.elements) <= harmless, name
            assert list(found.dangers()) == [], name
            assert not name.strip() or name in found.texts or query, name
        ExampleIndex.objects.filter(task=name).delete()


def test_the_page_asks_the_database_a_bounded_number_of_times(page: Get) -> None:
    page()
    with CaptureQueriesContext(connection) as few:
        page()
    for number in range(60):
        index_some(task=f"task {number}", model_name=f"model {number}", created_at=days_ago(number % 7))
    refresh_figures()
    with CaptureQueriesContext(connection) as many:
        page()

    assert len(many) <= len(few) + 5
    assert len(many) <= 30


def test_nothing_is_written_by_looking(page: Get) -> None:
    index_some()
    page()
    with CaptureQueriesContext(connection) as queries:
        page()

    assert [query["sql"] for query in queries if not query["sql"].startswith("SELECT")] == []


def test_cards_lead_where_the_reader_may_go(client: Client, page: Get, admin_client: Client) -> None:
    jobs = reverse("admin:capture_app_job_changelist")
    drain_captures()

    assert jobs not in page()
    assert jobs in admin_client.get(reverse("admin:index")).content.decode()


def test_a_job_that_never_ran_is_no_fault_of_the_page(page: Get) -> None:
    Job.objects.create(name="archive")

    assert "Last archive run" in page()


def test_a_superuser_sees_the_dashboard_above_the_usual_page(client: Client) -> None:
    client.force_login(User.objects.create_superuser("boss"))

    page = client.get(reverse("admin:index")).content.decode()

    assert page.index(DASHBOARD) < page.index('id="content-main"')
