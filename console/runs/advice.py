"""What to do about a run that did not go well, and about each problem that a verification found."""

from dataclasses import dataclass
from typing import NamedTuple

from training_archive.models import ArchiveRun
from training_archive.services.verify import STRAY

State, Kind = ArchiveRun.State, ArchiveRun.Kind

_SAFE = "What was captured is safe where it is: in the inbox, in the live database, in sealed/ or in the ZIP."
_REPAIR = (
    "Run `manage.py verify_archive --repair`: it saves what is readable into a new ZIP beside this one, and names what "
    "is not. Where there is a shipped copy, `manage.py fetch_archive` brings the whole one back."
)


class Words(NamedTuple):
    """A piece of a sentence; a command or a setting is to be shown as such."""

    text: str
    is_code: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Advised:
    """A problem of the archive, and what to do."""

    zip_name: str
    member: str  # "" when it is the ZIP itself
    reason: str
    advice: list[Words]


def advised(run: ArchiveRun) -> list[Advised]:
    return [Advised(**found, advice=_words(_for_problem(found["member"], found["reason"]))) for found in run.findings]


def what_to_do(run: ArchiveRun) -> list[Words]:
    """Empty when there is nothing to do."""
    return _words(_for_run(run))


def _words(text: str) -> list[Words]:
    """What stands between backticks is code."""
    return [Words(piece, bool(number % 2)) for number, piece in enumerate(text.split("`")) if piece]


def _for_problem(member: str, reason: str) -> str:
    if reason.startswith(STRAY):
        return (
            "No chunk is harmed by it, and nothing needs it. Find out who put it there; `manage.py verify_archive "
            "--repair` makes a ZIP without it."
        )
    if not member:
        return f"New examples wait in sealed/ and are safe. {_REPAIR}"
    return f"The other chunks are not touched by it. {_REPAIR}"


def _for_run(run: ArchiveRun) -> str:
    if run.state == State.LOST:
        return f"{_SAFE} Start the next run: it takes up what this one left, and finishes it."
    if run.state == State.REFUSED:
        return "Nothing was changed, and that other run goes on. Start this again when it has finished, if need be."
    if run.state == State.FAILED:
        return _after_failure(run)
    if run.problems:
        return "Nothing was changed. Each problem is below, with what to do about it."
    return ""


def _after_failure(run: ArchiveRun) -> str:
    if run.started_at is None:
        return (
            "It reached no queue: Celery's broker does not answer, so nothing was done. Start the broker that "
            "CELERY_BROKER_URL names, then start this again; or run the command at a shell, which needs neither."
        )
    if run.kind == Kind.VERIFY:
        return (
            "Nothing was changed. `manage.py verify_archive` at a shell says in words what is wrong and what to do; so "
            "does the server's log. Where there is no ZIP yet, an archive run makes it."
        )
    return (
        f"{_SAFE} `manage.py archive_training_data` at a shell says in words what is wrong and what to do; so does the "
        "server's log."
    )
