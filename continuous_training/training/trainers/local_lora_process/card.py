"""The model's card, as the Hugging Face hub reads it, and the picture of its loss."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from continuous_training.training.trainers.local_lora_process.base import Base
from continuous_training.training.trainers.local_lora_process.job import CURVE, Job
from continuous_training.training.trainers.local_lora_process.options import ADAPTER, LORA


def write_card(job: Job, base: Base, metrics: Mapping[str, Any], path: Path) -> None:
    """Base, data, options and losses, with the front matter of a model card."""
    parts = ["---\n" + _front_matter(job, base) + "\n---", *_sections(job, base, metrics)]
    path.write_text("\n\n".join(parts) + "\n")


def _front_matter(job: Job, base: Base) -> str:
    from huggingface_hub import ModelCardData

    is_adapter = job.options.output == ADAPTER and job.options.method == LORA
    licence = licence_of(base)
    data = ModelCardData(
        # A folder of this machine means nothing to anybody else.
        base_model=None if Path(base.name).is_dir() else base.name,
        base_model_relation="adapter" if is_adapter else "finetune",
        library_name="peft" if is_adapter else "transformers",
        license=licence,
        pipeline_tag="text-generation",
        tags=["gleaner", "sft", *(["lora"] if job.options.method == LORA else [])],
    )
    return str(data.to_yaml())


def licence_of(base: Base) -> str | None:
    """As the base's own card names it; None when it has none, or says nothing."""
    from huggingface_hub import ModelCard
    from huggingface_hub.errors import HfHubHTTPError
    from transformers.utils import cached_file

    try:
        path = cached_file(base.name, "README.md", _raise_exceptions_for_missing_entries=False)
        licence = ModelCard.load(path).data.license if path else None
    except (OSError, ValueError, HfHubHTTPError):  # a card is a text that people write
        return None
    return licence if isinstance(licence, str) else None


def _sections(job: Job, base: Base, metrics: Mapping[str, Any]) -> Iterator[str]:
    how = "with LoRA" if job.options.method == LORA else "whole"
    yield f"# {_plain(job.run_id)}"
    yield f"`{_plain(_name(base))}`, fine-tuned {how} on answers to the task `{_plain(job.task)}`."
    yield "## Data"
    yield _table(("file", "chats", "SHA-256"), _files(job))
    yield _counts(job, metrics["chats"])
    yield "## Loss"
    yield _table(("on", "of the base", "of this model"), _losses(metrics))
    yield f"![Loss by step]({CURVE})"
    yield "## Options"
    yield "```json\n" + json.dumps(asdict(job.options), indent=1) + "\n```"


def _name(base: Base) -> str:
    return Path(base.name).name if Path(base.name).is_dir() else base.name


def _files(job: Job) -> Iterator[tuple[str, str, str]]:
    for each in job.about_data.get("files", ()):
        yield f"`{_plain(each['name'])}`", f"{each['pairs']:,}", f"`{each['sha256']}`"


def _counts(job: Job, chats: Mapping[str, int]) -> str:
    source = {"export": "The task's export. ", "files": "Files that were named. "}.get(
        job.about_data.get("source", ""), ""
    )
    return (
        f"{source}Learnt: {chats['train']:,} answers; kept back to measure the loss: {chats['validation']:,}. Left "
        f"out: {chats['too_long']:,} that are longer than {job.options.max_length:,} tokens; {chats['unwritable']:,} "
        "that hold images, or that the chat template cannot write."
    )


def _losses(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    yield "training data", "", _figure(metrics["train_loss"])
    yield "data kept back", _figure(metrics["validation_loss_of_base"]), _figure(metrics["validation_loss"])


def _figure(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _plain(text: str) -> str:
    """As one word of Markdown: names of files and tasks are what somebody typed."""
    return "".join(char if char.isprintable() and char not in "`|<>[]" else "_" for char in text)


def draw_curve(curve: Sequence[tuple[int, float]], metrics: Mapping[str, Any], path: Path) -> None:
    """Training loss by step, and the loss on what was kept back before and after."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([step for step, _ in curve], [loss for _, loss in curve], label="training")
    if metrics["validation_loss"] is not None:
        losses = [metrics["validation_loss_of_base"], metrics["validation_loss"]]
        axes.plot([0, metrics["steps"]], losses, "o--", label="kept back, before and after")
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.set_ylim(bottom=0)
    axes.legend()
    figure.savefig(path, dpi=100)
