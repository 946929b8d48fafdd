"""Who may see and start runs: every page, each right alone."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from console.access import RIGHTS, RUN, VIEW_AUDIT
from console.models import AuditEvent
from training_archive.models import ArchiveRun

pytestmark = pytest.mark.django_db

LIST = "admin:training_archive_archiverun_changelist"
ONE = "admin:training_archive_archiverun_change"
START, CANCEL = "admin:console_runs_start", "admin:console_runs_cancel"
PROGRESS, ROUTES = "admin:console_runs_progress", "admin:console_runs_routes"

TO_SEE = [LIST, ONE, PROGRESS, ROUTES]
TO_DO = [START, CANCEL]
OF_ONE = {ONE, PROGRESS, CANCEL}
CODENAMES = [right.partition(".")[2] for right in RIGHTS]


@pytest.fixture
def ask(client: Client, make_queued: Callable[..., ArchiveRun]) -> Callable[[str], Any]:
    """Ask for the page, of a queued run; what changes something is posted."""
    run = make_queued(kind="verify")

    def ask(name: str) -> Any:
        url = reverse(name, args=[run.pk] if name in OF_ONE else [])
        return client.post(url, {"kind": "archive"}) if name in TO_DO else client.get(url)

    return ask


@pytest.mark.parametrize("name", TO_SEE + TO_DO)
def test_strangers_are_sent_to_the_login(ask: Callable[[str], Any], name: str) -> None:
    answer = ask(name)

    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, reverse("admin:login"))


@pytest.mark.parametrize("name", TO_SEE + TO_DO)
def test_staff_without_rights_are_refused(log_in: Callable[..., Client], ask: Callable[[str], Any], name: str) -> None:
    log_in()

    assert ask(name).status_code == 403


@pytest.mark.parametrize("codename", CODENAMES)
@pytest.mark.parametrize("name", TO_SEE)
def test_whoever_sees_figures_sees_the_runs(
    log_in: Callable[..., Client], ask: Callable[[str], Any], name: str, codename: str
) -> None:
    log_in(codename)

    assert ask(name).status_code == (403 if codename == VIEW_AUDIT.partition(".")[2] else 200)


@pytest.mark.parametrize("codename", CODENAMES)
@pytest.mark.parametrize("name", TO_DO)
def test_only_who_may_run_starts_and_cancels(
    log_in: Callable[..., Client], ask: Callable[[str], Any], name: str, codename: str
) -> None:
    log_in(codename)

    may_run = codename == RUN.partition(".")[2]
    assert ask(name).status_code == (302 if may_run else 403)
    assert AuditEvent.objects.exists() is may_run


@pytest.mark.parametrize("name", TO_DO)
def test_a_link_changes_nothing(
    log_in: Callable[..., Client], make_queued: Callable[..., ArchiveRun], name: str
) -> None:
    run = make_queued()
    url = reverse(name, args=[run.pk] if name in OF_ONE else [])

    assert log_in("run_archive").get(url).status_code == 405
    assert ArchiveRun.objects.get().state == "queued"


def test_the_forms_need_the_token(make_queued: Callable[..., ArchiveRun], log_in: Callable[..., Client]) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = log_in("run_archive").cookies

    assert strict.post(reverse(START), {"kind": "archive"}).status_code == 403


def test_who_may_only_see_is_offered_no_buttons(
    log_in: Callable[..., Client], make_queued: Callable[..., ArchiveRun]
) -> None:
    run, client = make_queued(), log_in("view_figures")

    assert "Archive now" not in client.get(reverse(LIST)).content.decode()
    assert "Cancel it" not in client.get(reverse(ONE, args=[run.pk])).content.decode()


@pytest.mark.parametrize("name", TO_SEE)
def test_pages_say_what_a_browser_may_run(log_in: Callable[..., Client], ask: Callable[[str], Any], name: str) -> None:
    log_in("view_figures")
    answer = ask(name)

    assert "script-src 'self';" in answer["Content-Security-Policy"]
    page = answer.content.decode()
    assert "<style" not in page
    assert " style=" not in page
    assert " onclick=" not in page
