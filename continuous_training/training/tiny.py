"""A language model made on the spot: some 100,000 weights, a tokenizer of its own, nothing is downloaded.

It is a Llama in every file, only small: what trains, serves and measures it is what does so with a real one. Fresh from
the dice it can say nothing, and a low-rank adapter cannot teach it to; so it first reads some chats, and can be a base.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

Chat = Sequence[dict[str, str]]

CHAT_TEMPLATE: Final = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CONTEXT: Final = 512  # tokens of prompt and answer together

_SPECIAL: Final = ("<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
_VOCABULARY: Final = 1_000  # at most
_WORDS: Final = r"\w+|[^\w]+"  # a word is the same token in a sentence and in JSON, so it can be copied
_WIDTH: Final = 64
_HEADS: Final = 2
_BATCH: Final = 16
_RATE: Final = 4e-3
_MATRIX_RATE: Final = 1e-2


def make_tiny_model(folder: Path, chats: Sequence[Chat], *, seed: int = 0, steps: int = 400) -> None:
    """Write model and tokenizer into the folder. The last message of each chat is its answer, which is learnt.

    `steps` of 16 chats each, over and over; some 40 ms each on one core. With 0 it stays as the dice made it.
    """
    from transformers import set_seed

    set_seed(seed)
    tokenizer = _tokenizer(chats)
    model = _model(tokenizer)
    with _one_thread():
        _read(model, tokenizer, chats, steps)
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _tokenizer(chats: Sequence[Chat]) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    split = pre_tokenizers.Split(Regex(_WORDS), "isolated")
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=list(_SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator((message["content"] for chat in chats for message in chat), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token=_SPECIAL[0],
        eos_token=_SPECIAL[1],
        additional_special_tokens=list(_SPECIAL[2:]),
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def _model(tokenizer: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=_WIDTH,
            intermediate_size=4 * _WIDTH,
            num_hidden_layers=2,
            num_attention_heads=_HEADS,
            num_key_value_heads=_HEADS,
            max_position_embeddings=CONTEXT,
            initializer_range=0.1,  # what a narrow model needs to learn at all in so few steps
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
        )
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """More threads would spend longer on waiting for each other than on matrices of this size."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _read(model: Any, tokenizer: Any, chats: Sequence[Chat], steps: int) -> None:
    """Learn the answers."""
    import torch

    if not steps:
        return
    optimizers = _optimizers(model)
    schedules = [_rising_and_falling(each, steps) for each in optimizers]
    for batch in _batches(tokenizer, chats, steps):
        model(**batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for each in (*optimizers, *schedules):
            each.step()
        model.zero_grad()


def _optimizers(model: Any) -> list[Any]:
    """Muon for the matrices: with AdamW alone it is luck whether so small a model ever learns to copy a word."""
    import torch

    inner = [each for name, each in model.named_parameters() if each.ndim == 2 and "embed" not in name]
    known = {id(each) for each in inner}
    outer = [each for each in model.parameters() if id(each) not in known]
    return [
        torch.optim.Muon(inner, lr=_MATRIX_RATE, weight_decay=0.0),
        torch.optim.AdamW(outer, lr=_RATE, weight_decay=0.1, betas=(0.9, 0.95)),
    ]


def _rising_and_falling(optimizer: Any, steps: int) -> Any:
    import torch

    rate = optimizer.param_groups[0]["lr"]
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1, cycle_momentum=False)


def _batches(tokenizer: Any, chats: Sequence[Chat], steps: int) -> Iterator[dict[str, Any]]:
    from transformers import DataCollatorForSeq2Seq

    from continuous_training.training.trainers.local_lora_process import chats as tokens

    collate = DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=tokens.MASKED)
    rows = [tokens.encode(tokenizer, tokens.Chat(list(chat[:-1]), dict(chat[-1]), None)) for chat in chats]
    for step in range(steps):
        first = step * _BATCH
        chosen = [rows[(first + place) % len(rows)] for place in range(_BATCH)]
        yield collate([{**row._asdict(), "attention_mask": [1] * len(row.input_ids)} for row in chosen])
