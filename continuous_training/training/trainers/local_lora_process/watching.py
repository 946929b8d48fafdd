"""What happens beside the training, step by step."""

from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from continuous_training.training.trainers.local_lora_process.checkpoints import mark_whole
from continuous_training.training.trainers.local_lora_process.stopping import Stop, Tell


class Watch(TrainerCallback):  # type: ignore[misc]  # to the type checker it is Any: it may not be installed
    """Tells how far the training is, stops it when asked to, and marks the checkpoints that are whole."""

    def __init__(self, stop: Stop, tell: Tell) -> None:
        self._stop = stop
        self._tell = tell
        self._loss: float | None = None

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        self._loss = (logs or {}).get("loss", self._loss)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._tell({"event": "progress", "step": state.global_step, "steps": state.max_steps, "loss": self._loss})
        if self._stop.is_asked:
            control.should_save = True
            control.should_training_stop = True

    def on_prediction_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._stop.raise_if_asked()

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        mark_whole(Path(args.output_dir) / f"checkpoint-{state.global_step}")
