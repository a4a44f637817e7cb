"""Which answer of the broker belongs to which message."""

from __future__ import annotations

import random

import pytest

from proj.broker.confirms import Answer, Confirms, Published


def publish(confirms: Confirms, count: int = 1) -> list[Published]:
    """Note ``count`` messages with different correlation ids, to one queue."""
    return [
        confirms.published("", "queue", {"correlation_id": str(number)}) for number in range(count)
    ]


def test_an_answer_settles_the_message_of_its_tag_only() -> None:
    """The broker may answer in any order."""
    confirms = Confirms()
    first, second, third = publish(confirms, 3)

    confirms.settle(2, Answer.REFUSED, multiple=False)

    assert (first.answer, second.answer, third.answer) == (None, Answer.REFUSED, None)
    assert len(confirms) == 2


def test_multiple_settles_all_up_to_its_tag_and_tag_zero_settles_all() -> None:
    """``multiple`` covers what is still open, and leaves what was answered as it was."""
    confirms = Confirms()
    first, second, third, fourth = publish(confirms, 4)
    confirms.settle(1, Answer.REFUSED, multiple=False)

    confirms.settle(3, Answer.HELD, multiple=True)
    assert fourth.answer is None
    confirms.settle(0, Answer.HELD, multiple=True)

    answers = [message.answer for message in (first, second, third, fourth)]
    assert answers == [Answer.REFUSED, Answer.HELD, Answer.HELD, Answer.HELD]


def test_an_answer_for_a_message_that_is_not_waited_for_changes_nothing() -> None:
    """A late answer, or one for a message that somebody else published, is no error."""
    confirms = Confirms()
    (message,) = publish(confirms)

    confirms.settle(17, Answer.HELD, multiple=False)

    assert message.answer is None


def test_a_returned_message_is_not_held_although_it_is_confirmed() -> None:
    """``basic.return`` marks its own message; the ``basic.ack`` that follows does not clear it."""
    confirms = Confirms()
    first, second = publish(confirms, 2)

    confirms.give_back("NO_ROUTE", "", "queue", {"correlation_id": "1"})
    confirms.settle(2, Answer.HELD, multiple=True)

    assert first.answer is Answer.HELD
    assert (second.answer, second.return_text) == (Answer.RETURNED, "NO_ROUTE")


def test_a_closed_channel_answers_what_had_no_answer() -> None:
    """What was confirmed stays confirmed; nobody waits for the others for ever."""
    confirms = Confirms()
    first, second = publish(confirms, 2)
    confirms.settle(1, Answer.HELD, multiple=False)

    confirms.close()

    assert (first.answer, second.answer) == (Answer.HELD, Answer.CLOSED)


def test_equal_messages_are_returned_one_by_one() -> None:
    """Two messages that nothing tells apart are each returned once, in the order of publishing."""
    confirms = Confirms()
    messages = [confirms.published("", "queue", {}) for _ in range(2)]

    confirms.give_back("NO_ROUTE", "", "queue", {})
    assert [message.return_text for message in messages] == ["NO_ROUTE", None]
    confirms.give_back("NO_ROUTE", "", "queue", {})
    assert [message.return_text for message in messages] == ["NO_ROUTE", "NO_ROUTE"]


@pytest.mark.parametrize("seed", range(20))
def test_any_order_of_answers_gives_each_message_its_own(seed: int) -> None:
    """A hundred messages, answered at random, singly or up to a tag: none gets another's answer."""
    chance = random.Random(seed)  # noqa: S311 - a seeded order of events
    confirms = Confirms()
    messages = publish(confirms, 100)
    expected: dict[int, Answer] = {}
    while len(expected) < len(messages):
        tag = chance.choice([tag for tag in range(1, 101) if tag not in expected])
        answer = chance.choice([Answer.HELD, Answer.REFUSED])
        multiple = chance.random() < 0.2
        for each in range(1, tag + 1) if multiple else (tag,):
            expected.setdefault(each, answer)
        confirms.settle(tag, answer, multiple=multiple)

    assert [message.answer for message in messages] == [expected[tag] for tag in range(1, 101)]
    assert not len(confirms)
