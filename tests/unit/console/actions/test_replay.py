"""Pages: a recorded call, sent again."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from capture_app import call_llm, record_example
from capture_app.models import ExampleIndex
from capture_app.providers.base import Completion, CompletionRequest, Provider, StreamDelta
from capture_app.services import drain_captures
from console.actions import replaying
from console.models import AuditEvent

pytestmark = pytest.mark.django_db(transaction=True)

REPLAY = "console.replay_calls"
Make = Callable[..., list[str]]
Staff = Callable[..., Client]
HERE = "tests.unit.console.actions.test_replay"

asked: list[CompletionRequest] = []


class Other(Provider):
    """Answers by its options: a text, an error, or a call of a tool; or never."""

    def __init__(self, says: str = "Another answer", fails: bool = False, hangs: bool = False) -> None:
        self._says, self._fails, self._hangs = says, fails, hangs

    async def acomplete(self, request: CompletionRequest) -> Completion:
        asked.append(request)
        if self._hangs:
            await asyncio.sleep(600)
        if self._fails:
            raise ConnectionError("<b>the model is away</b>")
        calls = [{"id": "1", "type": "function", "function": {"name": "rm", "arguments": "{}"}}]
        return Completion(
            text=self._says,
            model=request.model,
            tool_calls=calls if request.tools else (),
            input_tokens=1234,
            output_tokens=7,
            finish_reason="stop",
        )

    def complete(self, request: CompletionRequest) -> Completion:
        raise NotImplementedError

    def stream(self, request: CompletionRequest) -> Iterator[StreamDelta]:
        raise NotImplementedError

    def astream(self, request: CompletionRequest) -> AsyncIterator[StreamDelta]:
        raise NotImplementedError


@pytest.fixture
def other(capture: Callable[..., None]) -> Callable[..., None]:
    """Configure another route, `new`, whose provider has these options."""

    def configure(**options: Any) -> None:
        asked.clear()
        providers = {
            "offline": {"BACKEND": "capture_app.providers.offline.OfflineProvider"},
            "other": {"BACKEND": f"{HERE}.Other", "OPTIONS": options},
        }
        capture(PROVIDERS=providers, ROUTES={"new": {"PROVIDER": "other", "MODEL": "new-model"}})

    configure()
    return configure


def url(example_id: str) -> str:
    return f"{reverse('admin:console_replay')}?id={example_id}"


def send(client: Client, example_id: str, **fields: str) -> str:
    return str(client.post(url(example_id), {"route": "alias:new", **fields}).content.decode())


def drained(**call: Any) -> str:
    call_llm(**call)
    drain_captures()
    return str(ExampleIndex.objects.latest("pk").pk)


@pytest.mark.usefixtures("other")
def test_the_same_messages_and_parameters_are_sent_over_the_other_route(staff: Staff) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is it?"}]
    example_id = drained(messages=messages, parameters={"temperature": 0.5}, training_metadata={})

    page = send(staff(REPLAY), example_id)

    [request] = asked
    assert (request.model, [*request.messages], dict(request.parameters)) == (
        "new-model",
        messages,
        {"temperature": 0.5},
    )
    assert "Another" in page
    assert "1,234" in page


@pytest.mark.usefixtures("other")
def test_the_answers_stand_side_by_side_with_what_differs_marked(staff: Staff, example_ids: Make) -> None:
    page = send(staff(REPLAY), example_ids(1)[0])

    assert "<del>" in page
    assert "<ins>" in page


@pytest.mark.usefixtures("other")
def test_looking_at_the_page_asks_nobody(staff: Staff, example_ids: Make) -> None:
    page = staff(REPLAY).get(url(example_ids(1)[0])).content.decode()

    assert asked == []
    assert "new: other, new-model" in page


@pytest.mark.usefixtures("other")
def test_nothing_is_captured_unless_it_is_asked_for(staff: Staff, example_ids: Make) -> None:
    send(staff(REPLAY), example_ids(1)[0])
    drain_captures()

    assert ExampleIndex.objects.count() == 1


@pytest.mark.usefixtures("other")
def test_a_captured_replay_belongs_to_the_same_user_and_conversation(staff: Staff, example_ids: Make) -> None:
    [example_id] = example_ids(1, user_id="u1", conversation_id="c1")

    send(staff(REPLAY), example_id, capture="on")
    drain_captures()

    new = ExampleIndex.objects.exclude(pk=example_id).get()
    assert (new.user_id, new.conversation_id, new.model_name, new.task) == ("u1", "c1", "new-model", "shop")


@pytest.mark.usefixtures("other")
def test_a_typed_model_is_asked_of_the_default_provider(staff: Staff, example_ids: Make) -> None:
    page = send(staff(REPLAY), example_ids(1)[0], model="offline-2")

    assert asked == []
    assert "offline-2" in page


def test_an_error_of_the_provider_is_shown_as_text(staff: Staff, example_ids: Make, other: Callable[..., None]) -> None:
    ids = example_ids(1)
    other(fails=True)

    page = send(staff(REPLAY), ids[0])

    assert "ConnectionError: &lt;b&gt;the model is away&lt;/b&gt;" in page


def test_a_provider_that_does_not_answer_is_given_up(
    staff: Staff, example_ids: Make, other: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = example_ids(1)
    other(hangs=True)
    monkeypatch.setattr(replaying, "SECONDS", 0.05)

    assert "No answer came within" in send(staff(REPLAY), ids[0])


def test_an_answer_is_shown_as_text(staff: Staff, example_ids: Make, other: Callable[..., None]) -> None:
    ids = example_ids(1)
    other(says="<img src=x onerror=alert(1)> \u202eevil")

    page = send(staff(REPLAY), ids[0])

    assert "<img" not in page
    assert "\u202e" not in page


@pytest.mark.usefixtures("other")
def test_tools_that_the_model_asks_for_are_shown_and_not_run(staff: Staff) -> None:
    tools = [{"type": "function", "function": {"name": "rm", "parameters": {}}}]
    example_id = drained(prompt="Tidy up", tools=tools, training_metadata={})

    page = send(staff(REPLAY), example_id)

    assert "none was run" in page
    assert [*asked[0].tools] == tools


@pytest.mark.usefixtures("other")
def test_parameters_for_the_http_client_are_not_sent(staff: Staff) -> None:
    parameters = {"extra_headers": {"Authorization": "x"}, "timeout": 9, "user": "u", "top_p": 1}
    record_example(provider="p", model="m", prompt="q", response="a", parameters=parameters)
    drain_captures()

    page = send(staff(REPLAY), ExampleIndex.objects.get().pk)

    assert dict(asked[0].parameters) == {"top_p": 1}
    assert "extra_headers" in page


@pytest.mark.usefixtures("other")
def test_a_call_that_cannot_be_sent_again_says_why(staff: Staff) -> None:
    record_example(provider="p", model="m", messages=[{"role": "alien", "content": "x"}], response="a")
    drain_captures()

    page = send(staff(REPLAY), ExampleIndex.objects.get().pk)

    assert "a message has a role that is unknown" in page
    assert asked == []


@pytest.mark.parametrize("example_id", ["nothing", "%00", "..%2F..", "%F0%9F%92%A9"])
def test_an_example_that_is_not_there_is_said(staff: Staff, example_id: str) -> None:
    answer = staff(REPLAY).get(url(example_id))

    assert answer.status_code == 404
    assert "No such example is known" in answer.content.decode()


@pytest.mark.usefixtures("other")
def test_it_is_noted_before_the_provider_is_asked(staff: Staff, example_ids: Make) -> None:
    [example_id] = example_ids(1)

    send(staff(REPLAY), example_id)

    event = AuditEvent.objects.get()
    assert (event.action, event.example, event.details) == ("replayed", example_id, {"captured": False})


def test_redaction_is_mentioned(staff: Staff, example_ids: Make, capture: Callable[..., None]) -> None:
    ids = example_ids(1)
    capture(REDACT="tests.unit.capture_app.redactors.clear")

    assert "was redacted" in staff(REPLAY).get(url(ids[0])).content.decode()


@pytest.mark.parametrize("route", ["alias:none", "", "task\x00"])
def test_a_route_that_is_not_there_is_refused(staff: Staff, example_ids: Make, route: str) -> None:
    page = send(staff(REPLAY), example_ids(1)[0], route=route)

    assert "errorlist" in page
    assert not AuditEvent.objects.exists()
