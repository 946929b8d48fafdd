"""What a run writes down of itself: bounded, storable, and its own."""

import logging
import threading

import pytest

from training_archive.run_log import LOG_CHARACTERS, RunLog, Steps

logger = logging.getLogger("training_archive")


@pytest.fixture(autouse=True)
def at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def test_what_the_services_log_is_taken_down_with_the_time() -> None:
    log = RunLog()

    with log.listening():
        logger.info("Archived %s.", "3 examples")
        logger.warning("Something is odd.")

    first, second = log.text().splitlines()
    assert first[4] == "-"
    assert first.endswith("  Archived 3 examples.")
    assert second.endswith("  WARNING: Something is odd.")


def test_nothing_is_taken_down_before_or_after() -> None:
    log = RunLog()
    logger.info("before")
    with log.listening():
        pass
    logger.info("after")

    assert log.text() == ""


def test_another_thread_has_its_own_log() -> None:
    log = RunLog()

    with log.listening():
        thread = threading.Thread(target=logger.info, args=("from elsewhere",))
        thread.start()
        thread.join()

    assert log.text() == ""


def test_a_traceback_is_left_out_for_it_may_quote_an_example() -> None:
    log = RunLog()

    with log.listening():
        try:
            raise ValueError("the words of an example")
        except ValueError:
            logger.exception("It could not be shipped.")

    assert "could not be shipped" in log.text()
    assert "words of an example" not in log.text()


def test_a_record_whose_values_do_not_fit_is_taken_as_it_is() -> None:
    log = RunLog()
    record = logger.makeRecord("training_archive", logging.INFO, "", 0, "%d of %d", ("x",), None)

    with log.listening():
        assert logger.filter(record)

    assert "%d of %d" in log.text()


def test_a_long_log_keeps_its_beginning_and_its_end() -> None:
    log = RunLog()
    for number in range(5_000):
        log.add(f"line {number}")

    text = log.text()
    assert len(text) <= LOG_CHARACTERS
    assert "line 0\n" in text
    assert "line 4999\n" in text
    assert "lines are left out here" in text


def test_a_long_line_is_cut() -> None:
    log = RunLog()
    log.add("x" * 1_000_000)

    assert len(log.text()) < 1_100


def test_what_no_database_stores_is_spelt_out() -> None:
    log = RunLog()
    log.add("odd \udcff name\0\nsecond line")

    assert log.text().endswith("  odd \\udcff name\\x00 second line\n")


def test_steps_are_counted_in_the_order_of_their_first_time() -> None:
    steps = Steps()
    news = [steps.begin(step) for step in ("draining", "draining", "compacting", "draining")]
    steps.end()

    assert news == [True, False, True, True]
    assert [(fact["step"], fact["times"]) for fact in steps.facts()] == [("draining", 2), ("compacting", 1)]


def test_steps_beyond_the_first_hundred_are_not_kept() -> None:
    steps = Steps()
    for number in range(1_000):
        steps.begin(f"reading {number}")
    steps.end()

    assert len(steps.facts()) == 100
