"""What was said in a captured conversation, put together from its calls.

Applications that send the whole conversation with each call repeat what was said before, some only the last part of it,
and others send each question alone. So each call's messages are laid over what is known of the conversation, and what
is new is added. Where one goes back to an earlier place, to have the answer anew or to ask another question, the
conversation goes on from there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from capture_app.example import storable
from capture_app.messages import content_text
from training_files.conversations.reviews import NOTES, REVIEWED, SCORE, SEED
from training_files.v4.conversation import text

ASSISTANT, USER = "assistant", "user"
_SYSTEM: Final = ("system", "developer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A captured answer."""

    example_id: str
    text: str  # as the model gave it
    target: str | None  # what to learn from it; None: nothing
    is_corrected: bool = False  # then the target is what a person wrote
    training: Mapping[str, Any] = field(default_factory=dict)  # what people said of it, as training_metadata
    system_prompt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    role: str
    content: str
    answer: Answer | None = None  # where it was captured, and not only repeated in later messages

    @property
    def said(self) -> tuple[str, str]:
        return self.role, self.content.strip()


def messages_of(metadata: Mapping[str, Any], prompt: str) -> list[Turn]:
    """What came before an answer. `metadata` is what was noted at capture; a plain prompt is not noted twice."""
    found = metadata.get("messages")
    if not isinstance(found, list) or not found:
        return [Turn(role=USER, content=prompt)]
    messages = [message for message in found if isinstance(message, Mapping)]
    turns = [Turn(role=text(each.get("role")) or USER, content=content_text(each)) for each in messages]
    return [turn for turn in turns if turn.role not in _SYSTEM]


def add_call(turns: list[Turn], messages: Sequence[Turn], answer: Answer) -> list[Turn]:
    """The conversation with one more call: its messages, and the answer to them."""
    return [*_laid_over(turns, messages), Turn(role=ASSISTANT, content=answer.text, answer=answer)]


def _laid_over(turns: list[Turn], messages: Sequence[Turn]) -> list[Turn]:
    before, now = [turn.said for turn in turns], [turn.said for turn in messages]
    for length in range(min(len(before), len(now)), 0, -1):
        if before[-length:] == now[:length]:
            return [*turns, *messages[length:]]
    if len(now) == 1:
        return [*turns, *messages]
    shorter = min(len(before), len(now))
    common = next((n for n in range(shorter) if before[n] != now[n]), shorter)
    return [*turns[:common], *messages[common:]] if common else [*turns, *messages]


def pairs_of(conversation_id: str, turns: Sequence[Turn]) -> Iterator[dict[str, Any]]:
    """A pair for each turn of the user's, and for each answer to learn from."""
    history: list[dict[str, Any]] = []
    asked = ""
    for number, turn in enumerate(turns, 1):
        asked = turn.content if turn.role == USER else asked
        target = turn.answer.target if turn.answer else None
        if turn.role == USER or target is not None:
            yield storable(
                {
                    "id": f"turn{number}",
                    "conversation_id": conversation_id,
                    "turn_number": number,
                    "conversation_metadata": {},
                    "system_prompt": _system_prompt(turns, number),
                    "conversation_history": list(history),
                    "current_user_input": asked,
                    "emotional_context": {"detected_emotions": {}},
                    "target_response": target,
                    "training_metadata": {
                        "conversation_turn": number,
                        SCORE: None,
                        REVIEWED: False,
                        NOTES: None,
                        SEED: False,
                        "generate_variations_count": 0,
                        **(turn.answer.training if turn.answer else {}),
                    },
                }
            )
        history.append({"turn": number, "role": turn.role, "content": turn.content})


def _system_prompt(turns: Sequence[Turn], number: int) -> str:
    """Under which this turn was answered: that of the next answer, or of the last one."""
    later = (turn.answer.system_prompt for turn in turns[number - 1 :] if turn.answer)
    earlier = (turn.answer.system_prompt for turn in reversed(turns[:number]) if turn.answer)
    return next(later, None) or next(earlier, "")
