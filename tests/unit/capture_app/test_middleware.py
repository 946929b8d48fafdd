"""The middleware: where a call came from and for whom, under WSGI and ASGI, and while a response is sent."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import path

from capture_app import acall_llm, call_llm, capture_context, log_once, middleware, pseudonym
from capture_app.context import current_context
from tests.unit.capture_app.captured import only_record, waiting_records

MIDDLEWARE = ["capture_app.middleware.CaptureContextMiddleware"]
PROMPT = "What is the price?"


def ask(request: HttpRequest) -> HttpResponse:
    call_llm(PROMPT, training_metadata={})
    return HttpResponse("done")


async def ask_async(request: HttpRequest) -> HttpResponse:
    await acall_llm(PROMPT, training_metadata={})
    return HttpResponse("done")


async def ask_in_a_thread(request: HttpRequest) -> HttpResponse:
    await asyncio.to_thread(call_llm, PROMPT, training_metadata={})
    return HttpResponse("done")


def ask_in_a_task_of_its_own(request: HttpRequest) -> HttpResponse:
    with capture_context(task="inner"):
        call_llm(PROMPT, training_metadata={"path": "/own"})
    return HttpResponse("done")


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def parts() -> Iterator[str]:
        for number in range(2):
            call_llm(f"Question {number}", training_metadata={})
            yield f"{number} "

    return StreamingHttpResponse(parts())


async def stream_async(request: HttpRequest) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[str]:
        for number in range(2):
            await acall_llm(f"Question {number}", training_metadata={})
            yield f"{number} "

    return StreamingHttpResponse(parts())


def stream_a_task(request: HttpRequest) -> StreamingHttpResponse:
    def parts() -> Iterator[str]:
        with capture_context(task="inner"):
            for number in range(2):
                call_llm(f"Question {number}", training_metadata={})
                yield f"{number} "

    return StreamingHttpResponse(parts())


async def stream_a_task_async(request: HttpRequest) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[str]:
        with capture_context(task="inner"):
            for number in range(2):
                await acall_llm(f"Question {number}", training_metadata={})
                yield f"{number} "

    return StreamingHttpResponse(parts())


async def stream_with_a_timeout(request: HttpRequest) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[str]:
        async with asyncio.timeout(0.1):
            yield "0 "
            await asyncio.Event().wait()

    return StreamingHttpResponse(parts())


async def stream_with_a_task_group(request: HttpRequest) -> StreamingHttpResponse:
    async def fail() -> None:
        raise ZeroDivisionError

    async def parts() -> AsyncIterator[str]:
        async with asyncio.TaskGroup() as tasks:
            yield "0 "
            tasks.create_task(fail())
            await asyncio.Event().wait()

    return StreamingHttpResponse(parts())


async def stream_with_a_cancel_scope(request: HttpRequest) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[str]:
        with anyio.CancelScope():
            yield "0 "
            yield "1 "

    return StreamingHttpResponse(parts())


def stream_and_fail(request: HttpRequest) -> StreamingHttpResponse:
    def parts() -> Iterator[str]:
        yield "0 "
        raise ZeroDivisionError

    return StreamingHttpResponse(parts())


closed: list[str] = []


def stream_endlessly(request: HttpRequest) -> StreamingHttpResponse:
    def parts() -> Iterator[str]:
        try:
            while True:
                yield "x"
        finally:
            closed.append("closed")

    return StreamingHttpResponse(parts())


def send_file(request: HttpRequest) -> FileResponse:
    return FileResponse(Path(__file__).open("rb"), as_attachment=True)


def fail(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError


VIEWS: list[Any] = [
    ask,
    ask_async,
    ask_in_a_thread,
    ask_in_a_task_of_its_own,
    stream,
    stream_async,
    stream_a_task,
    stream_a_task_async,
    stream_and_fail,
    stream_with_a_timeout,
    stream_with_a_task_group,
    stream_with_a_cancel_scope,
    stream_endlessly,
    send_file,
    fail,
]
urlpatterns = [path(f"{view.__name__}/", view) for view in VIEWS]


# --- Functions for USER_ID ---------------------------------------------------------------------------------------


def user_of_header(request: HttpRequest) -> str | None:
    return request.headers.get("x-user")


def number_of_user(request: HttpRequest) -> int:
    return 42


def failing_user(request: HttpRequest) -> str:
    raise RuntimeError(f"no session for {request.headers['x-user']}")


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no database")


def unprintable_user(request: HttpRequest) -> Any:
    return Unprintable()


async def awaited_user(request: HttpRequest) -> str:
    return "42"


@pytest.fixture(autouse=True)
def project(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = MIDDLEWARE
    log_once._log.cache_clear()


@pytest.fixture
def user_id(capture: Callable[..., None]) -> Callable[..., None]:
    def configure(function: Callable[..., Any]) -> None:
        capture(USER_ID=f"{function.__module__}.{function.__name__}")

    return configure


def metadata() -> list[dict[str, Any]]:
    return [record["metadata"] for record in waiting_records()]


def users() -> list[Any]:
    return [found["gleaner"].get("user_id") for found in metadata()]


# --- The path ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", [ask, ask_async, ask_in_a_thread])
def test_the_path_is_recorded_without_the_query(view: Callable[..., Any]) -> None:
    Client().get(f"/{view.__name__}/?email=ann@example.org#top")

    assert metadata()[0]["path"] == f"/{view.__name__}/"
    assert "ann@" not in str(only_record())


@pytest.mark.parametrize("view", [ask, ask_async, ask_in_a_thread])
async def test_the_path_is_recorded_under_asgi(view: Callable[..., Any]) -> None:
    await AsyncClient().get(f"/{view.__name__}/?email=ann@example.org")

    assert metadata()[0]["path"] == f"/{view.__name__}/"


def test_an_inner_context_and_the_call_win() -> None:
    Client().get("/ask_in_a_task_of_its_own/")

    assert (only_record()["task"], metadata()[0]["path"]) == ("inner", "/own")


def test_nothing_leaks_to_the_next_request_nor_beyond(user_id: Callable[..., None]) -> None:
    user_id(user_of_header)
    client = Client()
    client.get("/ask/", headers={"x-user": "1"})
    client.get("/ask/")
    with pytest.raises(ZeroDivisionError):
        client.get("/fail/", headers={"x-user": "3"})

    call_llm(PROMPT, training_metadata={})

    assert users() == ["1", None, None]
    assert current_context() == {}


async def test_requests_at_once_keep_to_themselves(user_id: Callable[..., None]) -> None:
    user_id(user_of_header)
    client = AsyncClient()

    await asyncio.gather(*(client.get("/ask_async/", headers={"x-user": str(number)}) for number in range(10)))

    assert sorted(users()) == sorted(str(number) for number in range(10))


# --- Streaming responses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", [stream, stream_a_task])
def test_a_response_that_is_made_while_it_is_sent_has_the_context(view: Callable[..., Any]) -> None:
    response: Any = Client().get(f"/{view.__name__}/")
    assert waiting_records() == []

    assert b"".join(response.streaming_content) == b"0 1 "
    assert [found["path"] for found in metadata()] == [f"/{view.__name__}/"] * 2
    assert current_context() == {}


@pytest.mark.parametrize("view", [stream_async, stream_a_task_async])
async def test_an_async_response_that_is_made_while_it_is_sent_has_the_context(view: Callable[..., Any]) -> None:
    response: Any = await AsyncClient().get(f"/{view.__name__}/")

    assert b"".join([part async for part in response.streaming_content]) == b"0 1 "
    assert [found["path"] for found in metadata()] == [f"/{view.__name__}/"] * 2
    assert current_context() == {}


def test_a_context_within_the_response_stays_for_all_of_it() -> None:
    response: Any = Client().get("/stream_a_task/")
    list(response.streaming_content)

    assert [record["task"] for record in waiting_records()] == ["inner", "inner"]


async def test_a_context_within_an_async_response_stays_for_all_of_it() -> None:
    response: Any = await AsyncClient().get("/stream_a_task_async/")
    _ = [part async for part in response.streaming_content]

    assert [record["task"] for record in waiting_records()] == ["inner", "inner"]


async def test_a_sync_iterator_under_asgi_has_the_context() -> None:
    response: Any = await AsyncClient().get("/stream/")

    with pytest.warns(Warning, match="synchronous iterators"):
        parts = [part async for part in response]

    assert parts == [b"0 ", b"1 "]
    assert [found["path"] for found in metadata()] == ["/stream/"] * 2


async def test_an_async_iterator_under_wsgi_has_the_context() -> None:
    response: Any = await asyncio.to_thread(Client().get, "/stream_async/")

    with pytest.warns(Warning, match="asynchronous iterators"):
        parts = await asyncio.to_thread(list, response)

    assert parts == [b"0 ", b"1 "]
    assert [found["path"] for found in metadata()] == ["/stream_async/"] * 2


def test_streams_that_are_read_in_turns_keep_their_own_users(user_id: Callable[..., None]) -> None:
    user_id(user_of_header)
    client = Client()
    first: Any = client.get("/stream/", headers={"x-user": "1"})
    second: Any = client.get("/stream/", headers={"x-user": "2"})

    for one, two in zip(first.streaming_content, second.streaming_content, strict=True):
        assert one == two

    assert users() == ["1", "2", "1", "2"]


def test_an_error_while_a_response_is_sent_is_raised_as_it_is() -> None:
    response: Any = Client().get("/stream_and_fail/")

    with pytest.raises(ZeroDivisionError):
        list(response.streaming_content)
    assert current_context() == {}


async def read(view: Callable[..., Any]) -> list[bytes]:
    response: Any = await AsyncClient().get(f"/{view.__name__}/")
    async with asyncio.timeout(5):
        return [part async for part in response.streaming_content]


async def test_a_timeout_within_an_async_response_still_ends_it() -> None:
    started = asyncio.get_running_loop().time()

    with pytest.raises(TimeoutError):
        await read(stream_with_a_timeout)

    assert asyncio.get_running_loop().time() - started < 3  # its own, not that of this test


async def test_a_task_group_within_an_async_response_still_ends_it() -> None:
    with pytest.raises(ExceptionGroup):
        await read(stream_with_a_task_group)


async def test_a_cancel_scope_within_an_async_response_is_left_where_it_was_entered() -> None:
    assert await read(stream_with_a_cancel_scope) == [b"0 ", b"1 "]


@pytest.mark.django_db  # closing a response closes old connections
def test_closing_a_response_closes_what_makes_it() -> None:
    closed.clear()
    response: Any = Client().get("/stream_endlessly/")
    next(iter(response))
    response.close()

    assert closed == ["closed"]


@pytest.mark.django_db  # closing a response closes old connections
def test_a_file_is_sent_as_without_it() -> None:
    request = RequestFactory().get("/send_file/")
    bare: Any = send_file(request)
    response: Any = middleware.CaptureContextMiddleware(send_file)(request)

    assert response.headers == bare.headers
    assert bare.file_to_stream is not None
    assert type(response.file_to_stream) is type(bare.file_to_stream)  # a server may send it by itself
    assert b"".join(response.streaming_content) == b"".join(bare.streaming_content)
    response.close()
    bare.close()


# --- Users -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", [ask, ask_async])
async def test_the_user_is_whom_the_function_names(user_id: Callable[..., None], view: Callable[..., Any]) -> None:
    user_id(user_of_header)

    await asyncio.to_thread(Client().get, f"/{view.__name__}/", headers={"x-user": "7"})
    await AsyncClient().get(f"/{view.__name__}/", headers={"x-user": "8"})
    await AsyncClient().get(f"/{view.__name__}/")

    assert users() == ["7", "8", None]


def test_a_users_id_is_a_text(user_id: Callable[..., None]) -> None:
    user_id(number_of_user)

    Client().get("/ask/")

    assert users() == ["42"]


@pytest.mark.parametrize("function", [failing_user, unprintable_user])
def test_a_function_that_fails_breaks_no_page_and_is_said_once(
    user_id: Callable[..., None], caplog: pytest.LogCaptureFixture, function: Callable[..., Any]
) -> None:
    user_id(function)

    for _ in range(3):
        assert Client().get("/ask/", headers={"x-user": "ann@example.org"}).content == b"done"

    assert [(found["path"], found["gleaner"].get("user_id")) for found in metadata()] == [("/ask/", None)] * 3
    assert [entry.levelno for entry in caplog.records if entry.name == "capture_app"] == [logging.ERROR]
    assert "ann@" not in caplog.text


async def test_a_function_that_fails_breaks_no_async_page(user_id: Callable[..., None]) -> None:
    user_id(failing_user)

    assert (await AsyncClient().get("/ask_async/", headers={"x-user": "1"})).content == b"done"


def test_a_function_that_is_nowhere_breaks_no_page(capture: Callable[..., None]) -> None:
    capture(USER_ID="no.such.function")

    assert Client().get("/ask/").content == b"done"
    assert users() == [None]


@pytest.mark.filterwarnings("ignore:coroutine")
def test_a_function_that_must_be_awaited_names_nobody(user_id: Callable[..., None]) -> None:
    user_id(awaited_user)

    Client().get("/ask/")

    assert users() in ([None], ["42"])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("function", "expected"), [(middleware.user_pk, str), (middleware.pseudonymous_user, pseudonym)]
)
def test_who_is_logged_in_is_named(
    user_id: Callable[..., None], settings: Any, django_user_model: Any, function: Any, expected: Callable[..., str]
) -> None:
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        *MIDDLEWARE,
    ]
    user_id(function)
    ann = django_user_model.objects.create_user("ann")
    client = Client()

    client.get("/ask/")
    client.force_login(ann)
    client.get("/ask/")

    assert users() == [None, expected(ann.pk)]


def test_without_authentication_nobody_is_logged_in(user_id: Callable[..., None]) -> None:
    user_id(middleware.user_pk)

    Client().get("/ask/")

    assert users() == [None]


def test_wrong_settings_break_no_page(settings: Any) -> None:
    settings.TRAINING_CAPTURE = {**settings.TRAINING_CAPTURE, "DATA_DIRR": 1}
    request = RequestFactory().get("/")

    response: Any = middleware.CaptureContextMiddleware(lambda request: HttpResponse(b"done"))(request)

    assert response.content == b"done"
