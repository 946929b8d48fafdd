"""`instrument(client)`: existing code keeps its OpenAI client, and its calls are recorded as those of call_llm are.

Both APIs, plain, streamed or parsed, go through the client's `request`, so that is the one place to stand. What it
gives back is given on, the very same object: of a stream only the iterator inside is replaced, by one that records.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from capture_app.calls import Call, begin_call, named_task
from capture_app.exceptions import CaptureConfigurationError, UnexpectedAnswer
from capture_app.metrics import count_capture_failure
from capture_app.openai_api import chat, responses
from capture_app.openai_api.facts import HTTPFacts, http_facts, retries_before
from capture_app.responses import AsyncRecordedStream, RecordedStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openai import AsyncOpenAI, OpenAI

Client = TypeVar("Client", bound="OpenAI | AsyncOpenAI")

# The path of a request -> the module that reads it.
_APIS: Final[Mapping[str, ModuleType]] = {"/chat/completions": chat, "/responses": responses}
_INSTRUMENTED: Final = "_gleaner_instrumented"
_RAW_HEADER: Final = "X-Stainless-Raw-Response"  # "stream": with_streaming_response, whose body nobody has read yet

# The request that was sent last, for the call on its way: its headers number the attempt.
_sent: ContextVar[list[Any] | None] = ContextVar("gleaner_sent_request", default=None)


class _Recording(NamedTuple):
    """A call on its way, and how to read what comes back."""

    call: Call
    api: ModuleType


def instrument(client: Client, *, provider: str | None = None) -> Client:
    """Record every chat completion and response that `client` is asked for from now on; gives the client back.

    Works on openai.OpenAI, AsyncOpenAI and their Azure kinds, and on what their `with_options` makes. Results are
    unchanged, types included, and so is what is sent. Task, conversation and user come from `capture_context`.
    `provider` is the name to record; without it, the client's host tells ("openai" for api.openai.com).

    Not recorded: responses in the background, those over a websocket, and bodies that the code reads by itself from
    `with_streaming_response`.

    Raises CaptureConfigurationError for what is no such client.
    """
    if getattr(client, _INSTRUMENTED, False):
        return client
    if isinstance(client, type) or not all(
        hasattr(client, name) for name in ("request", "with_options", "base_url", "_prepare_request")
    ):
        raise CaptureConfigurationError(
            f"instrument() takes a client of the openai SDK, openai.OpenAI or AsyncOpenAI, not {client!r}."
        )
    name = provider or _provider_name(client)
    wrap = _instrument_async if inspect.iscoroutinefunction(client.request) else _instrument_sync
    wrap(client, name)
    copying = _copying(client.copy, provider)
    _replace(client, copy=copying, with_options=copying, **{_INSTRUMENTED: True})
    return client


def _replace(client: Any, **attributes: Any) -> None:
    for name, value in attributes.items():
        setattr(client, name, value)


def _provider_name(client: Any) -> str:
    """OpenTelemetry's name where it has one, else the host."""
    host = str(client.base_url.host)
    if host == "api.openai.com":
        return "openai"
    return "azure.ai.openai" if host.endswith(".openai.azure.com") else host


def _copying(copy: Callable[..., Any], provider: str | None) -> Callable[..., Any]:
    @wraps(copy)
    def copying(*args: Any, **kwargs: Any) -> Any:
        return instrument(copy(*args, **kwargs), provider=provider)

    return copying


def _instrument_sync(client: Any, provider: str) -> None:
    request, prepare = client.request, client._prepare_request

    @wraps(request)
    def recording_request(cast_to: Any, options: Any, **kwargs: Any) -> Any:
        recording = _begin(options, provider)
        if recording is None:
            return request(cast_to, options, **kwargs)
        with _watched(recording.call) as sent:
            answer = request(cast_to, options, **kwargs)
        _record(recording, answer, sent)
        return answer

    @wraps(prepare)
    def noting_prepare(sent: Any) -> None:
        prepare(sent)
        _note(sent)

    _replace(client, request=recording_request, _prepare_request=noting_prepare)


def _instrument_async(client: Any, provider: str) -> None:
    request, prepare = client.request, client._prepare_request

    @wraps(request)
    async def recording_request(cast_to: Any, options: Any, **kwargs: Any) -> Any:
        recording = _begin(options, provider)
        if recording is None:
            return await request(cast_to, options, **kwargs)
        with _watched(recording.call) as sent:
            answer = await request(cast_to, options, **kwargs)
        _record(recording, answer, sent)
        return answer

    @wraps(prepare)
    async def noting_prepare(sent: Any) -> None:
        await prepare(sent)
        _note(sent)

    _replace(client, request=recording_request, _prepare_request=noting_prepare)


def _begin(options: Any, provider: str) -> _Recording | None:
    """None for a request that is no call, or cannot be read: it goes its way unrecorded."""
    api = _APIS.get(options.url) if options.method.lower() == "post" else None
    if api is None:
        return None
    try:
        body = {**(options.json_data or {}), **(options.extra_json or {})}
        call = begin_call(api.request_from(body), provider=provider, task=named_task(None), training_metadata={})
        return _Recording(call, api)
    except Exception as error:  # whatever the body holds, the call itself must be made
        count_capture_failure(error)
        return None


@contextmanager
def _watched(call: Call) -> "Iterator[list[Any]]":
    """Within it, attempts are noted in the list, and an error ends the call."""
    sent: list[Any] = []
    token = _sent.set(sent)
    try:
        with call.as_parent():
            yield sent
    except BaseException as error:
        call.fail(error)
        raise
    finally:
        _sent.reset(token)


def _note(request: Any) -> None:
    sent = _sent.get()
    if sent is not None:
        sent[:] = [request]


def _record(recording: _Recording, answer: Any, sent: list[Any]) -> None:
    """Record what came back, or see to it that it is recorded once it is there. Never raises."""
    try:
        if hasattr(answer, "_iterator"):
            _record_stream(recording, answer)
        elif isinstance(answer, str | bytes):  # a proxy's page, say, where an answer was expected
            raise UnexpectedAnswer("The provider answered with no JSON. There is no example.")
        elif not hasattr(answer, "http_response"):
            _record_answer(recording, answer, {"request_id": answer._request_id, "retries": retries_before(sent[-1])})
        elif answer.http_response.request.headers.get(_RAW_HEADER) == "stream":
            answer.parse = _recording_parse(answer.parse, recording, sent)
        else:  # with_raw_response: the caller will parse it again, and gets the same object
            _record_parsed(recording, answer.parse(), answer.http_response)
    except Exception as error:  # the caller has an answer, and must get it
        recording.call.fail(error)
        if not isinstance(error, UnexpectedAnswer):
            count_capture_failure(error)


def _record_parsed(recording: _Recording, parsed: Any, http_response: Any) -> None:
    if hasattr(parsed, "_iterator"):
        _record_stream(recording, parsed)
    else:
        _record_answer(recording, parsed, http_facts(http_response))


def _record_answer(recording: _Recording, answer: Any, facts: HTTPFacts) -> None:
    recording.call.finish(recording.api.completion_from(answer)._replace(**facts))


def _record_stream(recording: _Recording, stream: Any) -> None:
    to_delta = partial(recording.api.delta_from, **http_facts(stream.response))
    kind: Any = _AsyncSDKStream if hasattr(stream._iterator, "__anext__") else _SDKStream
    stream._iterator = kind(stream._iterator, to_delta, recording.call.finish_stream, recording.call.fail)
    stream._iterator.end_with(stream.response)


def _recording_parse(parse: Callable[..., Any], recording: _Recording, sent: list[Any]) -> Callable[..., Any]:
    """The `parse` of with_streaming_response: only there does the body come."""

    def record(parsed: Any) -> None:
        if recording.call.is_open:
            _record(recording, parsed, sent)

    async def record_awaited(awaited: Awaitable[Any]) -> Any:
        parsed = await awaited
        record(parsed)
        return parsed

    @wraps(parse)
    def recording_parse(*args: Any, **kwargs: Any) -> Any:
        parsed = parse(*args, **kwargs)
        if asyncio.iscoroutine(parsed):
            return record_awaited(parsed)
        record(parsed)
        return parsed

    return recording_parse


class _SDKStream(RecordedStream[Any]):
    """The iterator inside the SDK's Stream. Its helpers close the HTTP response rather than the stream."""

    _pulling = False

    def __next__(self) -> Any:
        if self._closed:
            return next(self._items)  # what came before the closing can still be read, as without us
        self._pulling = True
        try:
            return super().__next__()
        finally:
            self._pulling = False

    def end_with(self, response: Any) -> None:
        """Whoever closes the response has had enough; the SDK's own closing, while it is read, is none of that."""
        close = response.close

        @wraps(close)
        def closing() -> None:
            if not self._pulling:
                self._end()
            close()

        response.close = closing


class _AsyncSDKStream(AsyncRecordedStream[Any]):
    """As _SDKStream."""

    _pulling = False

    async def __anext__(self) -> Any:
        if self._closed:
            return await anext(self._items)
        self._pulling = True
        try:
            return await super().__anext__()
        finally:
            self._pulling = False

    def end_with(self, response: Any) -> None:
        close = response.aclose

        @wraps(close)
        async def closing() -> None:
            if not self._pulling:
                self._end()
            await close()

        response.aclose = closing
