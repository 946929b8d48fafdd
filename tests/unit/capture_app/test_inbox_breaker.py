"""The breaker: a server that failed is left alone, and found again by one caller for all."""

import pytest

from capture_app.inbox import breaker as breakers
from capture_app.inbox.breaker import FIRST_WAIT, LONGEST_WAIT, Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(breakers, "time", clock)
    return clock


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker()


def test_it_allows_every_try_while_all_is_well(breaker: Breaker) -> None:
    assert all(breaker.allows() for _ in range(3))
    assert not breaker.succeeded()


def test_after_a_failure_it_allows_none_for_a_while(breaker: Breaker, clock: Clock) -> None:
    breaker.failed()
    clock.now += FIRST_WAIT - 0.01

    assert not breaker.allows()


def test_when_the_wait_is_over_it_allows_one_try(breaker: Breaker, clock: Clock) -> None:
    breaker.failed()
    clock.now += FIRST_WAIT

    assert [breaker.allows() for _ in range(3)] == [True, False, False]


def test_each_wait_is_twice_the_one_before_up_to_the_longest(breaker: Breaker, clock: Clock) -> None:
    breaker.failed()
    began = clock.now
    tries = []
    for _ in range(2000):
        clock.now += 0.1
        if breaker.allows():
            breaker.failed()
            tries.append(clock.now)
    waits = [round(later - earlier) for earlier, later in zip([began, *tries], tries, strict=False)]

    assert waits[:6] == [1, 2, 4, 8, 16, LONGEST_WAIT]
    assert set(waits[5:]) == {LONGEST_WAIT}


def test_a_success_ends_the_waiting(breaker: Breaker, clock: Clock) -> None:
    breaker.failed()
    clock.now += FIRST_WAIT
    assert breaker.allows()

    assert breaker.succeeded()
    assert breaker.allows()
    breaker.failed()
    clock.now += FIRST_WAIT
    assert breaker.allows()


def test_failures_at_the_same_time_count_once(breaker: Breaker, clock: Clock) -> None:
    assert [breaker.failed() for _ in range(8)] == [True] + [False] * 7
    clock.now += FIRST_WAIT

    assert breaker.allows()


def test_who_asks_while_another_is_asking_does_not_wait(breaker: Breaker, clock: Clock) -> None:
    breaker.failed()
    clock.now += FIRST_WAIT
    with breaker._claim:
        assert not breaker.allows()
