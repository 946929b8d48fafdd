"""What a fine-tuning service is asked, through the official SDK, and how its answers are understood.

An answer is believed only in so far as it makes sense: a proxy's page, a job without an id, a job that succeeded and
names no model are as good as silence (ServiceSilent), and the same is asked again. A refusal (TrainingFailed) brings
the service's words, cut short and without control characters: they may be anything.
"""

import email.utils
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import openai

from continuous_training.exceptions import ServiceSilent, TrainingFailed

METADATA_KEY: Final = "gleaner_run"

_OVER: Final = frozenset({"succeeded", "failed", "cancelled"})
_TRY_AGAIN: Final = frozenset({408, 409, 425, 429})  # and all from 500 on
_NO_MONEY: Final = "insufficient_quota"  # a 429 that no waiting mends
_MOST_LISTED: Final = 10_000  # newest first: what is of this run is among them
_PAGE: Final = 100
_WORDS: Final = 500  # characters

logger = logging.getLogger("continuous_training")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteJob:
    """A job, as far as the service's word makes sense."""

    id: str
    status: str
    model: str  # that came of it; never "" when it succeeded
    tokens: int | None  # that were trained on, and are billed
    seconds: int | None  # from its creation to its end
    problem: str

    @property
    def is_over(self) -> bool:
        return self.status in _OVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How far a job is."""

    number: int
    total: int
    loss: float | None


class FinetuningService:
    """All methods, the constructor too, raise ServiceSilent and TrainingFailed."""

    def __init__(self, **options: Any) -> None:
        with _understood("make a client"):
            self._client = openai.OpenAI(max_retries=0, **options)

    # --- Files ----------------------------------------------------------------------------------------------------

    def find_file(self, name: str, *, size: int) -> str | None:
        """The id of the file of that name that has arrived whole."""
        for found in self._files():
            is_whole = getattr(found, "bytes", None) in (None, size) and _text(found, "status") != "error"
            if _text(found, "filename") == name and is_whole:
                return _id(found)
        return None

    def upload(self, name: str, path: Path) -> str:
        with _understood("upload the data"), path.open("rb") as file:
            return _id(self._client.files.create(file=(name, file, "application/jsonl"), purpose="fine-tune"))

    def delete_file(self, file_id: str) -> None:
        """One that is gone, or that the service does not delete, is no error: the run has its end all the same."""
        try:
            with _understood("delete the uploaded data", gone_is_fine=True):
                self._client.files.delete(file_id)
        except (ServiceSilent, TrainingFailed) as failed:
            logger.warning("The file %s with a run's data is still at the service. %s", file_id, failed)

    def delete_files_of(self, run_id: str) -> None:
        for found in list(self._files()):
            if _text(found, "filename").startswith(f"{run_id}-"):
                self.delete_file(_id(found))

    def _files(self) -> Iterator[Any]:
        with _understood("list the files"):
            yield from _newest(self._client.files.list(purpose="fine-tune", order="desc", limit=_PAGE))

    # --- Jobs -----------------------------------------------------------------------------------------------------

    def find_job(self, run_id: str, *, file: str) -> RemoteJob | None:
        with _understood("list the jobs"):
            for found in _newest(self._client.fine_tuning.jobs.list(limit=_PAGE)):
                if _is_of(found, run_id, file):
                    return _job(found)
        return None

    def create_job(
        self, run_id: str, *, file: str, model: str, hyperparameters: Mapping[str, Any], seed: int | None
    ) -> RemoteJob:
        with _understood("create the job"):
            # `method` is newer; other services than OpenAI's own know only `hyperparameters`, and that one still does.
            return _job(
                self._client.fine_tuning.jobs.create(
                    model=model,
                    training_file=file,
                    suffix=run_id,
                    metadata={METADATA_KEY: run_id},
                    hyperparameters=hyperparameters,  # type: ignore[arg-type]  # a TypedDict of the same keys
                    extra_headers={"Idempotency-Key": run_id},
                    seed=openai.omit if seed is None else seed,
                )
            )

    def job(self, job_id: str) -> RemoteJob:
        with _understood(f"look at the job {job_id}"):
            return _job(self._client.fine_tuning.jobs.retrieve(job_id))

    def cancel_job(self, job_id: str) -> None:
        """One that is over is no error: what became of it is said by `job`."""
        try:
            with _understood(f"cancel the job {job_id}"):
                self._client.fine_tuning.jobs.cancel(job_id)
        except TrainingFailed:
            return

    def last_step(self, job_id: str) -> Step | None:
        """None when the service does not say: not all do."""
        try:
            with _understood("list the job's events"):
                page = self._client.fine_tuning.jobs.list_events(job_id, limit=20)
                steps = [step for event in list(page.data or ()) if (step := _step(event))]
        except (ServiceSilent, TrainingFailed):
            return None
        return max(steps, key=lambda step: step.number, default=None)

    def delete_model(self, model: str) -> None:
        with _understood(f"delete the model {model}", gone_is_fine=True):
            self._client.models.delete(model)


# --- Understanding answers -------------------------------------------------------------------------------------------


@contextmanager
def _understood(what: str, *, gone_is_fine: bool = False) -> Iterator[None]:
    """`what` it was asked for, in words that follow "to"."""
    try:
        yield
    except openai.APIStatusError as error:
        if error.status_code == 404 and gone_is_fine:
            return
        if _is_passing(error):
            message = f"The service could not {what} ({error.status_code}: {_words(error)})."
            raise ServiceSilent(message, retry_after=_retry_after(error)) from error
        raise TrainingFailed(f"The service refused to {what} ({error.status_code}): {_words(error)}") from error
    except (
        openai.APIError,
        ValueError,
        TypeError,
        AttributeError,
    ) as error:  # no connection, or no sense in the answer
        raise ServiceSilent(
            f"The service gave no sensible answer when asked to {what} ({type(error).__name__})."
        ) from error
    except openai.OpenAIError as error:  # no key, say
        raise TrainingFailed(f"The service cannot be asked to {what}: {_shown(str(error))}") from error


def _is_passing(error: openai.APIStatusError) -> bool:
    return (error.status_code in _TRY_AGAIN and error.code != _NO_MONEY) or error.status_code >= 500


def _words(error: openai.APIStatusError) -> str:
    body = error.body
    message = body.get("message") if isinstance(body, dict) else None
    return _shown(message if isinstance(message, str) else error.message)


def _shown(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)[:_WORDS].strip()


def _retry_after(error: openai.APIStatusError) -> float | None:
    """In seconds; a date is taken as well."""
    given = error.response.headers.get("retry-after", "")
    if given.replace(".", "", 1).isdecimal():
        return float(given)
    date = email.utils.parsedate_tz(given)
    return max(0.0, email.utils.mktime_tz(date) - time.time()) if date else None


def _newest(page: Any) -> Iterator[Any]:
    """What a list has, at most _MOST_LISTED, and each once: a service may give the same page for ever."""
    if not isinstance(page.data, list):  # or nothing would look like an empty list, and a second job be made
        raise ValueError("it is no list")
    seen: set[str] = set()
    for found in page:
        if len(seen) >= _MOST_LISTED or _id(found) in seen:
            return
        seen.add(_id(found))
        yield found


def _is_of(job: Any, run_id: str, file: str) -> bool:
    metadata = getattr(job, "metadata", None)
    return (
        _text(job, "training_file") == file
        or (isinstance(metadata, dict) and metadata.get(METADATA_KEY) == run_id)
        or _text(job, "user_provided_suffix") == run_id
    )


def _job(found: Any) -> RemoteJob:
    status, model = _text(found, "status"), _text(found, "fine_tuned_model")
    if status == "succeeded" and not model:
        raise ValueError("it succeeded, and names no model")
    error = getattr(found, "error", None)
    created, finished = _number(found, "created_at"), _number(found, "finished_at")
    return RemoteJob(
        id=_id(found),
        status=status,
        model=model,
        tokens=_number(found, "trained_tokens"),
        seconds=max(0, finished - created) if created and finished else None,
        problem=_shown(_text(error, "message") or "it gives no reason"),
    )


def _step(event: Any) -> Step | None:
    data = getattr(event, "data", None)
    if not isinstance(data, dict):
        return None
    number, total, loss = data.get("step"), data.get("total_steps"), data.get("train_loss")
    if not (isinstance(number, int) and isinstance(total, int) and 0 <= number <= total):
        return None
    return Step(number=number, total=total, loss=float(loss) if isinstance(loss, int | float) else None)


def _id(found: Any) -> str:
    value = _text(found, "id")
    if not value:
        raise ValueError("it has no id")
    return value


def _text(found: Any, name: str) -> str:
    value = getattr(found, name, None)
    return value if isinstance(value, str) else ""


def _number(found: Any, name: str) -> int | None:
    value = getattr(found, name, None)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
