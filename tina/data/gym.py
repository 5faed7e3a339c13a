"""Problems of the reasoning-gym library (an extra), graded by that library's own scorers.

Many of its tasks have several right answers, or answers that are no mathematics: there the gold is one example, and
only the task's scorer, which sees the whole generated entry, can tell. Scores below 1 are partial credit for form; here
an answer is right or it is not, and partial credit is not used.
"""

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import Any

from tina.data.columns import last_box
from tina.data.problem import Problem
from tina.errors import UserError
from tina.grading.grade import Grade

EXECUTES_ANSWER = {
    *("binary_matrix", "composite", "countdown", "intermediate_integration", "n_queens"),
    *("polynomial_multiplication", "puzzle24", "simple_integration", "spiral_matrix", "string_insertion"),
}
"""Tasks whose scorer runs the answer as Python (eval, or sympy's parser, which is eval): a model could run code."""

SEED_STRIDE = 10**7  # entry i of seed s is made from s + i: neighbouring seeds would share nearly all their problems

Score = Callable[[str, str | None], float]


def problems(options: dict[str, Any], size: int, seed: int) -> tuple[list[Problem], Score]:
    """`size` different problems of the task `options["task"]`, and its scorer: (problem id, answer) -> 0..1.

    The other options are the task's own. Raises UserError if the library is not installed, knows no such task or
    option, or cannot make so many problems.
    """
    task = options.pop("task", None)
    source = _create(task, options, size, seed)
    entries: dict[str, dict[str, Any]] = {}
    found: list[Problem] = []
    for entry in islice(map(source.__getitem__, range(len(source))), 20 * size):
        problem = Problem(entry["question"].strip(), str(entry["answer"]))
        if problem.id not in entries:
            entries[problem.id] = entry
            found.append(problem)
        if len(found) == size:
            break
    if len(found) < size:
        raise UserError(
            f"The task {task} made only {len(found)} different problems, not dataset.size={size}: ask for fewer, or "
            "for more difficult ones in dataset.generator_options."
        )

    def score(problem_id: str, answer: str | None) -> float:
        return float(source.score_answer(answer, entries[problem_id]))

    return found, score


def grades(score: Score, problem_ids: Sequence[str], completions: Sequence[str]) -> list[Grade]:
    """Verdicts of the library's scorer on completions, in order."""
    rows = []
    for problem_id, completion in zip(problem_ids, completions, strict=True):
        answer = final_answer(completion)
        if answer is None:
            rows.append(Grade("wrong", None, "no answer found"))
            continue
        points = score(problem_id, answer)
        rows.append(Grade("correct" if points >= 1 else "wrong", answer, f"reasoning-gym scores {points:g}"))
    return rows


def final_answer(completion: str) -> str | None:
    r"""After the last closing think tag: the last \boxed, else the last <answer>...</answer>, else None."""
    text = completion.rsplit("</think>", 1)[-1]
    boxed = last_box(text)
    if boxed is not None:
        return boxed.strip()
    tagged = re.findall(r"<answer>(.*?)</answer>", text, flags=re.DOTALL)
    return tagged[-1].strip() if tagged else None


def _create(task: str | None, options: dict[str, Any], size: int, seed: int) -> Any:
    try:
        import reasoning_gym
        from reasoning_gym.factory import DATASETS
    except ImportError as error:
        raise UserError(
            "This data set needs the library reasoning-gym, which is not installed: pip install reasoning-gym."
        ) from error
    if task not in DATASETS:
        near = get_close_matches(str(task), DATASETS, n=3, cutoff=0.4) or ["chain_sum"]
        raise UserError(
            f"reasoning-gym has no task {task!r}; did you mean dataset.generator_options.task={' or '.join(near)}?"
        )
    if task in EXECUTES_ANSWER:
        raise UserError(f"The scorer of {task} would run the model's answer as Python code: choose another task.")
    known = [name for name in DATASETS[task][1].__dataclass_fields__ if name not in ("size", "seed")]
    if unknown := [name for name in options if name not in known]:
        raise UserError(f"The task {task} of reasoning-gym has no option {unknown[0]!r}; it takes {', '.join(known)}.")
    try:
        return reasoning_gym.create_dataset(task, size=20 * size, seed=seed * SEED_STRIDE, **options)
    except (TypeError, AssertionError, ValueError) as error:
        raise UserError(f"The options of the task {task} of reasoning-gym do not fit together: {error}.") from error
