"""Chains of additions and subtractions, and four ways of writing down their solution.

A question is "Compute 3+5-2+7": terms of one digit, and a running total that never leaves 0..19, so that the whole of
the arithmetic is a few hundred facts `t+x=r`. The demonstrations that teach the embedded model mix one good way of
answering with three that lack something: what reinforcement learning then has to find is already in the policy, rare.
"""

import random
import re
from collections.abc import Iterator
from itertools import islice
from typing import Literal, get_args

from tina.data.problem import Problem
from tina.errors import UserError

Split = Literal["train", "validation", "test"]
Mode = Literal["full", "plain", "direct", "long"]

LARGEST_TERM = 9
LARGEST_TOTAL = 19
# Share of the steps (of the answers, where no step is written) that are off by one, and carried on: who thinks between
# tags errs least.
SLIP_SHARES: dict[Mode, float] = {"full": 0.01, "plain": 0.10, "direct": 0.40, "long": 0.05}
CHECKS = (2, 4)  # how many times "long" goes over its steps again
LONG_TAGGED_SHARE = 0.1  # of "long" that opens a think tag: where most of them do, learning unlearns the tag

# Share of each mode among the demonstrations. "full" must be at least a tenth: what is hardly ever sampled is not
# rewarded often enough to stay.
MIX_SHARES: dict[str, dict[Mode, float]] = {
    "d": {"full": 0.28, "plain": 0.14, "direct": 0.25, "long": 0.33},
    "c": {"full": 0.34, "plain": 0.16, "direct": 0.25, "long": 0.25},
}


def split_of(problem: Problem) -> Split:
    """The set a problem is in, from the hash of its question alone: a tenth is test, a tenth validation."""
    return {0: "test", 1: "validation"}.get(int(problem.id, 16) % 10, "train")


def problems(split: Split, size: int, seed: int = 0, terms: tuple[int, int] = (4, 5)) -> list[Problem]:
    """`size` different problems of one split, with `terms` = (fewest, most) terms each.

    The seed chooses and orders them, a smaller size is the beginning of a larger one, and no seed brings a problem of
    one split into another. Raises UserError for an unknown split, and when there are not that many problems.
    """
    if split not in get_args(Split):
        raise UserError(
            f"There is no split {split!r} of the arithmetic task; choose one of {', '.join(get_args(Split))}."
        )
    found: dict[str, Problem] = {}
    for problem in islice(draws(split, random.Random(f"{split} {seed}"), terms), 20 * size):
        found.setdefault(problem.question, problem)
        if len(found) == size:
            break
    if len(found) < size:
        raise UserError(
            f"The {split} split holds too few problems of {terms[0]} to {terms[1]} terms for a size of {size}: "
            f"ask for {len(found)} or fewer, or for more terms."
        )
    return list(found.values())


def draws(split: Split, rng: random.Random, terms: tuple[int, int]) -> Iterator[Problem]:
    """An endless stream of problems of one split, repeats included."""
    while True:
        problem = _draw(rng, rng.randint(*terms))
        if split_of(problem) == split:
            yield problem


def _draw(rng: random.Random, n_terms: int) -> Problem:
    total = rng.randint(1, LARGEST_TERM)
    question = f"Compute {total}"
    for _ in range(n_terms - 1):
        term = rng.choice([x for x in range(-LARGEST_TERM, LARGEST_TERM + 1) if x and 0 <= total + x <= LARGEST_TOTAL])
        total += term
        question += f"{term:+d}"
    return Problem(question, str(total))


def demonstration(problem: Problem, mode: Mode, rng: random.Random) -> str:
    r"""One solution of the problem, as an assistant's message.

    full    steps between think tags, each tag on a line of its own, then the boxed answer between answer tags
    plain   the same steps and the boxed answer, without tags
    direct  the boxed answer at once
    long    goes over the steps again and again, at times in a think tag that it never closes, breaks off, no answer
    """
    slips = SLIP_SHARES[mode]
    steps, total = _steps(problem, slips, rng)
    if mode == "full":
        return f"<think>\n{steps}</think>\n<answer>\n\\boxed{{{total}}}\n</answer>"
    if mode == "plain":
        return f"{steps}\\boxed{{{total}}}"
    if mode == "direct":
        return f"\\boxed{{{_slipped(int(problem.gold), slips, rng)}}}"
    checks = [_steps(problem, slips, rng)[0] for _ in range(rng.randint(*CHECKS))]
    last = checks[-1].splitlines(keepends=True)
    checks[-1] = "".join(last[: rng.randint(1, max(1, len(last) - 1))])
    answer = "Check again:\n".join([steps, *checks])
    tag = "<think>\n" if rng.random() < LONG_TAGGED_SHARE else ""
    return f"{tag}{answer}"


def _steps(problem: Problem, slips: float, rng: random.Random) -> tuple[str, int]:
    """The lines `t+x=r` of a solution, which may slip, and the total they end in."""
    first, *rest = (int(term) for term in re.findall(r"[+-]?\d+", problem.question))
    total, lines = first, ""
    for term in rest:
        result = _slipped(total + term, slips, rng)
        lines += f"{total}{term:+d}={result}\n"
        total = result
    return lines, total


def _slipped(result: int, share: float, rng: random.Random) -> int:
    if rng.random() < share:
        result += rng.choice((-1, 1))
    return min(max(result, 0), LARGEST_TOTAL)
