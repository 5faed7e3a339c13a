"""The arithmetic task: its problems, their split into sets, and the four ways of answering."""

import random
import re

import pytest

from tina.data.problem import Problem
from tina.errors import UserError
from tina.tiny.score import has_format, is_correct
from tina.tiny.task import LARGEST_TOTAL, MIX_SHARES, demonstration, draws, problems, split_of

SETS = {"train": 2000, "validation": 400, "test": 400}


def numbers(question: str) -> list[int]:
    return [int(term) for term in re.findall(r"[+-]?\d+", question)]


@pytest.mark.parametrize("split", SETS)
def test_gold_is_the_value_of_the_expression_and_totals_stay_in_range(split):
    for problem in problems(split, 200, seed=3):
        terms = numbers(problem.question)
        assert problem.question == "Compute " + "".join(f"{term:+d}" for term in terms).removeprefix("+")
        assert int(problem.gold) == sum(terms)
        assert len(terms) in (4, 5)
        assert all(1 <= abs(term) <= 9 for term in terms)
        assert all(0 <= sum(terms[: k + 1]) <= LARGEST_TOTAL for k in range(len(terms)))


def test_sets_share_no_problem_whatever_the_seeds():
    sets = {
        split: {p.question for seed in range(3) for p in problems(split, size, seed)} for split, size in SETS.items()
    }
    assert all(len(sets[split]) > size for split, size in SETS.items())
    assert not sets["train"] & sets["validation"]
    assert not sets["train"] & sets["test"]
    assert not sets["validation"] & sets["test"]


def test_a_problem_stays_in_its_set_for_good():
    # Weights that were shipped have been taught on "train": a moved border would let test problems into it.
    expected = {"Compute 9-7+4+7": "test", "Compute 6-5+6-5": "validation", "Compute 9+8-7+2": "train"}
    assert {question: split_of(Problem(question, "")) for question in expected} == expected


def test_taught_problems_are_from_the_training_split():
    stream = draws("train", random.Random(0), (2, 5))
    assert {split_of(next(stream)) for _ in range(500)} == {"train"}


def test_a_seed_fixes_the_set_and_a_smaller_size_is_its_beginning():
    assert problems("test", 50, seed=1) == problems("test", 100, seed=1)[:50]
    assert problems("test", 50, seed=1) != problems("test", 50, seed=2)
    assert len({p.id for p in problems("train", 2000)}) == 2000


def test_impossible_requests_are_refused_in_words():
    with pytest.raises(UserError, match="no split 'tset'"):
        problems("tset", 1)
    with pytest.raises(UserError, match="too few problems of 2 to 2 terms"):
        problems("test", 400, terms=(2, 2))


@pytest.mark.parametrize(
    ("mode", "formatted", "answered", "right_share"),
    # Shares of right answers from the documented slips: 3.5 steps at 1 % and at 10 %, one answer at 40 %.
    [
        ("full", True, True, 0.97),
        ("plain", False, True, 0.70),
        ("direct", False, True, 0.61),
        ("long", False, False, 0),
    ],
)
def test_modes_differ_in_format_and_answer(mode, formatted, answered, right_share):
    rng = random.Random(0)
    asked = problems("train", 600)
    texts = [demonstration(problem, mode, rng) for problem in asked]
    right = sum(is_correct(text, problem.gold) for text, problem in zip(texts, asked, strict=True))
    assert {has_format(text) for text in texts} == {formatted}
    assert {"\\boxed{" in text for text in texts} == {answered}
    assert right / len(asked) == pytest.approx(right_share, abs=0.06)


def test_long_mode_does_not_end_on_the_answer():
    rng = random.Random(0)
    asked = problems("train", 600)
    last_numbers = [re.findall(r"\d+", demonstration(problem, "long", rng))[-1] for problem in asked]
    # A grader that reads the last number where no box is would otherwise take an endless check for an answer.
    assert sum(last == problem.gold for last, problem in zip(last_numbers, asked, strict=True)) < 0.15 * len(asked)


def test_full_mode_has_each_tag_once_in_order():
    layout = re.compile(r"<think>\n(\d+[+-]\d=\d+\n)+</think>\n<answer>\n\\boxed\{\d+\}\n</answer>")
    rng = random.Random(0)
    assert all(layout.fullmatch(demonstration(problem, "full", rng)) for problem in problems("train", 200))


def test_steps_follow_the_question_and_carry_their_results():
    rng = random.Random(1)
    for problem in problems("train", 200):
        first, *rest = numbers(problem.question)
        lines = demonstration(problem, "plain", rng).splitlines()[:-1]
        before = [first]
        for line, term in zip(lines, rest, strict=True):
            assert line.startswith(f"{before[-1]}{term:+d}=")
            before.append(int(line.split("=")[1]))


def test_shares_of_a_mix_sum_to_one_and_keep_enough_of_the_full_mode():
    for shares in MIX_SHARES.values():
        assert sum(shares.values()) == pytest.approx(1.0)
        assert shares["full"] >= 0.1
