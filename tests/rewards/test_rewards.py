"""The rewards' definitions, on texts and verdicts alone."""

import math
from types import SimpleNamespace

import pytest

from tina.errors import UserError
from tina.grading import Grade, Grader
from tina.rewards import RewardBatch, check_options, get_reward
from tina.schema import RewardTerm, TrainConfig
from tina.trainer import reward_functions

RIGHT, WRONG = Grade("correct", "5", "equal"), Grade("wrong", "4", "not equal")
UNJUDGED = Grade("unjudged", None, "the gold does not parse")


def batch(
    *completions: str,
    grades: list[Grade] | None = None,
    tokens: list[int] | None = None,
    cap: int = 100,
    group: int | None = None,
    prompt_opens_think: bool = False,
) -> RewardBatch:
    return RewardBatch(
        completions=list(completions),
        grades=grades or [RIGHT] * len(completions),
        completion_tokens=tokens or [len(completion) for completion in completions],
        max_completion_tokens=cap,
        num_generations=group or len(completions),
        prompt_opens_think=prompt_opens_think,
    )


def of_length(*lengths: int) -> list[str]:
    return ["x" * length for length in lengths]


def test_accuracy_is_the_verdict_and_none_where_there_is_none() -> None:
    assert get_reward("accuracy")(batch("a", "b", "c", grades=[RIGHT, WRONG, UNJUDGED])) == [1.0, 0.0, None]


OPENED = "<think>\nhm\n</think>\nIt is 5."
CLOSED_ONLY = "hm\n</think>\nIt is 5."


@pytest.mark.parametrize(
    ("completion", "reward"),
    [
        (OPENED, 1.0),
        (CLOSED_ONLY, 1.0),
        ("hm </think> It is 5.", 0.0),
        ("hm\n</think>", 0.0),
        ("hm\n</think> It is 5.", 0.0),
        ("hm\n</think>\n</think>\nIt is 5.", 0.0),
        ("<think>\nhm", 0.0),
        ("", 0.0),
    ],
)
@pytest.mark.parametrize("prompt_opens_think", [True, False])
def test_format_as_released_looks_at_the_closing_tag_alone(
    completion: str, reward: float, prompt_opens_think: bool
) -> None:
    assert get_reward("format")(batch(completion, prompt_opens_think=prompt_opens_think)) == [reward]


def test_an_empty_think_block_is_closed_on_the_first_line_only_after_a_prompt_that_opened_it() -> None:
    closed_at_once = "</think>\nIt is 5."
    assert get_reward("format")(batch(closed_at_once, prompt_opens_think=True)) == [1.0]
    assert get_reward("format")(batch(closed_at_once, prompt_opens_think=False)) == [0.0]


@pytest.mark.parametrize(
    ("completion", "prompt_opens_think", "reward"),
    [
        (OPENED, False, 1.0),
        (CLOSED_ONLY, False, 0.0),
        (OPENED, True, 0.0),
        (CLOSED_ONLY, True, 1.0),
        ("hm\n</think>\n<think>It is 5.", False, 0.0),
        (OPENED + "<think>", False, 0.0),
    ],
)
def test_format_can_ask_for_the_opening_tag_too(completion: str, prompt_opens_think: bool, reward: float) -> None:
    given = batch(completion, prompt_opens_think=prompt_opens_think)
    assert get_reward("format")(given, require_opening=True) == [reward]


@pytest.mark.parametrize(
    ("completion", "prompt_opens_think", "as_released", "reward"),
    [
        (OPENED, False, False, 1.0),
        (CLOSED_ONLY, False, False, 0.5),
        ("<think>\nhm", False, False, 0.5),
        ("<think> hm\n</think>\n5", False, False, 0.5),
        (CLOSED_ONLY, True, False, 1.0),
        (OPENED, True, False, 0.5),
        (CLOSED_ONLY, True, True, 0.5),
        (OPENED, True, True, 1.0),
        ("5", False, False, 0.0),
    ],
)
def test_tag_count(completion: str, prompt_opens_think: bool, as_released: bool, reward: float) -> None:
    given = batch(completion, prompt_opens_think=prompt_opens_think)
    assert get_reward("tag_count")(given, as_released=as_released) == [reward]


@pytest.mark.parametrize(
    ("completion", "reward"),
    [
        ("Step 1: a. Step 2: b. Step 3: c.", 1.0),
        ("1. a\n2. b", 2 / 3),
        ("- a\n* b\n- c\n- d", 1.0),
        ("First, a. Second, b.", 2 / 3),
        ("Next, a. Finally, b. Next, c.", 1.0),
        ("at the first glance 3. is no step", 0.0),
        ("", 0.0),
    ],
)
def test_reasoning_steps_counts_markers_up_to_three(completion: str, reward: float) -> None:
    assert get_reward("reasoning_steps")(batch(completion)) == [pytest.approx(reward)]


@pytest.mark.parametrize(
    ("completion", "reward"),
    [
        ("a b c d", 0.0),
        ("a b a b a b", -0.5),
        ("A b a B a b", -0.5),
        ("so so so so so", -2 / 3),
        ("a b", 0.0),
        ("", 0.0),
    ],
)
def test_repetition_penalty_is_the_repeated_share_of_word_triples(completion: str, reward: float) -> None:
    assert get_reward("repetition_penalty")(batch(completion)) == [pytest.approx(reward)]
    assert get_reward("repetition_penalty")(batch(completion), max_penalty=-2.0) == [pytest.approx(2 * reward)]


def test_length_ranks_a_group_and_never_rewards_a_wrong_answer() -> None:
    given = batch(*of_length(10, 20, 30, 10), grades=[RIGHT, RIGHT, RIGHT, WRONG])
    assert get_reward("length")(given, as_released=True) == [0.5, 0.0, -0.5, 0.0]
    all_wrong = batch(*of_length(10, 20, 30), grades=[WRONG] * 3)
    assert get_reward("length")(all_wrong, as_released=True) == [0.0, 0.0, -0.5]


def test_length_compares_within_the_group_only_and_gives_nothing_where_all_are_equal() -> None:
    given = batch(*of_length(10, 20, 100, 100), group=2)
    assert get_reward("length")(given, as_released=True) == [0.5, -0.5, 0.0, 0.0]


def test_length_in_tokens_counts_up_to_the_cap() -> None:
    given = batch("a", "b", "c", tokens=[50, 100, 130], cap=100)
    assert get_reward("length")(given) == [0.5, -0.5, -0.5]


def test_length_skips_what_cannot_be_judged() -> None:
    given = batch(*of_length(10, 20), grades=[UNJUDGED, RIGHT])
    assert get_reward("length")(given) == [None, -0.5]
    assert get_reward("length")(given, as_released=True) == [0.5, -0.5]  # the released code takes it for correct


def cosine(length: int, top: float, low: float, longest: int) -> float:
    return low + (top - low) / 2 * (1 + math.cos(math.pi * length / longest))


def test_cosine_goes_from_short_to_long_and_skips_what_cannot_be_judged() -> None:
    given = batch(*of_length(0, 50, 100), "x", grades=[RIGHT, RIGHT, RIGHT, UNJUDGED], cap=100)
    assert get_reward("cosine")(given) == [1.0, pytest.approx(0.75), 0.5, None]
    wrong = batch(*of_length(0, 50, 100), grades=[WRONG] * 3, cap=100)
    assert get_reward("cosine")(wrong) == [-0.5, pytest.approx(-0.25), 0.0]


def test_cosine_as_released_counts_characters_and_is_periodic() -> None:
    given = batch(*of_length(0, 3584, 7168, 1000))
    as_released = get_reward("cosine")(given, as_released=True, max_length=3584)
    assert as_released == pytest.approx([1.0, 0.5, 1.0, cosine(1000, 1.0, 0.5, 3584)])
    assert get_reward("cosine")(given, as_released=True)[3] == 0.5  # max_length is 1000 there by default


def test_cosine_in_tokens_is_clamped_at_its_limit() -> None:
    given = batch("a", "b", "c", tokens=[80, 100, 170], cap=200)
    assert get_reward("cosine")(given, max_length=100) == [pytest.approx(cosine(80, 1.0, 0.5, 100)), 0.5, 0.5]


def test_cosine_as_released_punishes_a_long_wrong_answer_more() -> None:
    given = batch(*of_length(0, 500, 1000), "x", grades=[WRONG, WRONG, WRONG, UNJUDGED])
    assert get_reward("cosine")(given, as_released=True) == [0.0, pytest.approx(-0.25), -0.5, 1.0]


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [("cosine", "max_length", 0), ("cosine", "max_length", -5), ("reasoning_steps", "full_at", 0)],
)
def test_a_length_of_nothing_is_refused_in_words(name: str, option: str, value: int) -> None:
    with pytest.raises(UserError, match=f"{name} reward's {option} is above 0, not {value}"):
        check_options(name, {option: value})


def test_an_answer_that_nobody_evaluates_costs_as_much_as_a_wrong_one() -> None:
    refused = Grade("wrong", None, "not evaluated: over the time limit", evaluated=False)
    for name in ("accuracy", "cosine", "length"):
        one, other, _ = get_reward(name)(batch("aaaa", "bbbb", "c", grades=[WRONG, refused, RIGHT]))
        assert one == other is not None


def test_what_grading_counted_is_logged_with_its_step() -> None:
    config = TrainConfig()
    config.reward.rewards = {"accuracy": RewardTerm(), "format": RewardTerm()}
    grader, logged = Grader(), []
    tokenizer = SimpleNamespace(batch_decode=lambda ids, **_: ["\\boxed{5}", "\\boxed{9^{9^{9^9}}}", "\\boxed{5}"])
    functions = reward_functions(
        config, lambda ids, golds, texts: grader.grade(golds, texts), tokenizer, False, lambda: grader.counters
    )
    for _ in range(2):  # counts are the step's, not the run's
        completion_ids, columns = [[1]] * 3, {"problem_id": ["a"] * 3, "gold": ["5", "5", None]}
        for function in functions:
            function(completion_ids=completion_ids, log_metric=lambda *found: logged.append(found), **columns)
    once = [("graded", 3.0), ("unjudged", 1.0), ("refused", 1.0), ("timeouts", 0.0), ("worker_deaths", 0.0)]
    assert logged == [(f"grading/{name}", count) for name, count in [*once, ("by_algebra", 0.0)]] * 2


def test_rows_must_match() -> None:
    with pytest.raises(ValueError, match="as many grades"):
        batch("a", "b", grades=[RIGHT])
