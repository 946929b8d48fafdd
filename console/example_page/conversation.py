"""The conversation as a person reads it: who said what, which tool was called with what, and what it gave back.

Messages are in OpenAI's chat form, as applications sent them and imports brought them: any key may be missing, and any
value may be of any kind. What is not understood is shown as JSON rather than left out.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from capture_app.blobs import REFERENCE
from capture_app.messages import to_json_text
from capture_app.shown import Budget, Text
from console.example_page.contents import Contents, mapping

MOST_TURNS: Final = 200  # on one page, unless all is asked for
_MOST_PARTS: Final = 500  # of one turn, unless all is asked for
_MOST_SEARCHED: Final = 1000  # values in a part that are looked through for attachments

_ROLES: Final = {
    "system": "System",
    "developer": "Developer",
    "user": "User",
    "assistant": "Assistant",
    "tool": "Tool result",
    "function": "Tool result",
}
_KNOWN_KEYS: Final = frozenset(("role", "name", "content", "tool_calls", "tool_call_id", "refusal"))
_THOUGHTS: Final = ("reasoning_content", "reasoning", "thinking")  # keys that different servers give
_TEXT_PARTS: Final = frozenset(("text", "input_text", "output_text", "summary_text"))
_REFUSAL: Final = "refusal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """An image or a file out of a message."""

    label: str  # what it is, in words
    url: str = ""  # ours; "": it is not there
    is_image: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of what was said."""

    kind: str  # text, json, reasoning, refusal, attachment
    label: str = ""
    text: Text | None = None
    attachment: Attachment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A tool that the model asked for."""

    number: int  # in the conversation, from 1
    id: str
    name: str
    arguments: Text
    rest: Text | None = None  # what else it says


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message."""

    kind: str  # system, user, assistant, tool or other: never anything else, for it is a class in HTML
    title: str
    name: str = ""
    parts: list[Part] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    result_of: ToolCall | None = None
    result_of_id: str = ""  # of a call that is not in the conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What was said, and the answer that was given to it."""

    turns: list[Turn]
    answer: Turn
    left_out: int  # turns that are not shown


# Given a blob's hash and what its example says of it: how it is reached.
Attach = Callable[[str, Mapping[str, Any]], Attachment]


def read_conversation(contents: Contents, attach: Attach, budget: Budget) -> Conversation:
    """The conversation in an example, and its answer. Never fails, whatever the example holds."""
    reader = _Reader(attach, budget, mapping(contents.gleaner.get("blobs")))
    answer = reader.answer(contents)  # first: it must not be what is cut
    messages = contents.gleaner.get("messages")
    if not isinstance(messages, list) or not messages:
        messages = _plain_messages(contents)
    shown = messages if budget.is_whole else messages[:MOST_TURNS]
    budget.has_cut = budget.has_cut or len(shown) < len(messages)
    turns = [reader.turn(message) for message in shown]
    return Conversation(turns=turns, answer=answer, left_out=len(messages) - len(shown))


def _plain_messages(contents: Contents) -> list[dict[str, Any]]:
    system = contents.text("system_prompt")
    messages = [{"role": "system", "content": system}] if system else []
    return [*messages, {"role": "user", "content": contents.text("prompt_text")}]


class _Reader:
    """Reads messages one after the other, and remembers the tool calls in them."""

    def __init__(self, attach: Attach, budget: Budget, blobs: Mapping[str, Any]) -> None:
        self._attach, self._budget, self._blobs = attach, budget, blobs
        self._number = 0  # of tool calls
        self._calls: dict[str, ToolCall] = {}  # by id

    def answer(self, contents: Contents) -> Turn:
        """What the model answered. The calls in it are numbered apart from those in the conversation before."""
        text = contents.text("response_strong")
        thoughts = mapping(contents.gleaner.get("imported_from")).get("reasoning")
        calls = _items(contents.gleaner.get("tool_calls"))
        parts = self._labelled("reasoning", thoughts) if thoughts else []
        if not calls or text not in ("", to_json_text(calls)):
            parts.append(Part(kind="text", text=self._budget.json_text(text)))
        asked = [self._call(call) for call in calls]
        self._number = 0
        self._calls.clear()
        return Turn(kind="assistant", title="Answer", parts=parts, calls=asked)

    def turn(self, message: Any) -> Turn:
        if not isinstance(message, Mapping):
            return Turn(kind="other", title="Unknown", parts=[self._json(message)])
        role = message.get("role")
        title = _ROLES.get(role) if isinstance(role, str) else None
        calls = [self._call(call) for call in _items(message.get("tool_calls"))]
        result_of_id = message.get("tool_call_id")
        result_of = self._calls.get(result_of_id) if isinstance(result_of_id, str) else None
        return Turn(
            kind=_kind(role) if title else "other",
            title=title or self._short(role) or "Unknown",
            name=self._short(message.get("name")),
            parts=[*self._thoughts(message), *self._content(message.get("content")), *self._others(message)],
            calls=calls,
            result_of=result_of,
            result_of_id="" if result_of else self._short(result_of_id),
        )

    # --- What a message consists of ----------------------------------------------------------------------------------

    def _thoughts(self, message: Mapping[str, Any]) -> Iterator[Part]:
        for key in _THOUGHTS:
            if message.get(key):
                yield from self._labelled("reasoning", message[key])

    def _content(self, content: Any) -> Iterator[Part]:
        if content is None or content == "":
            return
        if isinstance(content, str):
            yield Part(kind="text", text=self._budget.json_text(content))
        elif isinstance(content, list):
            shown = content if self._budget.is_whole else content[:_MOST_PARTS]
            for part in shown:
                yield from self._part(part)
            if len(shown) < len(content):
                self._budget.has_cut = True
        else:
            yield self._json(content)

    def _others(self, message: Mapping[str, Any]) -> Iterator[Part]:
        if message.get(_REFUSAL):
            yield from self._labelled(_REFUSAL, message[_REFUSAL])
        rest = {key: value for key, value in message.items() if key not in _KNOWN_KEYS and key not in _THOUGHTS}
        if rest := {key: value for key, value in rest.items() if value is not None}:
            yield Part(kind="json", label="also in this message", text=self._budget.json_value(rest))

    def _part(self, part: Any) -> Iterator[Part]:
        if isinstance(part, str):
            yield Part(kind="text", text=self._budget.text(part))
        elif not isinstance(part, Mapping):
            yield self._json(part)
        else:
            yield from self._typed_part(part, part.get("type"))

    def _typed_part(self, part: Mapping[str, Any], kind: Any) -> Iterator[Part]:
        text = part.get("text")
        if isinstance(text, str) and (kind is None or kind in _TEXT_PARTS) and not part.keys() - {"type", "text"}:
            yield Part(kind="text", text=self._budget.json_text(text))
            return
        for label in (_REFUSAL, "thinking", "reasoning"):
            if kind == label and isinstance(part.get(label) or text, str):
                yield from self._labelled(_REFUSAL if label == _REFUSAL else "reasoning", part.get(label) or text)
                return
        attachments = list(self._attachments(part))
        yield from attachments
        if not attachments or kind not in ("image_url", "input_image"):
            yield self._json(part, label=self._short(kind) or "part")

    def _attachments(self, part: Mapping[str, Any]) -> Iterator[Part]:
        for sha256 in dict.fromkeys(_references(part)):
            fact = self._blobs.get(sha256)
            if isinstance(fact, Mapping):
                yield Part(kind="attachment", attachment=self._attach(sha256, fact))

    def _call(self, call: Any) -> ToolCall:
        self._number += 1
        call = call if isinstance(call, Mapping) else {"function": call}
        function = call.get("function")
        known = function if isinstance(function, Mapping) else {"arguments": function}
        arguments = known.get("arguments")
        rest = {key: value for key, value in call.items() if key not in ("id", "function", "index")}
        rest |= {key: value for key, value in known.items() if key not in ("name", "arguments")}
        if rest.get("type") == "function":
            del rest["type"]
        found = ToolCall(
            number=self._number,
            id=self._short(call.get("id")),
            name=self._short(known.get("name")) or "(no name)",
            arguments=self._text(arguments),
            rest=self._budget.json_value(rest) if rest else None,
        )
        if isinstance(call.get("id"), str):
            self._calls[call["id"]] = found
        return found

    # --- Small things ------------------------------------------------------------------------------------------------

    def _labelled(self, kind: str, value: Any) -> list[Part]:
        return [Part(kind=kind, label=kind, text=self._text(value))]

    def _json(self, value: Any, label: str = "") -> Part:
        return Part(kind="json", label=label, text=self._budget.json_value(value))

    def _text(self, value: Any) -> Text:
        return self._budget.json_text(value) if isinstance(value, str) else self._budget.json_value(value)

    def _short(self, value: Any) -> str:
        """A name or an id: text as it is, "" for nothing, anything else as JSON."""
        if value is None or value == "":
            return ""
        text = self._budget.text(value) if isinstance(value, str) else self._budget.json_value(value)
        return text.shown


def _kind(role: Any) -> str:
    """Of a known role."""
    return {"developer": "system", "function": "tool"}.get(role) or str(role)


def _items(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _references(part: Any) -> Iterator[str]:
    """The hashes of the blobs that stand somewhere in the part, where the captured base64 was."""
    waiting, searched = [part], 0
    while waiting and searched < _MOST_SEARCHED:
        value = waiting.pop()
        searched += 1
        if isinstance(value, str) and value.startswith(REFERENCE):
            yield value.removeprefix(REFERENCE)
        elif isinstance(value, Mapping):
            waiting.extend(list(value.values())[:_MOST_SEARCHED])
        elif isinstance(value, list):
            waiting.extend(value[:_MOST_SEARCHED])
