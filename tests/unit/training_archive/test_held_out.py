"""Telling whether a prompt asks what is held out."""

import pytest
from hypothesis import given
from hypothesis import settings as property_settings
from hypothesis import strategies as st

from training_archive import held_out
from training_archive.held_out import HeldOutIndex, HeldOutPrompt, held_out_index, held_out_prompts, register_held_out

LONG = (
    "Our parcel left Hamburg on Monday with twelve crates of green apples and three boxes of honey, but the driver "
    "brought it to the wrong door, and half of the honey was gone when we opened it the next morning in the shop."
)
TEMPLATE = (
    "Read the page below, find what it sells, and answer with one JSON object that has the keys title, price and "
    "currency, in this order, with null for whatever the page does not say. Do not explain yourself. The page: "
)


def index(*texts: str, task: str = "shop") -> HeldOutIndex:
    return HeldOutIndex(HeldOutPrompt(task, text) for text in texts)


few = property_settings(max_examples=30, deadline=None)


@few
@given(st.lists(st.text(min_size=1, max_size=80), max_size=8))
def test_every_prompt_asks_itself(texts: list[str]) -> None:
    found = index(*texts)

    assert all(found.holds(text) for text in texts if text.strip())


@few
@given(st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f"]), min_size=13, max_size=40), st.data())
def test_what_repeats_all_of_a_long_prompt_asks_it(known: list[str], data: st.DataObject) -> None:
    around = [" ".join(data.draw(st.lists(st.sampled_from("xyz"), max_size=10))) for _ in range(2)]

    assert index(" ".join(known)).holds(f"{around[0]} {' '.join(known)} {around[1]}")


def test_case_spacing_and_punctuation_do_not_count() -> None:
    assert index("What does it cost?").holds("  what does it COST ")
    assert not index("What does it cost?").holds("What did it cost?")


def test_a_near_duplicate_asks_the_same() -> None:
    found = index(LONG)

    assert found.holds(LONG.replace("twelve", "eleven"))
    assert found.holds(f"Dear team! {LONG} Best, Anna")
    assert not found.holds(LONG.replace("Hamburg", "Bergen").replace("honey", "jam").replace("green", "red"))


def test_a_later_turn_that_repeats_a_long_prompt_asks_it() -> None:
    assert index(LONG).holds(f"user: {LONG}\n\nassistant: I am sorry.\n\nuser: And now?")


def test_a_short_prompt_within_a_longer_one_is_not_the_same() -> None:
    found = index("How much does it cost today?")

    assert not found.holds("Anna asks how much does it cost today, and whether it can be brought to Berlin by Friday.")
    assert found.holds("how much does it cost today")


def test_the_template_of_a_task_does_not_count() -> None:
    pages = [f"{TEMPLATE}{' '.join(f'word{n}x{place}' for place in range(40))}" for n in range(7)]
    found = index(*pages)

    assert not found.holds(f"{TEMPLATE}a blue kettle with a whistle for six cups, 20 USD, from the factory in Porto")
    assert found.holds(pages[3].replace("word3x39", "another"))


def test_of_few_prompts_nobody_knows_the_template() -> None:
    assert index(f"{TEMPLATE}a shoe").holds(f"{TEMPLATE}a kettle")


def test_each_task_has_a_template_of_its_own() -> None:
    pages = [HeldOutPrompt("shop", f"{TEMPLATE}page number {n} of the shop that sells {n} things") for n in range(6)]
    found = HeldOutIndex([*pages, HeldOutPrompt("mail", LONG)])

    assert found.holds(LONG.replace("twelve", "eleven"))
    assert not found.holds(f"{TEMPLATE}a blue kettle with a whistle for six cups")


def test_a_blank_prompt_asks_nothing() -> None:
    found = index("", "  ", "???")

    assert len(found) == 1
    assert not found.holds("")
    assert found.holds(" ??? ")
    assert not found.holds("!!!")


def test_it_says_which_prompts_are_asked() -> None:
    found = index("What is it?", "what is IT", LONG, "Else.")

    assert len(found) == 3
    assert found.numbers_of(LONG.replace("twelve", "eleven")) == {1}
    assert found.numbers_of("What is it") == {0}
    assert found.numbers_of("What was it") == set()


@pytest.fixture
def no_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out, "_sources", [])


@pytest.mark.usefixtures("no_sources")
def test_every_app_says_what_it_holds_out() -> None:
    register_held_out(lambda: [HeldOutPrompt("a", "one")])
    register_held_out(lambda: iter([HeldOutPrompt("b", "two")]))

    assert [prompt.text for prompt in held_out_prompts()] == ["one", "two"]
    assert held_out_index().holds("Two!")


@pytest.mark.usefixtures("no_sources")
def test_one_that_fails_to_say_is_not_passed_over() -> None:
    def failing() -> list[HeldOutPrompt]:
        raise OSError("gone")

    register_held_out(failing)

    with pytest.raises(OSError, match="gone"):
        held_out_index()
