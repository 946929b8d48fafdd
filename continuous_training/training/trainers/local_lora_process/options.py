"""What can be said of a run of local_lora, with its defaults. Checked before anything heavy is loaded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final, Self

MERGED: Final = "merged"
ADAPTER: Final = "adapter"
LORA: Final = "lora"
FULL: Final = "full"
LAST: Final = "last"
ALL: Final = "all"

Check = Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_names(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(each, str) and each for each in value)


def _option(default: Any, right: str, check: Check) -> Any:
    return field(default=default, metadata={"right": right, "check": check})


def _number(default: float, low: float, high: float) -> Any:
    return _option(
        default, f"a number from {low:g} to {high:g}", lambda value: _is_number(value) and low <= value <= high
    )


def _count(default: int) -> Any:
    return _option(default, "a whole number from 1 on", _is_count)


def _one_of(*values: Any) -> Any:
    return _option(values[0], f"one of {', '.join(map(repr, values))}", lambda value: value in values)


def _flag(*, default: bool) -> Any:
    return _option(default, "True or False", lambda value: isinstance(value, bool))


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraOptions:
    """How a run trains. A run's own options go before OPTIONS in the settings, and those before these defaults."""

    method: str = _one_of(LORA, FULL)  # full: every weight is trained, as small models can afford
    output: str = _one_of(MERGED, ADAPTER)  # an adapter is small, and needs its base wherever it is served
    answers: str = _one_of(LAST, ALL)  # which of a conversation's answers are learnt
    epochs: float = _number(1.0, 0.01, 1_000)
    learning_rate: float = _number(2e-4, 1e-8, 1.0)
    batch_size: int = _count(8)  # chats in a step, before they are accumulated
    accumulate: int = _count(1)  # batches before the weights change
    max_length: int = _count(2_048)  # tokens of prompt and answer together; longer ones are left out, and counted
    rank: int = _count(16)
    alpha: int = _count(32)
    dropout: float = _number(0.0, 0.0, 0.9)
    targets: str | Sequence[str] = _option(
        "all-linear",
        "'all-linear' or a list of names of modules",
        lambda value: value == "all-linear" or (_is_names(value) and bool(value)),
    )
    also_train: Sequence[str] = _option((), "a list of names of modules, which are trained whole", _is_names)
    warmup: float = _number(0.03, 0.0, 0.9)  # share of the steps in which the learning rate rises
    schedule: str = _one_of("cosine", "linear", "constant_with_warmup")
    weight_decay: float = _number(0.0, 0.0, 1.0)
    seed: int = _option(0, "a whole number from 0 on", lambda value: value == 0 or _is_count(value))
    gradient_checkpointing: bool = _flag(default=True)  # less memory for more time
    precision: str = _one_of("auto", "bf16", "fp32")  # auto: bf16 on a GPU that can, else fp32
    validation_share: float = _number(0.1, 0.0, 0.5)  # of the prompts, kept back to measure the loss on
    validation_most: int = _count(200)  # chats kept back
    checkpoint_every: int = _count(100)  # steps

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Self:
        """Raises ValueError, naming the first option that cannot be followed."""
        known = {each.name: each for each in fields(cls)}
        for name, value in given.items():
            if name not in known:
                raise ValueError(f"local_lora takes no option {name!r}; it takes {', '.join(known)}.")
            if not known[name].metadata["check"](value):
                raise ValueError(
                    f"The option {name} of local_lora has to be {known[name].metadata['right']}, not {value!r}."
                )
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in given.items()
        }
        return cls(**values)
