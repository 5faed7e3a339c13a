"""Many checkpoints through one engine: what is asked of it, and how a race goes."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.evaluation.fakes import FakeSampler, evaluator, subject, task
from tina.evaluation.checkpoints import mean_over_benchmarks, measure, race, tell_too_long
from tina.evaluation.runner import Sample
from tina.evaluation.scores import matrices
from tina.schema import Selection
from tina.selection import choose_measured

SKILLS = {0: 0.2, 10: 0.3, 20: 0.5, 30: 0.95, 40: 0.1, 50: 0.4, 60: 0.3}


class Engine:
    """Remembers which steps it was switched to, and how many samples each was asked for."""

    def __init__(self) -> None:
        self.samplers = {step: FakeSampler(skill) for step, skill in SKILLS.items()}
        self.switched: list[int] = []

    @contextlib.contextmanager
    def at(self, step: int) -> Iterator[Sample]:
        self.switched.append(step)
        yield self.samplers[step]

    def asked(self, step: int) -> int:
        return sum(len(prompts) for prompts, _ in self.samplers[step].calls)


def test_the_engine_is_switched_once_a_step_and_not_at_all_for_what_is_done(tmp_path: Path) -> None:
    fake, engine = evaluator([task("a", 8)]), Engine()
    first = measure([0, 10, 20], lambda step: subject(tmp_path, step), fake, engine.at)
    assert engine.switched == [0, 10, 20]
    again = measure([0, 10, 20, 30], lambda step: subject(tmp_path, step), fake, engine.at)
    assert engine.switched == [0, 10, 20, 30]
    assert list(again) == [0, 10, 20, 30]
    assert {step: again[step] for step in first} == first


@pytest.mark.parametrize(
    ("steps", "first", "full", "rounds"),
    [
        ([10], 1, 8, [(1, 8)]),
        ([10, 20], 1, 8, [(2, 8)]),
        ([10, 20, 30, 40], 1, 8, [(4, 1), (2, 8)]),
        (list(range(1, 17)), 1, 8, [(16, 1), (8, 2), (4, 4), (2, 8)]),
        (list(range(1, 17)), 2, 3, [(16, 2), (8, 3)]),
        ([10, 20, 30], 4, 2, [(3, 2)]),
    ],
)
def test_the_rounds_of_a_race(steps: list[int], first: int, full: int, rounds: list[tuple[int, int]]) -> None:
    seen: list[tuple[int, int]] = []

    def round_of(racers: list[int], samples: int) -> dict[int, float]:
        seen.append((len(racers), samples))
        return {step: step / 100 for step in racers}

    assert race(steps, first, full, round_of) == max(steps)
    assert seen == rounds


def test_of_equal_racers_the_earlier_one_wins() -> None:
    assert race([30, 10, 20], 1, 4, lambda racers, samples: dict.fromkeys(racers, 0.5)) == 10


def test_a_race_finds_the_best_and_asks_the_worse_for_less(tmp_path: Path) -> None:
    fake, engine = evaluator([task("held", 40), task("test", 40)], samples=4), Engine()
    selection = Selection("racing", "racing", benchmark="held", first_samples=1)
    found = measure(list(SKILLS), lambda step: subject(tmp_path, step), fake, engine.at, selection)
    assert list(found) == list(SKILLS)
    # round 1: six on one sample; round 2: three on two; round 3: two on four; the winner and the base on everything
    assert engine.asked(40) == 40
    assert engine.asked(30) == engine.asked(0) == 4 * 40 + 4 * 40
    assert sorted(engine.asked(step) for step in SKILLS) == [40, 40, 40, 80, 160, 320, 320]
    measured = {step: matrices(records) for step, records in found.items()}
    choice = choose_measured(selection, [step for step in SKILLS if step], measured)
    assert (choice.step, choice.rule, choice.candidates, choice.bias) == (30, "racing", 6, None)
    assert set(measured[30]) == {"held", "test"}


def test_a_race_on_the_reported_sets_says_so_and_how_biased_it_is(tmp_path: Path) -> None:
    fake, engine = evaluator([task("a", 40)], samples=4), Engine()
    selection = Selection("racing", "racing", benchmark=None, first_samples=1)
    found = measure(list(SKILLS), lambda step: subject(tmp_path, step), fake, engine.at, selection)
    measured = {step: matrices(records) for step, records in found.items()}
    choice = choose_measured(selection, [step for step in SKILLS if step], measured)
    assert (choice.step, choice.rule) == (30, "racing (picked on the test set)")
    assert 0.02 < choice.bias < 0.2


def test_benchmarks_count_once_each_whatever_their_size(tmp_path: Path) -> None:
    fake, engine = evaluator([task("small", 4), task("large", 40)], samples=1), Engine()
    engine.samplers[10].skill = 1.0
    found = measure([10], lambda step: subject(tmp_path, step), fake, engine.at)[10]
    assert mean_over_benchmarks(found) == 1.0
    wrong = [type(r)(**{**vars(r), "verdict": "wrong"}) for r in found if r.benchmark == "small"]
    assert mean_over_benchmarks([*wrong, *[r for r in found if r.benchmark == "large"]]) == 0.5


def test_prompts_that_do_not_fit_are_told(capsys: pytest.CaptureFixture) -> None:
    tell_too_long(evaluator([task("a", 6, lambda i: 120 + i if i > 3 else 10), task("b", 2)]))
    told = capsys.readouterr().out
    assert "a: 2 of 6 prompts (up to 125 tokens) leave no room for 100 new tokens in a context of 200" in told
    assert "b:" not in told
