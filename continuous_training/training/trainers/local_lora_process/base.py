"""The base model: loaded to be trained, and written down with what it learnt."""

import shutil
from pathlib import Path
from typing import Any, Final

from capture_app.files import fsync_directory, fsync_file
from continuous_training.training.trainers.local_lora_process.chats import PLAIN_TEMPLATE
from continuous_training.training.trainers.local_lora_process.options import ADAPTER, FULL, LoraOptions
from continuous_training.training.trainers.local_lora_process.problems import base_problem

_LIMIT: Final = "2GB"  # of one file of weights


class Base:
    """Model and tokenizer, as they were before training."""

    def __init__(self, name: str, *, options: LoraOptions, use_gpu: bool) -> None:
        """Raises Hopeless when it cannot be loaded."""
        self.name = name
        try:
            config, self.tokenizer = _described(name)
            self.uses_bf16 = _uses_bf16(options, use_gpu=use_gpu)
            self.model = _load(name, in_bf16=self.uses_bf16 and options.method != FULL)
        except (OSError, ValueError, RuntimeError, ImportError, KeyError) as error:  # whatever a folder may hold
            raise base_problem(name, error) from error
        self.saved_dtype = config.dtype or self.model.dtype
        if self.tokenizer.chat_template is None:
            self.tokenizer.chat_template = PLAIN_TEMPLATE

    def end_answers_with(self, token: int) -> None:
        """Make the model stop where its answers were seen to end."""
        config = self.model.generation_config
        known = config.eos_token_id
        ends = known if isinstance(known, list) else [] if known is None else [known]
        config.eos_token_id = ends if token in ends else [token, *ends]
        if config.pad_token_id is None:
            config.pad_token_id = self.tokenizer.pad_token_id


def _uses_bf16(options: LoraOptions, *, use_gpu: bool) -> bool:
    import torch

    can = use_gpu and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return can if options.precision == "auto" else options.precision == "bf16"


def _described(name: str) -> tuple[Any, Any]:
    """Config and tokenizer: a base that is nowhere is told before torch is loaded."""
    from transformers import AutoConfig, AutoTokenizer

    return (
        AutoConfig.from_pretrained(name, trust_remote_code=False),
        AutoTokenizer.from_pretrained(name, trust_remote_code=False),
    )


def _load(name: str, *, in_bf16: bool) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        name,
        dtype=torch.bfloat16 if in_bf16 else torch.float32,
        trust_remote_code=False,
        use_safetensors=True,  # other formats may run code when they are read
    )


def write_model(trained: Any, base: Base, folder: Path, *, output: str) -> None:
    """Write weights, tokenizer and generation config into the folder, which is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    whole = trained
    if output != ADAPTER and hasattr(trained, "merge_and_unload"):
        whole = trained.merge_and_unload(safe_merge=True)  # raises for weights that are no numbers
    if output != ADAPTER:
        whole = whole.to(base.saved_dtype)
    whole.generation_config = base.model.generation_config
    whole.save_pretrained(folder, max_shard_size=_LIMIT)
    base.model.generation_config.save_pretrained(folder)
    base.tokenizer.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)  # peft writes one of its own


def publish(folder: Path, target: Path) -> None:
    """Make the folder's files durable, and only then give it its name."""
    for path in folder.rglob("*"):
        if path.is_file():
            fsync_file(path)
    fsync_directory(folder)
    folder.rename(target)
    fsync_directory(target.parent)
