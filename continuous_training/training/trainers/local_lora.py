"""Fine-tuning on this machine: LoRA by transformers, peft and trl, in a process of its own (`local_lora_process`).

    "TRAINERS": {"local_lora": {
        "BACKEND": "continuous_training.training.trainers.local_lora.LocalLoraTrainer",
        "OPTIONS": {"epochs": 2, "device": "cuda:0"}}}

The process ends with its run, and with the worker: it notices when its input ends, saves a checkpoint and goes. The
next one goes on from the last whole checkpoint. The model is written under another name and renamed when it is
finished, so it is there whole or not at all; a run that was killed after that finds it, and trains no more.
"""

import json
import os
import selectors
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Final, cast

import continuous_training
from capture_app.files import write_atomically
from continuous_training.conf import loop_settings
from continuous_training.exceptions import LoopError, TrainingCancelled, TrainingFailed
from continuous_training.training.trainers.base import Reporter, Trained, Trainer, TrainingJob
from continuous_training.training.trainers.local_lora_process.job import CHECKPOINTS, FACTS, LOG, Job, unfinished
from continuous_training.training.trainers.local_lora_process.options import LoraOptions

MODULE: Final = "continuous_training.training.trainers.local_lora_process"
NEEDED: Final = ("torch", "transformers", "peft", "trl", "accelerate", "datasets", "matplotlib")

_JOB: Final = "job.json"
_ASK_EVERY: Final = 2.0  # seconds, whether somebody asked to stop
_PATIENCE: Final = 120.0  # seconds for a last checkpoint
_BLOCK: Final = 65_536  # bytes

Event = dict[str, Any]


class TrainingStopped(LoopError):
    """The process that trains ended without a model. Its last checkpoint is kept; the run goes on from there."""


class LocalLoraTrainer(Trainer):
    """Its OPTIONS are those of `local_lora_process.options`, and three of its own."""

    def __init__(self, *, device: str = "auto", provider: str = "local", base_model: str = "", **options: Any) -> None:
        """`device`: "auto" (a GPU if there is one), "cpu", or "cuda:1"; runs on the same one wait for each other.
        `provider`: the key of TRAINING_CAPTURE["PROVIDERS"] that serves the models folder. Raises ValueError.
        """
        self.device = device
        self.base_model = base_model
        self._provider = provider
        LoraOptions.parse(options)
        self._defaults = options

    def check_options(self, options: Mapping[str, Any]) -> None:
        self._options(options)

    def _options(self, options: Mapping[str, Any]) -> LoraOptions:
        try:
            return LoraOptions.parse({**self._defaults, **options})
        except ValueError as error:
            raise TrainingFailed(str(error)) from error

    def advance(self, job: TrainingJob, report: Reporter) -> Trained:
        target = loop_settings().models_folder / job.run_id
        try:
            metrics = _metrics_of(target) if target.exists() else self._train(job, target, report)
        except (TrainingCancelled, TrainingFailed):
            self.cancel(job)
            raise
        return Trained(provider=self._provider, model=job.run_id, folder=target, metrics=metrics)

    def _train(self, job: TrainingJob, target: Path, report: Reporter) -> dict[str, Any]:
        if missing := [name for name in NEEDED if find_spec(name) is None]:
            raise TrainingFailed(
                f"This machine has no {', '.join(missing)}, which local_lora needs. Install requirements-training.txt "
                "(`make training`), or take another trainer, and request the run anew."
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        description = job.folder / _JOB
        write_atomically(description, self._described(job, target).as_json())
        with (job.folder / LOG).open("ab") as log, _process(description, self.device, log) as process:
            last = _follow(process, report)
        return _metrics_or_raise(last, process.returncode, job.folder / LOG)

    def _described(self, job: TrainingJob, target: Path) -> Job:
        return Job(
            run_id=job.run_id,
            task=job.task,
            folder=job.folder.resolve(),
            scratch=job.data[0].resolve().parent / "encoded",  # it goes with the data, whose text it holds
            data=[path.resolve() for path in job.data],
            base_model=_resolved(job.base_model),
            target=target.resolve(),
            options=self._options(job.options),
            device=self.device,
            about_data=job.about_data,
        )

    def cancel(self, job: TrainingJob) -> None:
        """Remove what was learnt so far: the run is over, and this came of what people wrote."""
        for path in (job.folder / CHECKPOINTS, unfinished(loop_settings().models_folder / job.run_id)):
            shutil.rmtree(path, ignore_errors=True)

    def remove(self, model: str, folder: Path | None) -> None:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _metrics_of(target: Path) -> dict[str, Any]:
    metrics: dict[str, Any] = json.loads((target / FACTS).read_bytes())["metrics"]
    return metrics


def _resolved(base: str) -> str:
    """A folder, or one in the models folder, or a hub's id, in this order."""
    for path in (Path(base).expanduser(), loop_settings().models_folder / base):
        if path.is_dir():
            return str(path.resolve())
    return base


# --- The process -----------------------------------------------------------------------------------------------------


@contextmanager
def _process(description: Path, device: str, log: Any) -> Iterator[subprocess.Popen[bytes]]:
    """It is gone after the block: when the block was left early, it has saved a checkpoint before."""
    process = subprocess.Popen(  # noqa: S603  (our own module, and a path that we wrote)
        [sys.executable, "-m", MODULE, str(description)],
        stdin=subprocess.PIPE,  # its end tells the process that the worker is gone
        stdout=subprocess.PIPE,
        stderr=log,
        env=_environment(device),
        start_new_session=True,  # Ctrl-C is for the worker, which tells it
    )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _environment(device: str) -> dict[str, str]:
    root = str(Path(continuous_training.__path__[0]).parent)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH")))),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if device.startswith("cuda:"):
        environment["CUDA_VISIBLE_DEVICES"] = device.removeprefix("cuda:")
    elif device != "cpu":  # one GPU is enough, and trl takes no more in one process
        environment["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").partition(",")[0]
    return environment


def _follow(process: subprocess.Popen[bytes], report: Reporter) -> Event:
    """Report what it tells, and stop it when somebody asks to; what it told last."""
    last: Event = {}
    is_cancelled = False
    for event in _events(process):
        if event is not None:
            last = event
        if last.get("event") == "progress":
            report.progress(step=last["step"], steps=last["steps"], loss=last["loss"])
        if not is_cancelled and report.is_cancelled():
            is_cancelled = True
            process.terminate()
    if is_cancelled and last.get("event") != "done":
        raise TrainingCancelled("Somebody asked for the run to stop.")
    return last


def _events(process: subprocess.Popen[bytes]) -> Iterator[Event | None]:
    """What it tells, and None whenever it has been silent for a while."""
    told, rest = cast(IO[bytes], process.stdout), b""
    with selectors.DefaultSelector() as selector:
        selector.register(told, selectors.EVENT_READ)
        while True:
            if not selector.select(_ASK_EVERY):
                yield None
                continue
            block = os.read(told.fileno(), _BLOCK)
            if not block:
                return
            *lines, rest = (rest + block).split(b"\n")
            yield from (json.loads(line) for line in lines)


def _metrics_or_raise(last: Event, exit_code: int, log: Path) -> dict[str, Any]:
    kind = last.get("event")
    if kind == "done":
        metrics: dict[str, Any] = last["metrics"]
        return metrics
    if kind == "hopeless":
        raise TrainingFailed(last["problem"])
    if kind == "stopped":
        raise TrainingStopped("The training was interrupted. Its last checkpoint is kept, and it goes on from there.")
    how = f"stopped with {last['problem']}" if kind == "failed" else f"ended with the code {exit_code}"
    why = " Perhaps the machine's memory was not enough: lower batch_size or max_length." if exit_code == -9 else ""
    raise TrainingStopped(f"The training {how}.{why} Its last checkpoint is kept, and its log is {log}.")
