"""A hosted fine-tuning service that speaks OpenAI's protocol: files, fine_tuning.jobs, and a model that comes of them.

    "TRAINERS": {"openai": {
        "BACKEND": "continuous_training.training.trainers.openai_compatible.OpenAICompatibleTrainer",
        "OPTIONS": {"provider": "openai", "base_model": "gpt-4.1-nano-2025-04-14", "price": 1.5}}}

A job is paid for once: it is created only when the service lists none of this run. It is known by its metadata, its
suffix, or the uploaded file, which bears the run's name and serves no other. That the job is about to be created is
saved first; when it cannot be told what became of that, the service is given some seconds to list it before it is asked
again. The SDK's own retries are off where they could make a second one.

What the service does not answer, or answers without sense, is asked again later, with back-off and jitter; what it
refuses ends the run, in its words. The uploaded file holds what people wrote, and is deleted there in the end.
"""

import hashlib
import random
import shutil
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from capture_app.conf import capture_settings
from capture_app.wording import counted
from continuous_training.exceptions import ServiceSilent, TrainingCancelled, TrainingFailed
from continuous_training.training.trainers.base import Reporter, Trained, Trainer, TrainingJob, Waiting
from continuous_training.training.trainers.finetuning_service import FinetuningService, RemoteJob

HYPERPARAMETERS: Final = frozenset({"n_epochs", "batch_size", "learning_rate_multiplier"})
RUN_OPTIONS: Final = HYPERPARAMETERS | {"seed"}

_CLIENT_OPTIONS: Final = frozenset(
    {"base_url", "api_key", "organization", "project", "default_headers", "default_query"}
)
_HOUR: Final = 3600.0

Saved = dict[str, Any]


class OpenAICompatibleTrainer(Trainer):
    """All of its OPTIONS have a default. It saves file and job, since when each was asked for, polls, and trouble."""

    def __init__(
        self,
        *,
        provider: str = "openai",  # of TRAINING_CAPTURE: there the model is called, and thence base_url and api_key
        base_url: str = "",  # when the service is another one, or reached by another key
        api_key: str = "",
        base_model: str = "gpt-4.1-nano-2025-04-14",
        price: float | None = None,  # USD per million trained tokens; None: what a run costs is not known
        n_epochs: int = 1,
        deadline_hours: float = 24.0,  # for a job, and for a service that does not answer
        first_poll: float = 15.0,  # seconds, doubled with each poll ...
        longest_poll: float = 300.0,  # ... up to these
        settle: float = 60.0,  # seconds, within which the service lists what it has accepted
        timeout: float = 120.0,  # seconds, of one request's silence
        max_bytes: int = 512_000_000,  # of one file there
    ) -> None:
        self.base_model = base_model
        self._provider = provider
        self._client_options = {
            **({"base_url": base_url} if base_url else {}),
            **({"api_key": api_key} if api_key else {}),
        }
        self._price = price
        self._defaults = {"n_epochs": n_epochs}
        self._deadline = deadline_hours * _HOUR
        self._polls = (first_poll, longest_poll)
        self._settle = settle
        self._timeout = timeout
        self._max_bytes = max_bytes

    def check_options(self, options: Mapping[str, Any]) -> None:
        if unknown := sorted(set(options) - RUN_OPTIONS):
            raise TrainingFailed(
                f"The service takes no option {unknown[0]!r}; it takes {', '.join(sorted(RUN_OPTIONS))}."
            )

    def is_committed(self, saved: Mapping[str, Any]) -> bool:
        return "job" in saved

    def advance(self, job: TrainingJob, report: Reporter) -> Trained | Waiting:
        saved = dict(job.saved)
        try:
            done = self._step(self._service, job, saved, report)
        except ServiceSilent as silent:
            return self._ask_later(saved, report, silent)
        saved.pop("trouble_since", None)
        if isinstance(done, Waiting):
            report.save(saved)
        return done

    def _step(self, service: FinetuningService, job: TrainingJob, saved: Saved, report: Reporter) -> Trained | Waiting:
        """Upload, or create, or poll."""
        if "file" not in saved:
            return self._upload(service, job, saved, report)
        if "job" not in saved:
            return self._create(service, job, saved, report)
        return self._poll(service, job, saved, report)

    # --- Upload and create ----------------------------------------------------------------------------------------

    def _upload(self, service: FinetuningService, job: TrainingJob, saved: Saved, report: Reporter) -> Waiting:
        path = self._one_file(job)
        name = f"{job.run_id}-{_sha256(path)[:16]}.jsonl"
        found = service.find_file(name, size=path.stat().st_size)
        if found is None and (rest := self._unsettled(saved, "uploading_since")):
            return Waiting(seconds=rest)
        if found is None:
            saved["uploading_since"] = time.time()
            report.save(saved)
            found = service.upload(name, path)
        saved["file"] = found
        return Waiting(seconds=0)  # before a job is created, the budget is asked

    def _one_file(self, job: TrainingJob) -> Path:
        """The service takes one file."""
        size = sum(path.stat().st_size for path in job.data)
        if size > self._max_bytes:
            raise TrainingFailed(
                f"The data have {counted(size, 'byte')}, and the service takes {self._max_bytes:,} at most. Nothing "
                "was sent. Name fewer files, or set the trainer's max_bytes when the service takes more."
            )
        if len(job.data) == 1:
            return job.data[0]
        whole = job.data[0].with_name("whole")
        with whole.open("wb") as file:
            for path in job.data:
                with path.open("rb") as part:
                    shutil.copyfileobj(part, file)
        return whole

    def _create(self, service: FinetuningService, job: TrainingJob, saved: Saved, report: Reporter) -> Waiting:
        found = service.find_job(job.run_id, file=saved["file"])
        if found is None and (rest := self._unsettled(saved, "creating_since")):
            return Waiting(seconds=rest)
        if found is None and report.is_cancelled():
            service.delete_file(saved["file"])
            raise TrainingCancelled("It was cancelled before a job was created.")
        if found is None:
            saved["creating_since"] = time.time()
            report.save(saved)  # which fails when another worker has the run by now
            found = self._created(service, job, saved)
        saved |= {"job": found.id, "created": time.time(), "polls": 0}
        return Waiting(seconds=self._pause(saved))

    def _created(self, service: FinetuningService, job: TrainingJob, saved: Saved) -> RemoteJob:
        options = {**self._defaults, **job.options}
        hyperparameters = {name: options[name] for name in sorted(HYPERPARAMETERS & options.keys())}
        try:
            return service.create_job(
                job.run_id,
                file=saved["file"],
                model=job.base_model,
                hyperparameters=hyperparameters,
                seed=options.get("seed"),
            )
        except TrainingFailed:
            service.delete_file(saved["file"])
            raise

    def _unsettled(self, saved: Saved, since: str) -> float:
        """Seconds until the service should list what it was asked for; 0 when it was not asked, or long ago."""
        return max(0.0, float(saved[since]) + self._settle - time.time()) if since in saved else 0.0

    # --- Poll -----------------------------------------------------------------------------------------------------

    def _poll(self, service: FinetuningService, job: TrainingJob, saved: Saved, report: Reporter) -> Trained | Waiting:
        remote = service.job(saved["job"])
        if remote.is_over:
            return self._over(service, saved, remote)
        if time.time() > saved["created"] + self._deadline:
            return self._too_late(service, saved)
        if step := service.last_step(saved["job"]):
            report.progress(step=step.number, steps=step.total, loss=step.loss)
        saved["polls"] += 1
        return Waiting(seconds=self._pause(saved))

    def _over(self, service: FinetuningService, saved: Saved, remote: RemoteJob) -> Trained:
        service.delete_file(saved["file"])
        if remote.status == "succeeded":
            return self._trained(saved, remote)
        if remote.status == "cancelled":
            raise TrainingCancelled(f"The service's job {remote.id} was cancelled.")
        raise TrainingFailed(f"The service's job {remote.id} failed: {remote.problem}")

    def _trained(self, saved: Saved, remote: RemoteJob) -> Trained:
        cost = None if self._price is None or remote.tokens is None else remote.tokens / 1e6 * self._price
        metrics = {"trained_tokens": remote.tokens, "seconds": remote.seconds, "job": remote.id}
        return Trained(provider=self._provider, model=remote.model, metrics=metrics, cost_usd=cost)

    def _too_late(self, service: FinetuningService, saved: Saved) -> Trained:
        service.cancel_job(saved["job"])
        remote = service.job(saved["job"])
        if remote.status == "succeeded":  # just now
            return self._over(service, saved, remote)
        service.delete_file(saved["file"])
        became = "was cancelled" if remote.is_over else f"could not be cancelled: it is {remote.status!r} there"
        raise TrainingFailed(
            f"The service's job {remote.id} was not done after {self._deadline / _HOUR:g} hours, and {became}. The "
            "trainer's deadline_hours says how long is waited."
        )

    # --- Waiting --------------------------------------------------------------------------------------------------

    def _pause(self, saved: Saved) -> float:
        """Longer each time, and never the same for many runs at once."""
        first, longest = self._polls
        pause: float = min(first * 2.0 ** min(saved["polls"], 30), longest)
        return pause * random.uniform(0.8, 1.2)  # noqa: S311  (no secret)

    def _ask_later(self, saved: Saved, report: Reporter, silent: ServiceSilent) -> Waiting:
        now = time.time()
        since = saved.setdefault("trouble_since", now)
        if now > since + self._deadline:
            begun = f" Its job {saved['job']} may go on there." if "job" in saved else ""
            raise TrainingFailed(f"For {self._deadline / _HOUR:g} hours: {silent}{begun}") from silent
        saved["polls"] = saved.get("polls", 0) + 1
        report.save(saved)
        return Waiting(seconds=max(self._pause(saved), min(silent.retry_after or 0.0, _HOUR)))

    # --- Stopping and removing ------------------------------------------------------------------------------------

    def cancel(self, job: TrainingJob) -> Trained | None:
        """Raises ServiceSilent when it cannot be told whether there still is something to stop."""
        saved = dict(job.saved)
        if "file" not in saved and "uploading_since" not in saved:
            return None
        service = self._service
        found = self._job_to_cancel(service, job, saved)
        if found is not None:
            service.cancel_job(found)
            remote = service.job(found)
            if remote.status == "succeeded":
                return self._over(service, saved, remote)
        self._delete_upload(service, job, saved)
        return None

    def _job_to_cancel(self, service: FinetuningService, job: TrainingJob, saved: Saved) -> str | None:
        if "job" in saved:
            return str(saved["job"])
        if "creating_since" not in saved:
            return None
        found = service.find_job(job.run_id, file=saved["file"])
        if found is None and (rest := self._unsettled(saved, "creating_since")):
            raise ServiceSilent("It cannot be told yet whether the service accepted the job.", retry_after=rest)
        return found.id if found else None

    def _delete_upload(self, service: FinetuningService, job: TrainingJob, saved: Saved) -> None:
        if "file" in saved:
            service.delete_file(saved["file"])
        else:
            service.delete_files_of(job.run_id)

    def remove(self, model: str, folder: Path | None) -> None:
        """Raises TrainingFailed when the service refuses, and ServiceSilent. One that is gone already is no error."""
        self._service.delete_model(model)

    @cached_property
    def _service(self) -> FinetuningService:
        provider = capture_settings().providers.get(self._provider, {}).get("OPTIONS", {})
        shared = {name: value for name, value in provider.items() if name in _CLIENT_OPTIONS}
        return FinetuningService(timeout=self._timeout, **{**shared, **self._client_options})


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
