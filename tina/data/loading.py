"""A data set's configuration to the problems a run trains on, with a count of everything that was left out, and why."""

import hashlib
import inspect
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tina.data import gym, prompts
from tina.data.columns import to_problem, top_level
from tina.data.problem import Problem
from tina.data.rows import Row, hub_rows, local_rows
from tina.errors import UserError
from tina.grading import Grader

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from tina.schema import Dataset, Prompt

log = logging.getLogger(__name__)

_NO_ANSWER = re.compile(
    r"(?:none|nan|null|n\.?/a|n\.a|tbd|(?:answer )?not (?:found|available|given)|proof|see solution|[-–—?]+)\.?",
    re.IGNORECASE,
)
ROWS_TOLERANCE = 0.01  # a set on the Hub may grow; the sizes that the paper's authors give are rounded as well


@dataclass(frozen=True)
class LoadedSet:
    """What a data set holds for training.

    `counts`: rows = empty + no_answer + duplicates + conflicting + gold_unparsed + not_sampled + kept. `score` is set
    where a library brings its own scorer: (problem id, answer) -> 0..1; math-verify is not to be asked about such
    problems.
    """

    problems: list[Problem]
    counts: dict[str, int]
    score: Callable[[str, str | None], float] | None = None
    commit: str | None = None
    """Of the hub, where it is known."""


def load_problems(dataset: "Dataset") -> LoadedSet:
    """The problems of a data set, in its own order.

    Left out and counted: rows without question or gold (`empty`), golds that say that there is none, such as "N/A" or
    "proof" (`no_answer`), later rows that repeat question and gold (`duplicates`), all rows of a question that is there
    with different golds (`conflicting`: one of them is wrong, and nothing says which), golds that cannot be graded
    against (`gold_unparsed`), and what `size` leaves out, whatever its gold (`not_sampled`; a smaller size is a part of
    a larger one of the same seed). `filter: as_released` keeps every row that asks something, as the released code
    does. Raises UserError where the set cannot be read, holds nothing, or holds less than `size`.
    """
    if dataset.generator:
        return _generated(dataset)
    if dataset.filter == "as_released":
        return _every_row(dataset)
    found, counts, commit = _distinct_problems(dataset)
    kept, unparsed = _gradable(found, dataset)
    counts |= {"gold_unparsed": unparsed, "not_sampled": len(found) - unparsed - len(kept), "kept": len(kept)}
    if len(kept) < (dataset.size or 1):
        raise _too_few(dataset, counts, len(kept))
    _compare_with_expected(dataset, counts["rows"])
    return LoadedSet(kept, counts, commit=commit)


def check_dataset(dataset: "Dataset") -> None:
    """Raises UserError for what is wrong with a set and can be seen without the network, in about a second.

    Reads every row of a local file and runs a generator, but asks the Hub for nothing and parses no gold.
    """
    if dataset.generator:
        _generated(dataset)
    elif dataset.path or not dataset.hub_id:
        (_every_row if dataset.filter == "as_released" else _distinct_problems)(dataset)


def fit_prompts(
    problems: Sequence[Problem], prompt: "Prompt", tokenizer: "PreTrainedTokenizerBase", max_prompt_tokens: int
) -> tuple[list[Problem], int]:
    """The problems whose whole prompt (template, system text and all) has at most `max_prompt_tokens` tokens.

    Also says how many were left out; none is truncated, since a question without its end is another question. Raises
    UserError if none is left.
    """
    texts = [prompts.render(tokenizer, problem.question, prompt) for problem in problems]
    lengths = [len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]
    fitting = [problem for problem, length in zip(problems, lengths, strict=True) if length <= max_prompt_tokens]
    if not fitting:
        raise UserError(
            f"None of the {len(problems)} prompts fits into length.max_prompt_tokens={max_prompt_tokens}; "
            f"the shortest has {min(lengths)} tokens."
        )
    return fitting, len(problems) - len(fitting)


def _read(dataset: "Dataset") -> tuple[Iterator[Problem], str | None]:
    """All rows as problems, and the commit of the hub that they are of, if they are from there."""
    wanted = top_level(dataset.columns)
    rows: Iterable[Row]
    if dataset.path:
        rows, commit = local_rows(dataset.path, wanted), None
    elif dataset.hub_id:
        rows, commit = hub_rows(dataset.hub_id, dataset.subset, dataset.split, dataset.revision, wanted)
    else:
        raise UserError(
            f"The data set {dataset.name} says not where it comes from: "
            "set dataset.path, dataset.hub_id or dataset.generator."
        )
    return _whole((where, to_problem(row, where, dataset.columns)) for where, row in rows), commit


def _whole(problems: Iterable[tuple[str, Problem]]) -> Iterator[Problem]:
    """The problems with U+FFFD for halves of characters (lone surrogates), which no tokenizer takes; tells of them."""
    broken, first = 0, ""
    for where, problem in problems:
        question, gold = (
            text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            for text in (problem.question, problem.gold)
        )
        if (question, gold) != (problem.question, problem.gold):
            broken, first = broken + 1, first or where
        yield Problem(question, gold)
    if broken:
        log.warning("%d rows hold half a character (a lone surrogate), read as U+FFFD; the first is %s.", broken, first)


def _every_row(dataset: "Dataset") -> LoadedSet:
    """Every row with a question, also those that repeat or contradict another, or have no gold that can be judged."""
    _check_size(dataset)
    read, commit = _read(dataset)
    rows = list(read)
    asked = [problem for problem in rows if problem.question]
    size = dataset.size or len(asked)
    if len(asked) < (dataset.size or 1):
        raise _too_few(dataset, {"rows": len(rows), "empty": len(rows) - len(asked)}, len(asked))
    order = sorted(range(len(asked)), key=lambda row: _place(dataset, asked[row], str(row)))
    kept = [asked[row] for row in sorted(order[:size])]
    counts = {"rows": len(rows), "empty": len(rows) - len(asked), "not_sampled": len(asked) - size, "kept": size}
    _compare_with_expected(dataset, len(rows))
    return LoadedSet(kept, counts, commit=commit)


def _check_size(dataset: "Dataset") -> None:
    if dataset.size is not None and dataset.size < 1:
        raise UserError(f"dataset.size={dataset.size}: must be at least 1, or left out for the whole set.")


def _place(dataset: "Dataset", problem: Problem, row: str = "") -> bytes:
    """Where a problem comes when `size` are to be taken: by its hash with the seed."""
    return hashlib.sha256(f"{dataset.seed} {problem.id}{row and f' {row}'}".encode()).digest()


def _distinct_problems(dataset: "Dataset") -> tuple[list[Problem], dict[str, int], str | None]:
    """Each question once, with its gold; the counts of what was left out; the commit of the hub."""
    _check_size(dataset)
    rows = empty = no_answer = 0
    by_id: dict[str, list[Problem]] = {}
    problems, commit = _read(dataset)
    for problem in problems:
        rows += 1
        if not (problem.question and problem.gold):
            empty += 1
        elif _NO_ANSWER.fullmatch(problem.gold):
            no_answer += 1
        else:
            by_id.setdefault(problem.id, []).append(problem)
    at_odds = {key for key, same in by_id.items() if len({_spelling(problem.gold) for problem in same}) > 1}
    found = [same[0] for key, same in by_id.items() if key not in at_odds]
    conflicting = sum(len(by_id[key]) for key in at_odds)
    duplicates = rows - empty - no_answer - conflicting - len(found)
    counts = {"rows": rows, "empty": empty, "no_answer": no_answer}
    counts |= {"duplicates": duplicates, "conflicting": conflicting}
    if len(found) < (dataset.size or 1):
        raise _too_few(dataset, counts, len(found))
    return found, counts, commit


def _spelling(gold: str) -> str:
    r"""The gold without what only sets it: `\dfrac12 ` and `\frac12` are one answer."""
    for decoration, plain in ((r"\dfrac", r"\frac"), (r"\tfrac", r"\frac"), (r"\left", ""), (r"\right", "")):
        gold = gold.replace(decoration, plain)
    return "".join(gold.split())


def _gradable(problems: Sequence[Problem], dataset: "Dataset") -> tuple[list[Problem], int]:
    """The first `size` problems, by their hash with the seed, whose gold parses; in their old order.

    Also says how many golds did not parse. No more are looked at than `size` needs.
    """
    left = sorted(problems, key=lambda problem: _place(dataset, problem))
    size = dataset.size or len(problems)
    kept: set[str] = set()
    unparsed = 0
    with closing(Grader()) as grader:
        while left and (short := size - len(kept)):
            batch, left = left[:short], left[short:]
            good = grader.golds_parse([problem.gold for problem in batch])
            kept |= {problem.id for problem, parses in zip(batch, good, strict=True) if parses}
            unparsed += good.count(False)
    return [problem for problem in problems if problem.id in kept], unparsed


def _generated(dataset: "Dataset") -> LoadedSet:
    makers = {"arithmetic": _arithmetic, "reasoning_gym": _reasoning_gym}
    if dataset.generator not in makers:
        raise UserError(f"There is no generator {dataset.generator!r} of problems; choose {' or '.join(makers)}.")
    if not dataset.size or dataset.size < 1:
        raise UserError(f"The data set {dataset.name} is generated: dataset.size must say how many problems to make.")
    problems, score = makers[dataset.generator](dataset)
    return LoadedSet(problems, {"rows": len(problems), "kept": len(problems)}, score)


def _arithmetic(dataset: "Dataset") -> tuple[list[Problem], None]:
    from tina.tiny import task

    options = dict(dataset.generator_options)
    known = [name for name in inspect.signature(task.problems).parameters if name not in ("split", "size", "seed")]
    if unknown := [name for name in options if name not in known]:
        raise UserError(f"The arithmetic generator has no option {unknown[0]!r}; it takes {', '.join(known)}.")
    terms = options.get("terms", [4, 5])
    match terms:
        case [int(fewest), int(most)] if 2 <= fewest <= most:
            return task.problems(dataset.split, dataset.size, dataset.seed, terms=(fewest, most)), None
    raise UserError(f"dataset.generator_options.terms must be [fewest, most], from 2 terms on, not {terms!r}.")


def _reasoning_gym(dataset: "Dataset") -> tuple[list[Problem], Callable[[str, str | None], float]]:
    return gym.problems(dict(dataset.generator_options), dataset.size, dataset.seed)


def _compare_with_expected(dataset: "Dataset", rows: int) -> None:
    """A Hub set that is not of its old size is told about: it is no longer what the paper's authors trained on."""
    expected = dataset.expected_rows
    if dataset.path or not expected or abs(rows - expected) <= ROWS_TOLERANCE * expected:
        return
    log.warning("%s now has %d rows on the Hub, not %d as when it was used.", dataset.hub_id, rows, expected)


def _too_few(dataset: "Dataset", counts: dict[str, int], usable: int) -> UserError:
    why = ", ".join(f"{name} {number}" for name, number in counts.items())
    asked = f"{usable} usable problems, not dataset.size={dataset.size}" if usable else "no problem to train on"
    return UserError(f"The data set {dataset.name} ({dataset.path or dataset.hub_id}) holds {asked}: {why}.")
