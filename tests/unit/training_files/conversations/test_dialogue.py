from training_files.conversations.dialogue import Answer, Turn, add_call, messages_of, pairs_of


def answer(text: str, **values: object) -> Answer:
    return Answer(**{"example_id": text, "text": text, "target": text, **values})  # type: ignore[arg-type]  # any of them


def call(turns: list[Turn], messages: str, answered: str) -> list[Turn]:
    """`messages`: words, the user's and the assistant's in turn."""
    roles = ("user", "assistant")
    said = [Turn(role=roles[n % 2], content=word) for n, word in enumerate(messages.split())]
    return add_call(turns, said, answer(answered))


def words(turns: list[Turn]) -> str:
    return " ".join(turn.content for turn in turns)


def test_a_call_that_repeats_the_whole_conversation_adds_what_is_new() -> None:
    turns = call(call([], "q1", "a1"), "q1 a1 q2", "a2")
    assert words(turns) == "q1 a1 q2 a2"
    assert [turn.answer is not None for turn in turns] == [False, True, False, True]


def test_a_call_that_repeats_the_last_part_adds_what_is_new() -> None:
    turns = call(call(call([], "q1", "a1"), "q1 a1 q2", "a2"), "q2 a2 q3", "a3")
    assert words(turns) == "q1 a1 q2 a2 q3 a3"


def test_questions_that_come_alone_follow_each_other() -> None:
    assert words(call(call([], "q1", "a1"), "q2", "a2")) == "q1 a1 q2 a2"


def test_a_call_that_goes_back_goes_on_from_there() -> None:
    turns = call(call([], "q1", "a1"), "q1 a1 q2", "a2")
    assert words(call(turns, "q1 a1 q2b", "a2b")) == "q1 a1 q2b a2b"
    assert words(call(turns, "q1 other q2", "a3")) == "q1 other q2 a3"


def test_blanks_at_the_ends_make_no_other_message() -> None:
    turns = call([], "q1", " a1\n")
    assert words(call(turns, "q1 a1 q2", "a2")) == "q1  a1\n q2 a2"


def test_what_was_said_before_the_first_captured_call_is_only_history() -> None:
    turns = call([], "q1 a1 q2", "a2")
    assert [pair["turn_number"] for pair in pairs_of("c", turns)] == [1, 3, 4]


def test_messages_are_read_whatever_they_hold() -> None:
    noted = {
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": [{"type": "text", "text": "Look"}, {"type": "image_url"}]},
            "no message",
            {"role": ["odd"], "content": None},
        ]
    }
    assert [turn.said for turn in messages_of(noted, "")] == [("user", "Look\n[image_url]"), ("user", "")]
    assert [turn.said for turn in messages_of({}, "plain")] == [("user", "plain")]


def test_a_pair_has_all_that_came_before() -> None:
    turns = call(call([], "q1", "a1"), "q1 a1 q2", "a2")
    last = list(pairs_of("c", turns))[-1]
    assert last["conversation_history"] == [
        {"turn": 1, "role": "user", "content": "q1"},
        {"turn": 2, "role": "assistant", "content": "a1"},
        {"turn": 3, "role": "user", "content": "q2"},
    ]
    assert (last["current_user_input"], last["target_response"]) == ("q2", "a2")


def test_an_answer_without_anything_to_learn_stays_in_the_history() -> None:
    turns = add_call([], [Turn(role="user", content="q1")], answer("cut", target=None))
    pairs = list(pairs_of("c", call(turns, "q1 cut q2", "a2")))
    assert [(pair["turn_number"], pair["target_response"]) for pair in pairs] == [(1, None), (3, None), (4, "a2")]
    assert pairs[-1]["conversation_history"][1]["content"] == "cut"


def test_a_turn_has_the_system_prompt_under_which_it_was_answered() -> None:
    turns = add_call([], [Turn(role="user", content="q1")], answer("a1", system_prompt="one"))
    turns = add_call(turns, [Turn(role="user", content="q2")], answer("a2", system_prompt="two"))
    assert [pair["system_prompt"] for pair in pairs_of("c", turns)] == ["one", "one", "two", "two"]
