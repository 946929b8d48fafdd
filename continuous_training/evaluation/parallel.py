"""Some things at a time, in threads: models are waited for, not computed with."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from django.db import connections

from capture_app.exceptions import CaptureError

Input = TypeVar("Input")
Output = TypeVar("Output")


def at_once(
    work: Callable[[Input], Output], inputs: Iterable[Input], *, workers: int
) -> Iterator[tuple[Input, Output]]:
    """Each input with what the work made of it, as they get done. No more inputs are taken than are worked on.

    A CaptureError of the inputs themselves, a spent budget for one, is raised when what was begun is done. The inputs
    are taken, and the results given, in the caller's thread: only the work is elsewhere.
    """
    if workers == 1:
        yield from ((each, work(each)) for each in inputs)
        return
    remaining, problem = iter(inputs), list[CaptureError]()
    running: dict[Future[Output], Input] = {}
    with ThreadPoolExecutor(workers, thread_name_prefix="evaluation") as pool:
        while True:
            for each in _some(remaining, workers - len(running), problem):
                running[pool.submit(_alone, work, each)] = each
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
    for error in problem:
        raise error


def _some(remaining: Iterator[Input], count: int, problem: list[CaptureError]) -> Iterator[Input]:
    """The next inputs; none any more once there is a problem."""
    try:
        while count > 0 and not problem:
            yield next(remaining)
            count -= 1
    except StopIteration:
        return
    except CaptureError as error:
        problem.append(error)


def _alone(work: Callable[[Input], Output], each: Input) -> Output:
    """A thread has database connections of its own, and nobody else would close them."""
    try:
        return work(each)
    finally:
        connections.close_all()
