"""The training itself: trl's SFTTrainer over tokens that `chats` made, from checkpoint to checkpoint."""

import json
from typing import Any, Final, NamedTuple

from capture_app.files import write_atomically
from continuous_training.training.trainers.local_lora_process.base import Base
from continuous_training.training.trainers.local_lora_process.checkpoints import last_checkpoint
from continuous_training.training.trainers.local_lora_process.data import Data
from continuous_training.training.trainers.local_lora_process.job import Job
from continuous_training.training.trainers.local_lora_process.options import LORA
from continuous_training.training.trainers.local_lora_process.problems import Hopeless
from continuous_training.training.trainers.local_lora_process.stopping import Stop, Stopped, Tell

_BASELINE: Final = "baseline.json"  # in the run's folder: the loss of the base, before anything was learnt
_POINTS: Final = 100  # of the loss curve, about


class Learnt(NamedTuple):
    """What came of it."""

    model: Any  # a PeftModel; the model itself when it was trained whole
    metrics: dict[str, Any]
    curve: list[tuple[int, float]]  # step and training loss


def learn(job: Job, base: Base, data: Data, stop: Stop, tell: Tell) -> Learnt:
    """Train from the last checkpoint on, or from the beginning. Raises Stopped; what was learnt is kept then."""
    trainer = make_trainer(job, base, data, stop, tell)
    before = _baseline(job, trainer, data)
    trainer.train(resume_from_checkpoint=last_checkpoint(job.checkpoints))
    if trainer.state.global_step < trainer.state.max_steps:
        raise Stopped
    after = _validation_loss(trainer, data)
    return Learnt(trainer.model, _metrics(trainer, data, before, after), _curve(trainer))


def make_trainer(job: Job, base: Base, data: Data, stop: Stop, tell: Tell) -> Any:
    """Raises Hopeless when the options do not fit the base."""
    from transformers.trainer_callback import PrinterCallback
    from trl import SFTTrainer

    from continuous_training.training.trainers.local_lora_process.watching import Watch

    try:
        trainer = SFTTrainer(
            model=base.model,
            processing_class=base.tokenizer,
            args=_arguments(job, base, data.kept.train),
            train_dataset=data.train,
            eval_dataset=data.validation,
            peft_config=_adapter(job) if job.options.method == LORA else None,
            callbacks=[Watch(stop, tell)],
        )
    except ValueError as error:  # targets that the base does not have, and the like
        raise Hopeless(f"The base model cannot be trained with these options: {error}") from error
    trainer.remove_callback(PrinterCallback)
    return trainer


def _adapter(job: Job) -> Any:
    from peft import LoraConfig

    options = job.options
    targets = options.targets if isinstance(options.targets, str) else list(options.targets)
    return LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        target_modules=targets,
        modules_to_save=list(options.also_train) or None,
        task_type="CAUSAL_LM",
    )


def _arguments(job: Job, base: Base, chats: int) -> Any:
    from trl import SFTConfig

    options = job.options
    steps = max(1, round(chats * options.epochs / (options.batch_size * options.accumulate)))
    return SFTConfig(
        output_dir=str(job.checkpoints),
        max_length=None,  # what is too long was left out: half an answer teaches to stop halfway
        num_train_epochs=options.epochs,
        learning_rate=options.learning_rate,
        lr_scheduler_type=options.schedule,
        warmup_steps=options.warmup,
        weight_decay=options.weight_decay,
        per_device_train_batch_size=options.batch_size,
        per_device_eval_batch_size=options.batch_size,
        gradient_accumulation_steps=options.accumulate,
        gradient_checkpointing=options.gradient_checkpointing,
        bf16=base.uses_bf16,
        seed=options.seed,
        use_cpu=job.device == "cpu",
        logging_steps=max(1, steps // _POINTS),
        save_strategy="steps",
        save_steps=options.checkpoint_every,
        save_total_limit=2,
        dataloader_pin_memory=job.device != "cpu",
        disable_tqdm=True,
        report_to="none",
    )


# --- Figures ---------------------------------------------------------------------------------------------------------


def _baseline(job: Job, trainer: Any, data: Data) -> float | None:
    """The loss of the base, measured once: after a kill the model is no more what it was."""
    path = job.folder / _BASELINE
    if path.exists():
        return float(json.loads(path.read_bytes()))
    loss = _validation_loss(trainer, data)
    if loss is not None:
        write_atomically(path, json.dumps(loss).encode())
    return loss


def _validation_loss(trainer: Any, data: Data) -> float | None:
    return None if data.validation is None else float(trainer.evaluate()["eval_loss"])


def _metrics(trainer: Any, data: Data, before: float | None, after: float | None) -> dict[str, Any]:
    curve, history = _curve(trainer), trainer.state.log_history
    return {
        "steps": trainer.state.global_step,
        "tokens": next((int(each["num_tokens"]) for each in reversed(history) if "num_tokens" in each), None),
        "train_loss": curve[-1][1] if curve else None,
        "validation_loss": after,
        "validation_loss_of_base": before,
        "chats": data.kept._asdict(),
        "trained_parameters": sum(each.numel() for each in trainer.model.parameters() if each.requires_grad),
        "parameters": sum(each.numel() for each in trainer.model.parameters()),
    }


def _curve(trainer: Any) -> list[tuple[int, float]]:
    return [(each["step"], each["loss"]) for each in trainer.state.log_history if "loss" in each]
