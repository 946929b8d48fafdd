"""What tests of training runs are made of: chats, requests, and a trainer that counts."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from continuous_training import exceptions
from continuous_training.conf import loop_settings
from continuous_training.exceptions import TrainingCancelled, TrainingFailed
from continuous_training.exporting.layout import MASTER, MASTER_MANIFEST, File, file_name, lane_of
from continuous_training.exporting.master import Master, manifest_of, read_master
from continuous_training.models import TrainingRun
from continuous_training.training.requesting import request_run
from continuous_training.training.trainers.base import Reporter, Trained, Trainer, TrainingJob, Waiting

TRAINERS = {
    "steps": {"BACKEND": "tests.unit.continuous_training.training.material.StepTrainer"},
    "elsewhere": {
        "BACKEND": "tests.unit.continuous_training.training.material.StepTrainer",
        "OPTIONS": {"device": ""},
    },
}
LOOP = {"TRAINERS": TRAINERS, "DEFAULT_TRAINER": "steps", "DEFAULT_BASE_MODEL": "base"}


class StepTrainer(Trainer):
    """Trains in three steps, and notes in its folder each step that it takes: one that it had saved it does not repeat.

    Options of the run: `raises`, a list of errors by name, each raised once; `waits`, seconds to wait after each step.
    """

    def __init__(self, *, device: str = "gpu", steps: int = 3) -> None:
        self.device = device
        self._steps = steps

    def advance(self, job: TrainingJob, report: Reporter) -> Trained | Waiting:
        done = job.saved.get("done", 0)
        self._raise(job)
        while done < self._steps:
            if report.is_cancelled():
                raise TrainingCancelled("It was asked to stop.")
            note(job.folder, f"step {done + 1}")
            done += 1
            report.save({"done": done})
            report.progress(step=done, steps=self._steps, loss=1.0 / done)
            if "waits" in job.options and done < self._steps:
                return Waiting(seconds=job.options["waits"])
        folder = job.folder / "model"
        folder.mkdir(exist_ok=True)
        (folder / "weights").write_bytes(b"12345")
        return Trained(
            provider="local",
            model=job.run_id,
            folder=folder,
            metrics={"loss": float("nan"), "lines": sum(path.read_bytes().count(b"\n") for path in job.data)},
            cost_usd=0.5,
        )

    def cancel(self, job: TrainingJob) -> Trained | None:
        note(job.folder, "cancelled")
        if job.options.get("too_late"):
            return Trained(provider="local", model="late", cost_usd=2.0)
        return None

    def check_options(self, options: Mapping[str, Any]) -> None:
        if "n_epochs" in options:
            raise TrainingFailed("It knows no epochs.")

    def _raise(self, job: TrainingJob) -> None:
        names = job.options.get("raises", [])
        raised = notes(job.folder).count("raised")
        if raised < len(names):
            note(job.folder, "raised")
            kinds = {**vars(exceptions), "RuntimeError": RuntimeError, "KeyboardInterrupt": KeyboardInterrupt}
            raise kinds[names[raised]]("because")


def note(folder: Path, what: str) -> None:
    with (folder / "notes").open("a") as file:
        file.write(f"{what}\n")


def notes(folder: Path) -> list[str]:
    path = folder / "notes"
    return path.read_text().splitlines() if path.exists() else []


def chat(question: str, answer: str = "It costs 12 EUR.") -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def chat_file(path: Path, chats: Sequence[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(json.dumps(each).encode() + b"\n" for each in chats))
    return path


def export_of(task: str, *questions: str) -> list[Path]:
    """The task's master files, one for each question, as an export leaves them."""
    folder = loop_settings().exports_folder
    old = read_master(folder) or Master({})
    paths = [
        chat_file(folder / file_name(lane_of(task), MASTER, number, len(questions)), [chat(question)])
        for number, question in enumerate(questions)
    ]
    files = [
        File(path.relative_to(folder).as_posix(), path.stat().st_size, 1, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in paths
    ]
    (folder / MASTER_MANIFEST).write_bytes(manifest_of(old.with_files(task, files), updated_at=datetime.now(UTC)))
    return paths


def requested(tmp_path: Path, task: str = "shop", **values: Any) -> TrainingRun:
    """A run on two chats in a file."""
    data = values.pop("data", None) or [chat_file(tmp_path / f"{task}.jsonl", [chat("What?"), chat("How much?")])]
    return request_run(task, data=data, by="ada", **values)
