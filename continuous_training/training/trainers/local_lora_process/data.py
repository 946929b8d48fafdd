"""The run's chats as tokens, on the disk: bounded memory, however many there are."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from continuous_training.training.trainers.local_lora_process.chats import (
    Chat,
    encode,
    kept_back,
    prompt_hash,
    read_chats,
)
from continuous_training.training.trainers.local_lora_process.job import Job
from continuous_training.training.trainers.local_lora_process.problems import Hopeless
from continuous_training.training.trainers.local_lora_process.stopping import Stop

_KEPT: Final = "kept"
_TOO_LONG: Final = "too long"
_UNWRITABLE: Final = "unwritable"


class Kept(NamedTuple):
    """How many chats there are, and how many are left out."""

    train: int
    validation: int
    too_long: int
    unwritable: int  # the base's chat template cannot write them, or they hold images


class Data(NamedTuple):
    """Data sets of `input_ids` and `labels`; `validation` is None when nothing is kept back."""

    train: Any
    validation: Any | None
    kept: Kept
    ends_with: int  # the token that ends an answer


def prepare(job: Job, tokenizer: Any, stop: Stop) -> Data:
    """Raises Hopeless when nothing is left to learn from, and Stopped."""
    return _Preparation(job, tokenizer, stop).data()


class _Preparation:
    def __init__(self, job: Job, tokenizer: Any, stop: Stop) -> None:
        self._job = job
        self._tokenizer = tokenizer
        self._stop = stop
        self._counts: Counter[str] = Counter()

    def data(self) -> Data:
        options = self._job.options
        back = kept_back(self._chats(), share=options.validation_share, most=options.validation_most, seed=options.seed)
        train = self._write("train", lambda key: key not in back)
        learnt = self._counts.pop(_KEPT, 0)
        if not learnt:
            raise Hopeless(self._nothing_left())
        validation = self._write("validation", lambda key: key in back) if back else None
        held = self._counts[_KEPT]
        kept = Kept(learnt, held, self._counts[_TOO_LONG], self._counts[_UNWRITABLE])
        return Data(train, validation if held else None, kept, ends_with=train[0]["input_ids"][-1])

    def _chats(self) -> Iterator[Chat]:
        for chat in read_chats(self._job.data, answers=self._job.options.answers):
            self._stop.raise_if_asked()
            yield chat

    def _write(self, name: str, is_wanted: Callable[[bytes], bool]) -> Any:
        from datasets import Dataset, Features, Sequence, Value
        from datasets.arrow_writer import ArrowWriter

        path = self._scratch() / f"{name}.arrow"
        tokens = Sequence(Value("int32"))
        with ArrowWriter(path=str(path), features=Features({"input_ids": tokens, "labels": tokens})) as writer:
            for row in self._rows(is_wanted):
                writer.write(row)
            writer.finalize()
        return Dataset.from_file(str(path))

    def _scratch(self) -> Path:
        self._job.scratch.mkdir(parents=True, exist_ok=True)
        return self._job.scratch

    def _rows(self, is_wanted: Callable[[bytes], bool]) -> Iterator[dict[str, list[int]]]:
        options = self._job.options
        for chat in self._chats():
            if not is_wanted(prompt_hash(chat, options.seed)):
                continue
            try:
                found = encode(self._tokenizer, chat)
            except ValueError:
                self._counts[_UNWRITABLE] += 1
                continue
            fits = len(found.input_ids) <= options.max_length
            self._counts[_KEPT if fits else _TOO_LONG] += 1
            if fits:
                yield found._asdict()

    def _nothing_left(self) -> str:
        return (
            f"Nothing is left to learn from: of the chats, {self._counts[_TOO_LONG]} are longer than max_length "
            f"({self._job.options.max_length} tokens), and {self._counts[_UNWRITABLE]} hold images or cannot be "
            "written by the base's chat template. Raise max_length, or take another base, and request the run anew."
        )
