"""The grader against public material: labelled cases, benchmark golds, real completions (-s shows the numbers)."""

import json
import random
import re
from collections import Counter
from pathlib import Path

import pytest

from tina.grading import Grader

CONTESTED = {
    "cdbc4aced6cb": "a list without brackets has no order",
    "bae86c66b143": "10cm is 10, like 10 cm",
    "838aaf31917a": "x in [-2, 7] and -2 <= x <= 7 say the same, whichever is the gold",
    "fb3a092cb075": "a line break inside a formula changes nothing",
}
"""Labels of `grading/dev.jsonl` that this grader rejects, by the cases' ids, and why."""


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def boxed(solution: str) -> str:
    """The content of a solution's last box, by counting braces."""
    start = solution.rindex("{", 0, solution.rindex("boxed") + 6)
    depth = 0
    for index in range(start, len(solution)):
        depth += (solution[index] == "{") - (solution[index] == "}")
        if depth == 0:
            return solution[start + 1 : index]
    raise ValueError(solution)


def golds(shared: Path, benchmark: str) -> list[str]:
    folder = shared / "data" / "benchmarks"
    match benchmark:
        case "aime24" | "aime25":
            return [boxed(row["solution"]) for row in rows(folder / f"{benchmark}.still.jsonl")]
        case "amc23":
            return [str(row["answer"]) for row in rows(folder / "amc23.qwen.jsonl")]
        case "math500":
            return [row["answer"] for row in rows(folder / "math500.still.jsonl")]
        case "minerva":
            return [boxed(row["solution"]) for row in rows(folder / "minerva.qwen.jsonl")]
    return [row["answer"][0].strip() for row in rows(folder / "minerva.deepscaler.jsonl")]


@pytest.mark.parametrize("form", ["as given", "boxed"])
def test_labelled_cases_of_public_grader_suites(form: str, shared: Path, grader: Grader) -> None:
    cases = [row for row in rows(shared / "grading" / "dev.jsonl") if form == "as given" or row["kind"] == "bare"]
    predictions = [row["pred"] if form == "as given" else f"\\boxed{{{row['pred']}}}" for row in cases]
    grades = grader.grade([row["gold"] for row in cases], predictions)
    counts: dict[str, Counter] = {}
    for row, grade in zip(cases, grades, strict=True):
        said, label = grade.verdict == "correct", row["correct"]
        kind = "agree" if said == label else ("false positive" if said else "false negative")
        counts.setdefault(row["source"].split()[0], Counter())[kind] += 1
        assert said == label or row["id"] in CONTESTED, (row["gold"], row["pred"], label, grade)
    print(f"\n{form}: {len(cases)} cases, {sum(count['agree'] for count in counts.values())} agree")
    for source, count in counts.items():
        print(f"  {source:45} {dict(count)}")
    independent = [row["id"] for row in cases if not row["grader_own"] and not row["policy_tags"]]
    assert independent and not CONTESTED.keys() & set(independent)


def test_answers_that_users_of_public_graders_reported(shared: Path, grader: Grader) -> None:
    cases = rows(shared / "cases" / "1-grader" / "pairs.jsonl")
    grades = grader.grade([case["gold"] for case in cases], [case["completion"] for case in cases])
    other = [(case, grade) for case, grade in zip(cases, grades, strict=True) if grade.verdict != case["right"]]
    assert other == []


@pytest.mark.parametrize("benchmark", ["aime24", "aime25", "amc23", "math500", "minerva", "minerva of DeepScaleR"])
def test_benchmark_golds_repeated_are_correct_and_with_another_number_wrong(
    benchmark: str, shared: Path, grader: Grader
) -> None:
    answers = golds(shared, benchmark)
    assert all(grader.golds_parse(answers))
    repeated = grader.grade(answers, [f"So the answer is $\\boxed{{{answer}}}$." for answer in answers])
    assert [
        (answer, grade) for answer, grade in zip(answers, repeated, strict=True) if grade.verdict != "correct"
    ] == []
    generator = random.Random(0)
    for _ in range(3):
        changed = [(answer, with_another_number(answer, generator)) for answer in answers if re.search(r"\d", answer)]
        grades = grader.grade([gold for gold, _ in changed], [f"\\boxed{{{other}}}" for _, other in changed])
        assert [(*pair, grade) for pair, grade in zip(changed, grades, strict=True) if grade.verdict != "wrong"] == []


def with_another_number(answer: str, generator: random.Random) -> str:
    found = generator.choice(list(re.finditer(r"\d+", answer)))
    number = int(found[0]) + generator.choice([1, 2, 10])
    return answer[: found.start()] + str(number).zfill(len(found[0])) + answer[found.end() :]


def test_minervas_e_notation_is_right_in_latex(shared: Path, grader: Grader) -> None:
    found = [re.fullmatch(r"(-?[\d.]+)[eE](-?\d+)", gold) for gold in golds(shared, "minerva")]
    cases = [(match[0], f"$\\boxed{{{match[1]} \\times 10^{{{match[2]}}}}}$") for match in found if match]
    grades = grader.grade(*zip(*cases, strict=True))
    assert [grade.verdict for grade in grades] == ["correct"] * 58


def test_real_completions_agree_with_their_stored_verdicts(shared: Path, grader: Grader) -> None:
    problems = rows(shared / "data" / "completions" / "qwen25math_math50x8.jsonl")
    cases = [
        (row["gold"], completion, stored)
        for row in problems
        for completion, stored in zip(row["completions"], row["correct"], strict=True)
    ]
    grades = grader.grade([case[0] for case in cases], [case[1] for case in cases])
    other = [
        (gold, grade.answer, stored)
        for (gold, _, stored), grade in zip(cases, grades, strict=True)
        if (grade.verdict == "correct") != stored
    ]
    print(f"\n{len(cases)} completions, {len(other)} disagreements: {other}")
    assert other == [
        ("10{,}000", "10000", False)
    ]  # ten thousand with a TeX thousands comma: the stored verdict is wrong


def test_calculated_answers_agree_with_the_golds(shared: Path, grader: Grader) -> None:
    problems = rows(shared / "data" / "completions" / "tora70b_gsm8k_200.jsonl")
    cases = [(row["gt"], code, pred) for row in problems for code, pred in zip(row["code"], row["pred"], strict=True)]
    grades = grader.grade([case[0] for case in cases], [case[1] for case in cases])
    for (gold, _, pred), grade in zip(cases, grades, strict=True):
        if re.fullmatch(r"-?\d+(\.\d+)?", pred or ""):
            assert (grade.verdict == "correct") == (abs(float(pred) - float(gold.replace(",", ""))) < 1e-6), (
                gold,
                pred,
                grade,
            )
