"""A run of the hosted trainer, as the state machine has it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from continuous_training.training.trainers.base import Trained, TrainingJob, Waiting
from continuous_training.training.trainers.openai_compatible import OpenAICompatibleTrainer
from tests.integration.finetuning_server import FinetuningServer
from tests.unit.continuous_training.training.material import chat, chat_file

RUN = "shop_2026w47-abc123"
FILES, JOBS, ONE_JOB = "/v1/files", "/v1/fine_tuning/jobs", "/v1/fine_tuning/jobs/"


class Run:
    """It is its own Reporter, too. What it saved may be changed, as a kill would."""

    def __init__(self, service: FinetuningServer, folder: Path, **options: Any) -> None:
        given = {"price": 1.5, "settle": 0.0, "first_poll": 0.0, **options}
        self.trainer = OpenAICompatibleTrainer(base_url=service.base_url, api_key="secret", **given)
        self.folder = folder
        self.data = [chat_file(folder / "data/00001.jsonl", [chat("a"), chat("b")])]
        self.options: dict[str, Any] = {}
        self.saved: dict[str, Any] = {}
        self.steps: list[tuple[int, int, float | None]] = []
        self.is_stopped = False

    # The Reporter's part.
    def save(self, saved: Mapping[str, Any]) -> None:
        self.saved = dict(saved)

    def progress(self, *, step: int, steps: int, loss: float | None = None) -> None:
        self.steps.append((step, steps, loss))

    def is_cancelled(self) -> bool:
        return self.is_stopped

    @property
    def job(self) -> TrainingJob:
        return TrainingJob(
            run_id=RUN,
            folder=self.folder,
            data=self.data,
            base_model="small",
            options=self.options,
            saved=self.saved,
        )

    def advance(self) -> Trained | Waiting:
        return self.trainer.advance(self.job, self)

    def to_the_end(self) -> Trained:
        for _ in range(20):
            if isinstance(found := self.advance(), Trained):
                return found
        raise AssertionError("It never ends.")
