"""capture_context: what it fills in, who wins, and where it follows to."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import pytest

from capture_app import acall_llm, call_llm, capture_context, context, record_example
from capture_app.context import current_context
from tests.unit.capture_app.captured import only_record, waiting_records


def here() -> dict[str, Any]:
    return dict(current_context())


# --- What it fills in --------------------------------------------------------------------------------------------


def test_the_context_fills_in_what_the_call_does_not_say() -> None:
    with capture_context(task="shop", conversation_id="c-1", user_id="42", page=7):
        call_llm("What is the price?", training_metadata={})

    record = only_record()
    assert record["task"] == "shop"
    assert record["metadata"]["page"] == 7
    kept = record["metadata"]["gleaner"]
    assert (kept["conversation_id"], kept["user_id"]) == ("c-1", "42")


def test_nothing_is_captured_because_of_a_context() -> None:
    with capture_context(task="shop"):
        assert call_llm("What is the price?").example_id is None

    assert waiting_records() == []


def test_the_call_wins_over_its_metadata_and_that_over_the_contexts() -> None:
    with capture_context(task="outer", user_id="1", page=1, shop="eu"), capture_context(task="inner", page=2):
        call_llm("Question 1", training_metadata={})
        call_llm("Question 2", training_metadata={"task": "metadata", "user_id": "2", "page": 3})
        call_llm("Question 3", task="argument", training_metadata={"task": "metadata"})

    records = waiting_records()
    assert [record["task"] for record in records] == ["inner", "metadata", "argument"]
    assert [record["metadata"]["page"] for record in records] == [2, 3, 2]
    assert [record["metadata"]["gleaner"]["user_id"] for record in records] == ["1", "2", "1"]
    assert [record["metadata"]["shop"] for record in records] == ["eu"] * 3


def test_an_inner_context_ends_where_it_ends() -> None:
    with capture_context(task="outer"):
        with capture_context(task="inner", page=2):
            pass
        assert here() == {"task": "outer"}

    assert here() == {}


def test_a_context_ends_with_an_exception_too() -> None:
    with pytest.raises(ZeroDivisionError), capture_context(task="shop"):
        _ = 1 / 0

    assert here() == {}


def test_the_task_of_the_context_finds_its_route(capture: Any) -> None:
    capture(ROUTES={"shop": {"PROVIDER": "offline", "MODEL": "tuned"}})

    with capture_context(task="shop"):
        assert call_llm("What is the price?").model == "tuned"


def test_a_context_is_recorded_by_record_example_too() -> None:
    with capture_context(task="shop", page=7):
        record_example(provider="anthropic", model="claude", prompt="What is the price?")

    assert (only_record()["task"], only_record()["metadata"]["page"]) == ("shop", 7)


def test_slot_specs_may_stand_in_the_context() -> None:
    with capture_context(slot_specs={"price": "exact"}):
        call_llm("What is the price?", training_metadata={})

    assert only_record()["slot_specs"] == {"price": "exact"}


def test_odd_values_in_a_context_are_kept_as_far_as_json_goes() -> None:
    with capture_context(task=7, user_id=7, page={1}, gleaner={"theirs": 1}):  # type: ignore[arg-type]  # as careless callers do
        response = call_llm("What is the price?", training_metadata={})

    assert response.example_id == only_record()["id"]
    assert only_record()["task"] == "7"


def test_it_serves_as_a_decorator() -> None:
    @capture_context(task="shop")
    def ask() -> dict[str, Any]:
        return here()

    assert [ask(), ask()] == [{"task": "shop"}] * 2


# --- Streams and generators --------------------------------------------------------------------------------------


def test_a_stream_that_ends_outside_of_its_context_keeps_it() -> None:
    with capture_context(task="shop"):
        stream = call_llm("What is the price?", stream=True, training_metadata={})
    with capture_context(task="other"):
        list(stream)

    assert only_record()["task"] == "shop"


async def test_an_async_stream_that_ends_outside_of_its_context_keeps_it() -> None:
    with capture_context(task="shop"):
        stream = await acall_llm("What is the price?", stream=True, training_metadata={})
    _ = [delta async for delta in stream]

    assert only_record()["task"] == "shop"


def numbers() -> Iterator[dict[str, Any]]:
    with capture_context(task="shop"):
        yield here()
        yield here()


def test_a_context_in_a_generator_ends_with_it() -> None:
    found = list(numbers())

    assert found == [{"task": "shop"}] * 2
    assert here() == {}


def test_a_generator_that_is_read_in_other_contexts_is_not_broken() -> None:
    """As frameworks do, that take each part in a thread of a pool."""
    parts = numbers()

    first = contextvars.copy_context().run(next, parts)
    rest = contextvars.copy_context().run(list, parts)

    assert (first, len(rest)) == ({"task": "shop"}, 1)
    assert here() == {}


async def test_an_async_generator_that_is_closed_in_another_task_is_not_broken() -> None:
    """As an event loop does with those that were dropped."""

    async def parts() -> AsyncIterator[dict[str, Any]]:
        with capture_context(task="shop"):
            yield here()
            yield here()

    generator = parts()
    await asyncio.create_task(anext(generator))  # type: ignore[arg-type]  # an awaitable will do
    await asyncio.create_task(generator.aclose())  # type: ignore[attr-defined]  # a generator in fact

    assert here() == {}


# --- Tasks -------------------------------------------------------------------------------------------------------


async def test_each_task_has_the_context_it_entered() -> None:
    async def ask(number: int) -> None:
        with capture_context(task=f"task {number}"):
            await asyncio.sleep(0.001 * (5 - number))
            await acall_llm(f"Question {number}", training_metadata={})

    await asyncio.gather(*(ask(number) for number in range(5)))

    found = {record["prompt_text"]: record["task"] for record in waiting_records()}
    assert found == {f"Question {number}": f"task {number}" for number in range(5)}
    assert here() == {}


async def test_the_context_follows_into_tasks_threads_and_executors() -> None:
    async def ahere() -> dict[str, Any]:
        return here()

    loop = asyncio.get_running_loop()
    with capture_context(task="shop"):
        found = [
            await asyncio.create_task(ahere()),
            await asyncio.to_thread(here),
            await loop.run_in_executor(None, here),
        ]

    assert found == [{"task": "shop"}] * 3
    assert await loop.run_in_executor(None, here) == {}


# --- Threads -----------------------------------------------------------------------------------------------------


def found_by(start: Any) -> dict[str, Any]:
    """What a thread finds that `start` makes of a function."""
    found: list[dict[str, Any]] = []
    thread = start(lambda: found.append(here()))
    thread.start()
    thread.join()
    [only] = found
    return only


class OwnThread(threading.Thread):
    """Has a run of its own."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def run(self) -> None:
        self.function()


class OwnStart(OwnThread):
    """And a start of its own."""

    def start(self) -> None:
        super().start()


STARTS = [
    lambda function: threading.Thread(target=function),
    lambda function: threading.Timer(0, function),
    OwnThread,
    OwnStart,
]


@pytest.mark.parametrize("start", STARTS, ids=["Thread", "Timer", "a run of its own", "a start of its own"])
def test_the_context_follows_into_a_thread(start: Any) -> None:
    with capture_context(task="shop"):
        assert found_by(start) == {"task": "shop"}


def test_a_thread_that_was_made_before_has_the_context_in_which_it_starts() -> None:
    found: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: found.append(here()))

    with capture_context(task="shop"):
        thread.start()
    thread.join()

    assert found == [{"task": "shop"}]


def test_a_thread_that_outlives_the_context_keeps_it() -> None:
    found: list[dict[str, Any]] = []
    ended = threading.Event()

    def wait() -> None:
        ended.wait()
        found.append(here())

    with capture_context(task="shop"):
        thread = threading.Thread(target=wait)
        thread.start()
    ended.set()
    thread.join()

    assert found == [{"task": "shop"}]


def test_a_thread_starts_a_thread() -> None:
    with capture_context(task="shop"):
        inner: list[dict[str, Any]] = []
        thread = threading.Thread(target=lambda: inner.append(found_by(OwnThread)))
        thread.start()
        thread.join()

    assert inner == [{"task": "shop"}]


def test_a_thread_outside_of_any_context_has_none() -> None:
    with capture_context(task="shop"):
        pass

    assert found_by(lambda function: threading.Thread(target=function)) == {}


def test_a_thread_that_ended_leaves_no_cycle_behind() -> None:
    import gc
    import weakref

    gc.collect()
    gc.disable()
    try:
        with capture_context(task="shop"):
            thread = threading.Thread(target=here)
            thread.start()
        thread.join()
        gone = weakref.ref(thread)
        del thread
        assert gone() is None
    finally:
        gc.enable()


def test_work_for_a_pool_has_the_context_in_which_it_was_handed_over() -> None:
    with ThreadPoolExecutor(1) as pool:
        with capture_context(task="shop"):
            assert pool.submit(here).result() == {"task": "shop"}
            assert list(pool.map(lambda _: here(), range(2))) == [{"task": "shop"}] * 2
        assert pool.submit(here).result() == {}
        with capture_context(task="other"):
            assert pool.submit(here).result() == {"task": "other"}
        assert pool.submit(here).result() == {}


def test_work_that_fails_leaves_its_context_behind() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with ThreadPoolExecutor(1) as pool:
        with capture_context(task="shop"), pytest.raises(ZeroDivisionError):
            pool.submit(fail).result()
        assert pool.submit(here).result() == {}


def test_arguments_of_submitted_work_are_passed_on() -> None:
    def work(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    with ThreadPoolExecutor(1) as pool, capture_context(task="shop"):
        assert pool.submit(work, 1, fn=2, pool=3, function=4, self=5).result() == (
            (1,),
            {"fn": 2, "pool": 3, "function": 4, "self": 5},
        )


def test_a_process_pool_works_within_a_context() -> None:
    import multiprocessing

    with (
        capture_context(task="shop"),
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool,
    ):
        assert pool.submit(abs, -1).result() == 1


def test_others_may_wrap_a_threads_run_as_a_method() -> None:
    """As Sentry's SDK does: it takes the function out of the method, and calls it with the thread."""
    found: list[object] = []

    def wrapping_start(thread: threading.Thread) -> None:
        function: Any = getattr(thread.run, "__func__", thread.run)
        function(thread)

    with capture_context(task="shop"):
        context._carrying_start(wrapping_start)(threading.Thread(target=lambda: found.append(here())))

    assert found == [{"task": "shop"}]
