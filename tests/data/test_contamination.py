"""Benchmark questions in a training set: found word for word, half, or by a single 13-gram."""

import json
from pathlib import Path

import pytest

from tina.data.__main__ import configured
from tina.data.contamination import contamination
from tina.data.loading import load_problems
from tina.data.problem import Problem

SHARED = Path(__file__).parents[3] / "shared" / "data"

TALE = " ".join(f"word{i}" for i in range(30))


def counts(training: list[str], *questions: str) -> dict[str, int]:
    return contamination([Problem(text, "1") for text in training], {"bench": list(questions)})["bench"].counts()


def test_the_same_question_in_other_settings_is_found_word_for_word():
    asked = "Compute $\\dfrac{1}{2} + x$."
    assert counts(["compute  \\frac{1}{2}+x"], asked)["exact"] == 1
    assert counts(["Compute $\\left(3\\right)$"], "compute (3)")["exact"] == 1


@pytest.mark.parametrize("other", ["Compute 3-5", "Compute 3+51", "Compute -3+5"])
def test_another_sign_is_another_question(other):
    assert counts([other], "Compute 3+5") == {"exact": 0, "half": 0, "ngram": 0}


def test_thirteen_words_in_a_row_are_a_13_gram_and_twelve_are_not():
    words = TALE.split()
    assert counts(["something else " + " ".join(words[:13])], TALE) == {"exact": 0, "half": 0, "ngram": 1}
    assert counts(["something else " + " ".join(words[:12]) + " but " + " ".join(words[13:25])], TALE)["ngram"] == 0
    assert counts(["So: " + TALE.upper().replace(" ", ", ")], TALE) == {"exact": 0, "half": 1, "ngram": 1}


def test_half_of_a_question_must_stand_in_one_problem():
    words = TALE.split()
    pieces = [f"a {' '.join(words[:20])} z", f"b {' '.join(words[10:])} y"]  # 8 of 18 13-grams each
    assert counts(pieces, TALE) == {"exact": 0, "half": 0, "ngram": 1}
    assert counts([f"a {' '.join(words[:21])} z"], TALE)["half"] == 1


def test_short_questions_are_only_found_whole():
    assert counts(
        ["Please tell me: what is the sum of two and two, if you know?"], "What is the sum of two and two?"
    ) == {
        "exact": 0,
        "half": 0,
        "ngram": 0,
    }


def test_each_benchmark_is_counted_apart_with_the_problems_behind_it():
    problems = [Problem(TALE, "1"), Problem("unrelated", "2")]
    found = contamination(problems, {"one": [TALE, "other"], "two": [TALE + " indeed"], "three": ["nothing"]})
    assert found["one"].exact == {0} and found["one"].questions == 2
    assert found["two"].counts() == {"exact": 0, "half": 1, "ngram": 1}
    assert found["one"].problem_ids == found["two"].problem_ids == {problems[0].id}
    assert found["three"].problem_ids == set()


def benchmark(name: str) -> list[str]:
    path = SHARED / "benchmarks" / name
    if not path.exists():
        pytest.skip(f"needs the sample {name} in ../shared/data/benchmarks")
    return [json.loads(line)["problem"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_real_sets_against_real_benchmarks():
    questions = {"aime24": benchmark("aime24.still.jsonl"), "math500": benchmark("math500.still.jsonl")}
    aime = load_problems(
        configured("deepscaler", [f"path={SHARED / 'train' / 'deepscaler.train_aime.jsonl'}"])
    ).problems
    found = contamination(aime, questions)
    # AIME 1983-: no problem of 2024, though its closing sentences; one of MATH500 was an AIME problem of 1983
    assert found["aime24"].counts()["half"] == 0 < found["aime24"].counts()["ngram"]
    (number,) = found["math500"].exact
    assert "Determine the minimum value taken by $f(x)$" in questions["math500"][number]


def test_a_benchmark_is_found_whole_in_itself():
    questions = {name: benchmark(f"{name}.jsonl") for name in ("math500.still", "amc23.qwen", "minerva.qwen")}
    found = contamination([Problem(text, "1") for texts in questions.values() for text in texts], questions)
    assert {name: overlap.counts()["exact"] for name, overlap in found.items()} == {
        name: len(texts) for name, texts in questions.items()
    }
