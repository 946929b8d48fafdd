"""What the process is to do, as the worker writes it down."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from continuous_training.training.trainers.local_lora_process.options import LoraOptions

FACTS: Final = "gleaner.json"  # in a finished model: what its run came to; a folder without it is no finished model
LOG: Final = "train.log"  # in the run's folder: what the libraries say
CHECKPOINTS: Final = "checkpoints"  # beside the log
CURVE: Final = "loss.png"  # beside the log, and in the model


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run, as the process sees it."""

    run_id: str
    task: str
    folder: Path  # the run's own: lock, log, checkpoints
    scratch: Path  # for what is made of the data; emptied at start and end
    data: Sequence[Path]  # chat JSONL
    base_model: str  # a folder or a hub's id
    target: Path  # the model's folder; it is there when it is finished
    options: LoraOptions
    device: str = ""  # "cpu"; else what there is
    about_data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def checkpoints(self) -> Path:
        return self.folder / CHECKPOINTS

    @property
    def unfinished(self) -> Path:
        return unfinished(self.target)

    def as_json(self) -> bytes:
        return json.dumps(asdict(self), default=str).encode()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises ValueError, KeyError, TypeError or OSError for what `as_json` did not write."""
        raw = json.loads(path.read_bytes())
        folders = {name: Path(raw[name]) for name in ("folder", "scratch", "target")}
        data = [Path(each) for each in raw["data"]]
        return cls(**{**raw, **folders, "data": data, "options": LoraOptions.parse(raw["options"])})


def unfinished(target: Path) -> Path:
    """Where a model is written before it is renamed."""
    return target.with_name(f".{target.name}.unfinished")
