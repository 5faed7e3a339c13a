"""What is in the benchmarks, where they come from, and what is said when they are not as they should be."""

import csv
import json
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tina.data.problem import Problem
from tina.errors import UserError
from tina.evaluation import benchmarks
from tina.evaluation.benchmark import LETTERS
from tina.evaluation.benchmarks import benchmark_names, check_benchmarks, get_benchmark, load_benchmark, load_benchmarks
from tina.grading import Grader
from tina.schema import Benchmarks

SAMPLES = ROOT.parent / "shared" / "data" / "benchmarks"

PAPER_SIZES = {"aime24": 30, "aime25": 30, "amc23": 40, "math500": 500, "gpqa_diamond": 198, "minerva": 272}


def write(path: Path, rows: list[dict]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def gpqa_row(number: int, **changes: str) -> dict:
    row = {"Question": f"How many protons has element {number}?", "Correct Answer": f"{number}"}
    row |= {f"Incorrect Answer {i}": f"{number + i}" for i in (1, 2, 3)} | {"Subdomain": "Chemistry", "Record ID": "x"}
    return row | changes


def test_the_papers_six_have_their_sizes() -> None:
    assert {name: get_benchmark(name).size for name in PAPER_SIZES} == PAPER_SIZES


def test_the_embedded_sets_are_there_offline_and_share_no_problem() -> None:
    loaded = load_benchmarks(Benchmarks("embedded", ["arithmetic_validation", "arithmetic_test"]))
    validation, test = ({problem.id for problem in problems} for problems in loaded.values())
    assert len(validation) == len(test) == 256
    assert not validation & test


@pytest.mark.parametrize(
    ("file", "first_gold"),
    [
        ("aime24.qwen", "204"),
        ("aime24.still", "204"),
        ("aime25.still", "70"),
        ("amc23.qwen", "27"),
        ("math500.still", r"\left( 3, \frac{\pi}{2} \right)"),
        ("minerva.qwen", "1.6"),
        ("minerva.deepscaler", "9.6"),
    ],
)
def test_local_copies_in_the_columns_of_their_sources_are_read(file: str, first_gold: str) -> None:
    path = SAMPLES / f"{file}.jsonl"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    name = file.split(".")[0]
    problems = load_benchmark(name, str(path))
    assert len(problems) == PAPER_SIZES[name]
    assert problems[0].gold == first_gold
    assert all(problem.question and problem.gold for problem in problems)


def test_the_answer_of_a_competition_is_right_without_its_leading_zeros() -> None:
    if not SAMPLES.exists():
        pytest.skip(f"{SAMPLES} is not there")
    grader = Grader(workers=1)
    for file in ("aime24.qwen", "aime25.still", "amc23.qwen"):
        golds = [problem.gold for problem in load_benchmark(file.split(".")[0], str(SAMPLES / f"{file}.jsonl"))]
        answers = [rf"\boxed{{{int(gold)}}}" for gold in golds]
        assert {grade.verdict for grade in grader.grade(golds, answers)} == {"correct"}
    grader.close()


def test_gpqa_letters_the_options_and_takes_the_correct_ones_letter_as_gold(tmp_path: Path) -> None:
    path = write(tmp_path / "gpqa.jsonl", [gpqa_row(n) for n in range(198)])
    problems = load_benchmark("gpqa_diamond", path)
    for number, problem in enumerate(problems):
        question, _, *options = problem.question.split("\n")
        assert question == f"How many protons has element {number}?"
        assert [option[:2] for option in options] == ["A)", "B)", "C)", "D)"]
        assert options[LETTERS.index(problem.gold)] == f"{problem.gold}) {number}"
    golds = [problem.gold for problem in problems]
    assert all(30 < golds.count(letter) < 70 for letter in "ABCD")


def test_gpqas_own_csv_file_is_read(tmp_path: Path) -> None:
    rows = [gpqa_row(n) for n in range(198)]
    with (tmp_path / "gpqa_diamond.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["Record ID", *rows[0]])
        writer.writeheader()
        writer.writerows({"Record ID": n, **row} for n, row in enumerate(rows))
    same = load_benchmark("gpqa_diamond", write(tmp_path / "gpqa.jsonl", rows))
    assert load_benchmark("gpqa_diamond", str(tmp_path / "gpqa_diamond.csv")) == same


def test_gpqas_order_of_options_depends_on_the_item_alone(tmp_path: Path) -> None:
    rows = [gpqa_row(n) for n in range(198)]
    forward = load_benchmark("gpqa_diamond", write(tmp_path / "a.jsonl", rows))
    backward = load_benchmark("gpqa_diamond", write(tmp_path / "b.jsonl", rows[::-1]))
    assert forward == backward[::-1]


def test_a_letter_is_graded_as_a_letter(tmp_path: Path) -> None:
    (problem,) = [Problem("q\n\nA) 1\nB) 2", "B")]
    grader = Grader(workers=1)
    grades = grader.grade([problem.gold] * 3, [r"\boxed{B}", "Answer: B", r"\boxed{A}"])
    grader.close()
    assert [grade.verdict for grade in grades] == ["correct", "correct", "wrong"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([gpqa_row(n) for n in range(197)], "has 198 problems, but .* holds 197"),
        ([{"Question": "q", "Correct Answer": "1"}], "line 1: there is no column 'Incorrect Answer 1'"),
        ([gpqa_row(1, **{"Correct Answer": " "})], "line 1: the column 'Correct Answer' is empty"),
    ],
)
def test_a_set_that_is_not_gpqa_is_refused_in_a_sentence(tmp_path: Path, rows: list[dict], words: str) -> None:
    with pytest.raises(UserError, match=words):
        load_benchmark("gpqa_diamond", write(tmp_path / "gpqa.jsonl", rows))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"prompt": "q", "answer": "1"}, "benchmark amc23 cannot be read. .* there is no column 'problem'"),
        ({"problem": "q", "answer": ""}, "the answer is empty"),
    ],
)
def test_a_missing_column_is_named_and_no_key_of_the_training_data(tmp_path: Path, row: dict, words: str) -> None:
    with pytest.raises(UserError, match=words) as refused:
        load_benchmark("amc23", write(tmp_path / "amc.jsonl", [row] * 40))
    assert "dataset." not in str(refused.value)


def test_a_path_that_is_not_there_names_the_key_to_mend() -> None:
    with pytest.raises(UserError, match=r"no data file nowhere.jsonl; give benchmarks.paths.aime24 a file"):
        load_benchmark("aime24", "nowhere.jsonl")


def test_a_gated_set_without_a_token_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")

    def refuse(*args: object) -> None:
        raise datasets.exceptions.DatasetNotFoundError("Dataset 'Idavidrein/gpqa' is a gated dataset on the Hub.\nmore")

    monkeypatch.setattr(datasets, "load_dataset", lambda *args, **kwargs: refuse())
    with pytest.raises(UserError, match=r"gated dataset on the Hub.*log in.*benchmarks.paths.gpqa_diamond="):
        load_benchmark("gpqa_diamond")


@pytest.mark.parametrize(
    "config",
    [
        Benchmarks("b", ["aime26"]),
        Benchmarks("b", ["aime24"], skip=["aime26"]),
        Benchmarks("b", ["aime24"], paths={"aime26": "x"}),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest_ones_without_the_network(config: Benchmarks) -> None:
    with pytest.raises(UserError, match="no benchmark aime26: did you mean aime2"):
        check_benchmarks(config)


def test_the_gate_asks_the_hub_for_nothing() -> None:
    check_benchmarks(Benchmarks("paper", list(PAPER_SIZES)))


def test_a_new_benchmark_is_one_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tina.evaluation.sets as sets

    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "mine.py").write_text(
        "from tina.evaluation.benchmark import Benchmark\nBENCHMARK = Benchmark(title='Mine', size=2)\n"
    )
    monkeypatch.setattr(benchmarks, "__file__", str(tmp_path / "benchmarks.py"))
    monkeypatch.setattr(sets, "__path__", [str(tmp_path / "sets")])
    assert benchmark_names() == ["mine"]
    path = write(tmp_path / "mine.jsonl", [{"problem": "1+1", "answer": 2}, {"problem": "1+2", "answer": 3}])
    assert [problem.gold for problem in load_benchmark("mine", path)] == ["2", "3"]
