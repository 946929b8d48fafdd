"""The hook that clears examples before they are stored: TRAINING_CAPTURE["REDACT"] = "dotted.path".

    def redact(example: Example) -> Example:
        return example._replace(prompt_text=clear(example.prompt_text), ...)

It is given a copy: what is sent to a provider, and what the caller holds, stays as it is. `metadata["gleaner"]` may
hold the conversation once more, under `messages`, and `tool_calls`.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from django.utils.module_loading import import_string

from capture_app.example import Example, prompt_hash, storable

Redactor = Callable[[Example], Example]


class Withheld(Exception):
    """Redaction failed, so the example must not be stored in clear. The text says why, without any content."""


def redacted(example: Example, dotted_path: str) -> Example:
    """What the redactor makes of the example, its id kept and its hash made anew; raises Withheld when it fails."""
    copy = example._replace(metadata=storable(example.metadata), slot_specs=storable(example.slot_specs))
    try:
        cleared = _redactor(dotted_path)(copy)
        if not isinstance(cleared, Example):
            raise Withheld(f"{dotted_path} gave back a {type(cleared).__name__}, no Example")
        # A hash over the clear text would let anyone who guesses the text prove that guess.
        return cleared._replace(id=example.id, prompt_hash=prompt_hash(cleared.system_prompt, cleared.prompt_text))
    except Withheld:
        raise
    except Exception as error:  # a redactor is the project's own code, and may raise anything
        raise Withheld(f"{dotted_path} raised {_where(error)}") from None  # its message may quote the text


@cache
def _redactor(dotted_path: str) -> Redactor:
    redactor: Redactor = import_string(dotted_path)
    return redactor


def _where(error: Exception) -> str:
    """The kind of error and the line it came from; never its message."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__}{place}"
