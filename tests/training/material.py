"""Runs of local_lora, as tests make them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from continuous_training.conf import loop_settings
from continuous_training.training.trainers.base import TrainingJob
from continuous_training.training.trainers.local_lora import LocalLoraTrainer
from continuous_training.training.trainers.local_lora_process.job import Job
from continuous_training.training.trainers.local_lora_process.options import LoraOptions

RUN = "order_extractor_2026w47-abc123"
FAST = {"batch_size": 16, "learning_rate": 1e-2, "gradient_checkpointing": False}


class Training:
    """One run: what it is given, and the Reporter that it tells."""

    def __init__(self, folder: Path, chats: list[dict[str, Any]], *, base: str, options: Mapping[str, Any]) -> None:
        self.folder = folder
        self.base = base
        self.options = {**FAST, **options}
        self.steps: list[tuple[int, int]] = []
        self.losses: list[float | None] = []
        self.on_step: Any = None  # called with each step
        self.is_stopped = False
        self.data = folder / "data" / "00001.jsonl"
        self.data.parent.mkdir(parents=True)
        self.data.write_text("".join(json.dumps(chat) + "\n" for chat in chats))
        self.about = {
            "source": "files",
            "files": [{"name": "orders|<b>.jsonl", "pairs": len(chats), "sha256": "ab" * 32}],
        }

    def advance(self) -> Any:
        return LocalLoraTrainer(device="cpu").advance(self._asked(), self)

    def _asked(self) -> TrainingJob:
        return TrainingJob(
            run_id=RUN,
            folder=self.folder,
            data=[self.data],
            base_model=self.base,
            options=self.options,
            saved={},
            task="order_extractor",
            about_data=self.about,
        )

    @property
    def job(self) -> Job:
        """The same, for what runs in the process."""
        return Job(
            run_id=RUN,
            task="order_extractor",
            folder=self.folder,
            scratch=self.data.parent / "encoded",
            data=[self.data],
            base_model=self.base,
            target=loop_settings().models_folder / RUN,
            options=LoraOptions.parse(self.options),
            device="cpu",
            about_data=self.about,
        )

    # The Reporter's part.
    def save(self, saved: Mapping[str, Any]) -> None:
        raise AssertionError("It keeps checkpoints, and saves nothing.")

    def progress(self, *, step: int, steps: int, loss: float | None = None) -> None:
        self.steps.append((step, steps))
        self.losses.append(loss)
        if self.on_step is not None:
            self.on_step(step)

    def is_cancelled(self) -> bool:
        return self.is_stopped
