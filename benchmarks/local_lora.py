"""A model before and after fine-tuning on this machine, on a task whose answers are known.

`--base` and `--device` are for machines with a GPU: `python -m benchmarks.local_lora --base google/gemma-3-270m-it`.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from rich.console import Console

from benchmarks.__main__ import DOCUMENTS
from benchmarks.environment import set_up_django
from benchmarks.machine import machine_facts
from benchmarks.plots import bar_plot
from benchmarks.report import Bar, Progress, Report

TINY: Final = "a tiny model made on the spot"
NAME: Final = "local_lora"

_WARM_UP, _QUICK_WARM_UP = 400, 300  # steps
_TRAIN, _QUICK_TRAIN = 1_200, 600  # examples
_GOLD, _QUICK_GOLD = 100, 20
_LONGEST: Final = 96  # tokens of an answer
_TINY_OPTIONS: Final = {"batch_size": 16, "learning_rate": 5e-3, "epochs": 2, "gradient_checkpointing": False}
_OPTIONS: Final = {"batch_size": 16, "epochs": 2}
_GAIN: Final = 0.3  # of the fields, at least

_METHOD = """\
The base, {base}, and what `local_lora` made of it with {train:,} examples, both on {device}. The task: an order is read
out of a mail, and answered in JSON with five fields; {gold:,} orders that were never trained on. *Fields* are those
that are right, of all; *exact* are the answers that are right to the letter. Answers are chosen greedily.
{about_tiny}"""
_ABOUT_TINY = """\
The tiny model has some 100,000 weights, and was shown {warm_up} batches of lesser tasks in the same words, so that it
can be a base."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    fields: float
    exact: float
    milliseconds: float  # median of an answer


def run(*, quick: bool, progress: Progress, base: str = "", device: str = "cpu") -> Report:
    """`base`: a folder or a hub's id; "" makes a tiny one."""
    from demo.extraction_task import make_task

    if not base:
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads wait for each other longer than so small a model takes
    task = make_task(n_train=_QUICK_TRAIN if quick else _TRAIN, n_gold=_QUICK_GOLD if quick else _GOLD)
    with TemporaryDirectory(prefix="gleaner-bench-") as name:
        folder = Path(name)
        progress("local_lora: making a base", 0, 4)
        path = base or _tiny(folder / "base", _QUICK_WARM_UP if quick else _WARM_UP)
        progress("local_lora: training", 1, 4)
        trained, seconds = _train(folder, task.train, path, device, {} if base else _TINY_OPTIONS)
        progress("local_lora: asking the base", 2, 4)
        models = {"base": path, "tuned": str(trained.folder)}
        before = _ask(models, "base", task.gold, device)
        progress("local_lora: asking the tuned model", 3, 4)
        after = _ask(models, "tuned", task.gold, device)
    sizes = {"train": len(task.train), "gold": len(task.gold), "warm_up": _QUICK_WARM_UP if quick else _WARM_UP}
    return _report({"base": before, "tuned": after}, seconds, trained.metrics, sizes, base or TINY, device)


def _tiny(folder: Path, steps: int) -> str:
    from continuous_training.training.tiny import make_tiny_model
    from demo.extraction_task import warm_up_chats

    make_tiny_model(folder, warm_up_chats(), steps=steps)
    return str(folder)


def _train(
    folder: Path, examples: Sequence[Mapping[str, Any]], base: str, device: str, options: Mapping[str, Any]
) -> tuple[Any, float]:
    """What the trainer gave, and the seconds it took with the start of its process."""
    from continuous_training.training.trainers.base import TrainingJob
    from continuous_training.training.trainers.local_lora import LocalLoraTrainer
    from demo.extraction_task import TASK, training_line

    data = folder / "run" / "data" / "00001.jsonl"
    data.parent.mkdir(parents=True)
    data.write_text("".join(json.dumps(training_line(dict(example))) + "\n" for example in examples))
    job = TrainingJob(
        run_id="benchmark",
        folder=folder / "run",
        data=[data],
        base_model=base,
        options=options or _OPTIONS,
        saved={},
        task=TASK,
    )
    began = time.perf_counter()
    trained = LocalLoraTrainer(device=device).advance(job, _Unheard())
    return trained, time.perf_counter() - began


class _Unheard:
    """A Reporter that nobody listens to."""

    def save(self, saved: Mapping[str, Any]) -> None: ...

    def progress(self, *, step: int, steps: int, loss: float | None = None) -> None: ...

    def is_cancelled(self) -> bool:
        return False


def _ask(models: Mapping[str, str], name: str, gold: Sequence[Mapping[str, Any]], device: str) -> Scores:
    from capture_app.providers.base import CompletionRequest
    from capture_app.providers.local_transformers import LocalTransformersProvider

    provider = LocalTransformersProvider(models=models, device="" if device == "auto" else device)
    parameters = {"temperature": 0, "max_tokens": _LONGEST}
    requests = [CompletionRequest(name, example["messages"], parameters=parameters) for example in gold]
    provider.complete(requests[0])  # which loads it
    answers, times = [], []
    for request in requests:
        began = time.perf_counter()
        answers.append(provider.complete(request).text)
        times.append(time.perf_counter() - began)
    expected = [example["expected_response"] for example in gold]
    return Scores(
        fields=statistics.mean(_right_fields(*pair) for pair in zip(answers, expected, strict=True)),
        exact=statistics.mean(answer.strip() == right for answer, right in zip(answers, expected, strict=True)),
        milliseconds=statistics.median(times) * 1_000,
    )


def _right_fields(answer: str, expected: str) -> float:
    right = json.loads(expected)
    try:
        given = json.loads(answer)
    except ValueError:
        return 0.0
    return statistics.mean(isinstance(given, dict) and given.get(name) == value for name, value in right.items())


def _report(
    scores: Mapping[str, Scores],
    seconds: float,
    metrics: Mapping[str, Any],
    sizes: Mapping[str, int],
    base: str,
    device: str,
) -> Report:
    gain = scores["tuned"].fields - scores["base"].fields
    about_tiny = _ABOUT_TINY.format(**sizes) if base == TINY else ""
    losses = {"base": metrics["validation_loss_of_base"], "tuned": metrics["validation_loss"]}
    return Report(
        name=NAME,
        title="A local model before and after fine-tuning",
        method=_METHOD.format(base=base, device=device, about_tiny=about_tiny, **sizes),
        columns=("model", "fields", "exact", "loss on data kept back", "ms per answer"),
        rows=[
            (name, f"{each.fields:.1%}", f"{each.exact:.1%}", f"{losses[name]:.3f}", f"{each.milliseconds:,.0f}")
            for name, each in scores.items()
        ],
        bars=[Bar("fields that are right more", f"≥ {_GAIN:.0%} of all", f"{gain:.1%}", gain >= _GAIN)],
        notes=[_note(metrics, seconds)],
        figure=bar_plot(
            "Fields that are right",
            "% of all",
            {name: each.fields * 100 for name, each in scores.items()},
            ours=["tuned"],
            logarithmic=False,
        ),
        raw={"scores": scores, "metrics": metrics, "seconds": seconds, "base": base, "device": device},
    )


def _note(metrics: Mapping[str, Any], seconds: float) -> str:
    return (
        f"The training took {seconds:,.0f} s for {metrics['steps']:,} steps, the start of its process and both "
        f"measurements of the loss included. It trained {metrics['trained_parameters']:,} weights of the adapter; the "
        f"model and the adapter together have {metrics['parameters']:,}."
    )


def _say(stage: str, done: int, total: int) -> None:
    print(f"{stage} ({done + 1} of {total})", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.local_lora", description=__doc__)
    parser.add_argument("--base", default="", help="a folder or an id of the Hugging Face hub; default: a tiny model")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda:0, ...; default: auto")
    parser.add_argument("--quick", action="store_true", help="small sizes, and nothing is written")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="gleaner-bench-") as scratch:
        set_up_django(Path(scratch))
        report = run(quick=options.quick, progress=_say, base=options.base, device=options.device)
    if not options.quick:
        report.write(DOCUMENTS, machine_facts())
    report.show(Console(width=120))


if __name__ == "__main__":
    main()
