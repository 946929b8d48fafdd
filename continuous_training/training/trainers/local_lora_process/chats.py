"""Chats become tokens, with a label for each token that is to be learnt, and -100 for the others.

Learnt is what the model would have to write: the answer, and the token that ends it. The prompt is only read. The chat
template of the base says how both are written; where the prompt ends is told by rendering it alone, so any template
will do, whether it marks what the assistant says or not.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from capture_app.providers.chat_templates import template_message
from continuous_training.training.trainers.local_lora_process.options import ALL

MASKED: Final = -100  # the label of a token that is not learnt

# For a base without a template of its own: roles in angle brackets, each message ended by the end-of-sequence token.
PLAIN_TEMPLATE: Final = (
    "{% for message in messages %}<{{ message['role'] }}>\n{{ message['content'] }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>\n{% endif %}"
)

Message = dict[str, Any]


class Chat(NamedTuple):
    """What is read, and what is learnt."""

    prompt: list[Message]
    answer: Message
    tools: list[dict[str, Any]] | None


class Encoded(NamedTuple):
    """Token ids, and for each its label."""

    input_ids: list[int]
    labels: list[int]


def read_chats(paths: Iterable[Path], *, answers: str) -> Iterator[Chat]:
    """One for each line's last answer; with `answers="all"` one for each answer that has a prompt and weight."""
    for path in paths:
        with path.open("rb") as file:
            for line in file:
                yield from _chats_in(json.loads(line), answers)


def _chats_in(record: Mapping[str, Any], answers: str) -> Iterator[Chat]:
    messages = record["messages"]
    last = len(messages) - 1
    for number in range(1, len(messages)):
        if (number == last or answers == ALL) and _is_learnt(messages[number]):
            yield Chat(messages[:number], messages[number], record.get("tools") or None)


def _is_learnt(message: Mapping[str, Any]) -> bool:
    return message["role"] == "assistant" and message.get("weight") != 0


def encode(tokenizer: Any, chat: Chat) -> Encoded:
    """By the tokenizer's own chat template. Raises ValueError for what cannot be written by it, and for images."""
    prompt = [template_message(message) for message in chat.prompt]
    read = _ids(tokenizer, prompt, chat.tools, add_generation_prompt=True)
    whole = _up_to_its_end(tokenizer, _ids(tokenizer, [*prompt, template_message(chat.answer)], chat.tools))
    begin = _common_length(read, whole)
    return Encoded(whole, [MASKED] * begin + whole[begin:])


def _ids(tokenizer: Any, messages: Sequence[Message], tools: Any, **options: Any) -> list[int]:
    from jinja2 import TemplateError

    try:
        ids: list[int] = tokenizer.apply_chat_template(
            list(messages), tools=tools, tokenize=True, return_dict=False, **options
        )
    except (TemplateError, TypeError, KeyError) as error:
        raise ValueError(f"the base's chat template cannot write it ({type(error).__name__})") from error
    return ids


def _common_length(first: Sequence[int], second: Sequence[int]) -> int:
    """Tokens at the beginning that are the same: fewer than the prompt has, where it merges with the answer."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((place for place, (one, other) in pairs if one != other), min(len(first), len(second)))


def _up_to_its_end(tokenizer: Any, ids: list[int]) -> list[int]:
    """Up to the token that ends the turn, for no model gets beyond it; where the template writes none, with one."""
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    last = next((place for place in reversed(range(len(ids))) if ids[place] in special), -1)
    if last >= 0 and not tokenizer.decode(ids[last + 1 :]).strip():
        return ids[: last + 1]
    return [*ids, tokenizer.eos_token_id]


def kept_back(chats: Iterable[Chat], *, share: float, most: int, seed: int) -> frozenset[bytes]:
    """The prompts, by hash, whose chats are for validation: the same for the same data and seed.

    A prompt that was asked twice is wholly here or wholly there. Fewer than ten prompts are all learnt from.
    """
    prompts = sorted({prompt_hash(chat, seed) for chat in chats})
    count = min(int(len(prompts) * share), most)
    return frozenset(prompts[:count]) if len(prompts) >= 10 else frozenset()


def prompt_hash(chat: Chat, seed: int) -> bytes:
    """16 bytes that are as good as random, and the same for the same prompt and seed."""
    text = json.dumps([seed, chat.prompt], sort_keys=True)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
