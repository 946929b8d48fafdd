"""What a trainer is: it takes files of chats and a base model, and gives a model that call_llm can reach."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """One run, as a trainer sees it."""

    run_id: str
    folder: Path  # the run's own, kept over restarts: checkpoints, logs, pictures
    data: Sequence[Path]  # chat JSONL, one {"messages": [...]} per line
    base_model: str
    options: Mapping[str, Any]
    saved: Mapping[str, Any]  # what the trainer saved last; empty at first
    task: str = ""
    about_data: Mapping[str, Any] = field(default_factory=dict)  # see training.data.Staged.facts: for the model's card


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The model that came of it."""

    provider: str  # a key of TRAINING_CAPTURE["PROVIDERS"]
    model: str  # what that provider is asked for
    folder: Path | None = None  # of a local one
    metrics: Mapping[str, Any] = field(default_factory=dict)
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Nothing to do but to ask again later."""

    seconds: float


class Reporter(Protocol):
    """What a trainer tells while it works."""

    def save(self, saved: Mapping[str, Any]) -> None:
        """Keep this for a later `advance`. It is on the disk when this returns, and a sign of life."""

    def progress(self, *, step: int, steps: int, loss: float | None = None) -> None:
        """How far it is, and a sign of life."""

    def is_cancelled(self) -> bool:
        """Whether somebody asked to stop; a trainer asks this every few seconds."""


class Trainer(ABC):
    """A backend of CONTINUOUS_TRAINING["TRAINERS"]; its OPTIONS there are its constructor's keyword arguments."""

    device: str = ""  # runs whose trainers name the same device wait for each other; "": it needs none
    base_model: str = ""  # what it starts from unless told; "": CONTINUOUS_TRAINING["DEFAULT_BASE_MODEL"]

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Raise TrainingFailed for options of a run that it cannot follow. It is asked before the run is accepted."""
        return

    def is_committed(self, saved: Mapping[str, Any]) -> bool:
        """Whether, by what it saved, all that costs is spent or owed: a budget that is spent then stops it no more."""
        return False

    @abstractmethod
    def advance(self, job: TrainingJob, report: Reporter) -> Trained | Waiting:
        """Do what can be done now. It is called again after Waiting, and, with what was saved, after a kill.

        Whatever is done before a kill is not done twice. Raises TrainingCancelled, and TrainingFailed when it is no
        use to try again; after any other error it is tried again.
        """

    def cancel(self, job: TrainingJob) -> Trained | None:
        """Stop what runs elsewhere. What runs here stops by `Reporter.is_cancelled`.

        The model, where it is too late: that one was paid for. It may be called again, as `advance` may.
        """
        return None

    def remove(self, model: str, folder: Path | None) -> None:
        """Delete a model that it made. Again, if need be: it may be gone."""
        return
