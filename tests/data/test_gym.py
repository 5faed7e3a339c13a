"""reasoning-gym's problems with its own scorers; skipped where the library, an extra, is not installed."""

import inspect
import re

import pytest

from tina.data import gym
from tina.data.__main__ import configured
from tina.data.loading import load_problems
from tina.errors import UserError

SETS = ("chain_sum", "knights_knaves", "simple_equations")


def loaded(name: str, *overrides: str):
    pytest.importorskip("reasoning_gym", reason="needs the extra reasoning-gym")
    return load_problems(configured(f"reasoning_gym_{name}", ["size=30", *overrides]))


@pytest.mark.parametrize("name", SETS)
def test_the_library_scores_its_own_answers(name):
    found = loaded(name)
    assert len({p.id for p in found.problems}) == found.counts["kept"] == 30
    assert all(found.score(p.id, p.gold) == 1 for p in found.problems)
    assert all(found.score(p.id, "no") < 1 and found.score(p.id, None) < 1 for p in found.problems)


def test_an_answer_in_other_words_is_right_where_the_library_says_so():
    found = loaded("knights_knaves")
    problem = found.problems[0]
    parts = problem.gold.rstrip(".").replace(", and ", ", ").split(", ")
    turned = ", ".join(reversed(parts))
    assert turned != problem.gold
    right, wrong, silent = gym.grades(
        found.score, [problem.id] * 3, [f"<answer>{turned}</answer>", f"\\boxed{{{parts[0]}}}", turned]
    )
    assert (right.verdict, wrong.verdict, silent.verdict) == ("correct", "wrong", "wrong")
    assert silent.answer is None


def test_the_same_seed_is_the_same_set_and_a_smaller_one_its_beginning():
    large = loaded("chain_sum").problems
    assert loaded("chain_sum", "size=10").problems == large[:10]
    assert not set(loaded("chain_sum", "seed=1").problems) & set(large)


def test_partial_credit_is_no_right_answer():
    found = loaded("chain_sum")
    problem = found.problems[0]
    assert 0 < found.score(problem.id, f"about {problem.gold}") < 1
    completions = [f"\\boxed{{about {problem.gold}}}", f"\\boxed{{{problem.gold}}}"]
    assert [g.verdict for g in gym.grades(found.score, [problem.id] * 2, completions)] == ["wrong", "correct"]


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("<think>\\boxed{1}</think> So \\boxed{2}, or rather \\boxed{3}.", "3"),
        ("<answer>1</answer> no, <answer> 2 </answer>", "2"),
        ("<think>\\boxed{1}</think> I cannot say.", None),
    ],
)
def test_the_final_answer_comes_after_the_thinking(completion, answer):
    assert gym.final_answer(completion) == answer


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("generator_options.task=chain_smu", "did you mean dataset.generator_options.task=chain_sum"),
        ("generator_options.min_trems=3", "no option 'min_trems'; it takes min_terms"),
        ("generator_options.min_terms=9", "do not fit together"),
        ("generator_options.task=countdown", "would run the model's answer"),
    ],
)
def test_mistakes_are_told_in_words(override, words):
    with pytest.raises(UserError, match=re.escape(words)):
        loaded("chain_sum", override)


def test_a_task_that_runs_dry_says_so():
    with pytest.raises(UserError, match=r"made only \d+ different problems"):
        loaded("chain_sum", "generator_options.max_terms=2", "generator_options.max_digits=1", "size=500")


def test_every_scorer_that_runs_the_answer_as_code_is_refused():
    pytest.importorskip("reasoning_gym", reason="needs the extra reasoning-gym")
    from reasoning_gym.factory import DATASETS

    runs_code = re.compile(r"\b(?:eval|exec|parse_expr|sympify)\(\s*(?:answer|user_\w+)")
    running = {name for name, (made, _) in DATASETS.items() if runs_code.search(inspect.getsource(made))}
    assert running and running <= gym.EXECUTES_ANSWER
