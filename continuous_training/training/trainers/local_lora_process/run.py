"""One run from its job to its model."""

import json
import shutil
import time
from typing import Any

from transformers.utils import logging as transformers_logging

from capture_app.files import write_atomically
from continuous_training.training.trainers.local_lora_process.base import Base, publish, write_model
from continuous_training.training.trainers.local_lora_process.card import draw_curve, write_card
from continuous_training.training.trainers.local_lora_process.data import prepare
from continuous_training.training.trainers.local_lora_process.job import CURVE, FACTS, Job
from continuous_training.training.trainers.local_lora_process.learning import learn
from continuous_training.training.trainers.local_lora_process.stopping import Stop, Tell


def train(job: Job, stop: Stop, tell: Tell) -> dict[str, Any]:
    """The metrics of the model that then stands in `job.target`. Raises Hopeless, Stopped, and what libraries raise."""
    if job.target.exists():  # killed after it was named
        return read_metrics(job)
    transformers_logging.disable_progress_bar()
    began = time.monotonic()
    base = Base(job.base_model, options=job.options, use_gpu=job.device != "cpu")
    stop.raise_if_asked()
    data = prepare(job, base.tokenizer, stop)
    base.end_answers_with(data.ends_with)
    learnt = learn(job, base, data, stop, tell)
    metrics = {**learnt.metrics, "seconds": round(time.monotonic() - began, 1)}  # since the last kill, if any
    write_model(learnt.model, base, job.unfinished, output=job.options.output)
    draw_curve(learnt.curve, metrics, job.unfinished / CURVE)
    write_card(job, base, metrics, job.unfinished / "README.md")
    shutil.copyfile(job.unfinished / CURVE, job.folder / CURVE)
    write_atomically(job.unfinished / FACTS, json.dumps({"run": job.run_id, "metrics": metrics}, indent=1).encode())
    publish(job.unfinished, job.target)
    shutil.rmtree(job.checkpoints, ignore_errors=True)
    return metrics


def read_metrics(job: Job) -> dict[str, Any]:
    """Of a finished model."""
    metrics: dict[str, Any] = json.loads((job.target / FACTS).read_bytes())["metrics"]
    return metrics
