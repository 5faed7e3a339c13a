"""From records to numbers: shares in [0, 1] with their intervals, per benchmark."""

from collections.abc import Sequence

from tina.evaluation.records import Record
from tina.statistics import maj_at_k, mean_interval, pass_at_k

TOO_LONG = "prompt too long"
"""How the reason begins of a record whose prompt the model cannot hold."""

Matrix = list[list[float]]
"""[problems, samples] of 0 and 1."""


def matrices(records: Sequence[Record]) -> dict[str, Matrix]:
    """The correctness matrix of each benchmark; what cannot be judged counts as wrong, and is counted apart."""
    found: dict[str, dict[str, list[float]]] = {}
    for record in records:
        rows = found.setdefault(record.benchmark, {})
        rows.setdefault(record.problem_id, []).append(float(record.verdict == "correct"))
    return {benchmark: list(rows.values()) for benchmark, rows in found.items()}


def scores(records: Sequence[Record]) -> dict[str, float]:
    """`<benchmark>/<what>` of every benchmark in the records.

    mean (mean@n) with low and high, its 95 % interval; n_problems, n_samples; with several samples also pass_at_<n> and
    maj_at_<n>; format, truncated, unjudged, too_long (shares of the samples); mean_tokens (of a completion).
    """
    result: dict[str, float] = {}
    for name, matrix in matrices(records).items():
        mine = [record for record in records if record.benchmark == name]
        estimate = mean_interval(matrix)
        found = {
            "mean": estimate.mean,
            "low": estimate.low,
            "high": estimate.high,
            "n_problems": estimate.n_problems,
            "n_samples": estimate.n_samples,
            **_at_n(mine, matrix, estimate.n_samples),
            "format": _share([record.format for record in mine]),
            "mean_tokens": sum(record.tokens for record in mine) / len(mine),
            "truncated": _share([record.truncated for record in mine]),
            "unjudged": _share([record.verdict == "unjudged" for record in mine]),
            "too_long": _share([record.reason.startswith(TOO_LONG) for record in mine]),
        }
        result |= {f"{name}/{what}": value for what, value in found.items()}
    return result


def _at_n(records: Sequence[Record], matrix: Matrix, n: int) -> dict[str, float]:
    """What all n samples together give: is one of them right, and is the most frequent answer."""
    if n == 1:
        return {}
    answers: dict[str, list[str | None]] = {}
    for record in records:
        answers.setdefault(record.problem_id, []).append(record.answer)
    return {
        f"pass_at_{n}": float(pass_at_k(matrix, n).mean()),
        f"maj_at_{n}": float(maj_at_k(list(answers.values()), matrix, n).mean()),
    }


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags)
