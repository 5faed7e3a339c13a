"""What a data set's rows become, and that everything left out is counted under its reason."""

import datetime
import decimal
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tina.data.__main__ import configured
from tina.data.loading import check_dataset, load_problems
from tina.errors import UserError
from tina.schema import Columns, Dataset

TRAIN = Path(__file__).parents[3] / "shared" / "data" / "train"


def sample(name: str) -> Path:
    path = TRAIN / name
    if not path.exists():
        pytest.skip(f"needs the sample {name} in ../shared/data/train")
    return path


def written(path: Path, rows: list[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def dataset(path: Path, **fields) -> Dataset:
    return Dataset(name="mine", path=str(path), **fields)


def refused(given: Dataset) -> str:
    with pytest.raises(UserError) as error:
        load_problems(given)
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "file", "question", "gold"),
    [
        ("limr", "limr.train.jsonl", "Find the sum of the coefficients in the polynomial", "5"),
        ("deepscaler", "deepscaler.train_math.jsonl", "Suppose $d\\not=0$.", "42"),
        ("deepscaler", "deepscaler.train_aime.jsonl", "Let $x$, $y$ and $z$ all exceed $1$", "60"),
        ("open_rs", "deepscaler.train_math.jsonl", "Suppose $d\\not=0$.", "42"),
        ("file", "gsm8k.r1zero.jsonl", "Tony exercises every morning", "21"),
    ],
)
def test_real_samples_are_read_whole(name, file, question, gold):
    whole = configured(name, [f"path={sample(file)}"])
    check_dataset(whole)
    loaded = load_problems(whole)
    assert loaded.counts["rows"] == 200
    assert loaded.counts["kept"] == len(loaded.problems) >= 195
    assert [p.gold for p in loaded.problems if p.question.startswith(question)] == [gold]


def test_the_messages_of_limr_lead_to_the_same_questions():
    plain = load_problems(configured("limr", [f"path={sample('limr.train.jsonl')}", "size=20"]))
    nested = load_problems(
        configured(
            "limr", [f"path={sample('limr.train.jsonl')}", "size=20", "columns.question=context_messages.1.content"]
        )
    )
    assert plain.problems == nested.problems


def test_the_open_rs_sample_loads_with_its_own_columns():
    loaded = load_problems(configured("open_rs", [f"path={sample('open-rs.schema_sample.jsonl')}"]))
    assert [p.gold for p in loaded.problems] == ["\\frac{8}{17}", "-\\frac{3}{2}"]


def test_ii_thoughts_messages_and_text_of_json_are_opened(tmp_path):
    rows = [
        {
            "messages": [{"role": "user", "content": "What is 6 times 7?"}],
            "verification_info": json.dumps({"answer": {"value": "42"}, "type": "math"}),
            "source": "made up",
        },
        {
            "messages": [{"role": "user", "content": "What is half of 1?"}],
            "verification_info": '{"answer": {"value": 0.5}}',
        },
    ]
    loaded = load_problems(configured("ii_thought", [f"path={written(tmp_path / 'ii.jsonl', rows)}"]))
    assert [(p.question, p.gold) for p in loaded.problems] == [
        ("What is 6 times 7?", "42"),
        ("What is half of 1?", "0.5"),
    ]


def test_openr1_takes_the_answer_and_the_last_box_where_there_is_none(tmp_path):
    row = {"problem_type": "Algebra", "source": "x", "generations": ["<think>...</think>"] * 2, "uuid": "1"}
    rows = [
        {**row, "problem": "Solve $x-3=0$.", "solution": "So $x=\\boxed{2}$, no: $x=\\boxed{3}$.", "answer": "$3$"},
        {**row, "problem": "Halve $1$.", "solution": "First \\boxed{7}; then \\boxed{\\frac{1}{2}}.", "answer": ""},
        {**row, "problem": "Prove it.", "solution": "Clearly.", "answer": None},
    ]
    path = tmp_path / "openr1.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    loaded = load_problems(configured("openr1", [f"path={path}"]))
    assert [p.gold for p in loaded.problems] == ["3", "\\frac{1}{2}"]
    assert loaded.counts["empty"] == 1


def test_openthoughts_has_only_worked_solutions(tmp_path):
    rows = [{"problem": "Add 2 and 2.", "solution": "It is $\\boxed{4}$.", "conversations": [], "correct": True}]
    loaded = load_problems(configured("openthoughts", [f"path={written(tmp_path / 'o.jsonl', rows)}"]))
    assert loaded.problems[0].gold == "4"


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("$\\frac{1}{2}$", "\\frac{1}{2}"),
        ("$$ 5 $$", "5"),
        ("\\(7\\)", "7"),
        ("\\boxed{8}", "8"),
        ("$\\boxed{x+1}$", "x+1"),
        ("$2$ or $3$", "$2$ or $3$"),
        ("\\boxed{2} or \\boxed{3}", "\\boxed{2} or \\boxed{3}"),
        (27.0, "27"),
        (-3, "-3"),
        (["9.6\n"], "9.6"),
        (True, "True"),
        (float("inf"), "\\infty"),
        (float("-inf"), "-\\infty"),
    ],
)
def test_golds_are_bare(tmp_path, answer, gold):
    loaded = load_problems(dataset(written(tmp_path / "a.jsonl", [{"problem": "q", "answer": answer}])))
    assert loaded.problems[0].gold == gold


def test_every_row_is_kept_or_counted_under_its_reason(tmp_path):
    rows = [
        {"problem": "kept", "answer": "1"},
        {"problem": "kept", "answer": "1"},
        {"problem": "set otherwise", "answer": "\\frac12"},
        {"problem": "set otherwise", "answer": "$\\dfrac12$"},
        {"problem": "at odds", "answer": "1"},
        {"problem": "at odds", "answer": "2"},
        {"problem": "at odds", "answer": "1"},
        {"problem": "  ", "answer": "1"},
        {"problem": "no gold", "answer": None},
        {"problem": "no gold either", "answer": "$$"},
        {"problem": "an empty list", "answer": []},
        {"problem": "no number", "answer": float("nan")},
        {"problem": "says that there is none", "answer": "None"},
        {"problem": "to be proven", "answer": "proof"},
        {"problem": "nothing to grade", "answer": "\\"},
    ]
    loaded = load_problems(dataset(written(tmp_path / "a.jsonl", rows)))
    assert [p.question for p in loaded.problems] == ["kept", "set otherwise"]
    assert loaded.counts == {
        "rows": 15,
        "empty": 5,
        "no_answer": 2,
        "duplicates": 2,
        "conflicting": 3,
        "gold_unparsed": 1,
        "not_sampled": 0,
        "kept": 2,
    }


@pytest.mark.parametrize(
    ("file", "golds", "counts"),
    [
        ("nan.jsonl", ["3", "\\infty"], {"empty": 1}),
        ("pqnan.parquet", None, {"empty": 2}),
        ("strnone.jsonl", ["3"], {"no_answer": 6}),
        ("bool.jsonl", ["1", "True"], {}),
        ("emptylist.jsonl", ["3"], {"empty": 1}),
        ("pqdec.parquet", None, {}),
        ("csvlong.csv", None, {}),
        ("surr.jsonl", [str(number) for number in range(1, 9)], {}),
    ],
)
def test_rows_that_others_stumbled_over(file, golds, counts, shared, caplog):
    loaded = load_problems(dataset(shared / "cases" / "2-data" / file))
    left_out = ("empty", "no_answer", "duplicates", "conflicting", "gold_unparsed")
    assert {name: loaded.counts[name] for name in left_out if loaded.counts[name]} == counts
    assert golds is None or [problem.gold for problem in loaded.problems] == golds
    assert all(float(problem.gold) for problem in loaded.problems if golds is None)
    told = ["surr.jsonl, line 1" in record.getMessage() for record in caplog.records]
    assert told == ([True] if file == "surr.jsonl" else [])
    for problem in loaded.problems:
        problem.question.encode()


@pytest.mark.parametrize("gold", ["Na", "NA", "Unknown"])
def test_a_gold_that_may_be_a_word_or_an_element_is_kept(tmp_path, gold):
    loaded = load_problems(dataset(written(tmp_path / "a.jsonl", [{"problem": "q", "answer": gold}])))
    assert [problem.gold for problem in loaded.problems] == [gold]


@pytest.mark.parametrize("gold", ["None", "n/a", "N.A.", "N/A.", "NaN", "null", "-", "?", "Proof", "not found", "TBD"])
def test_a_gold_that_says_there_is_none_is_left_out(tmp_path, gold):
    rows = [{"problem": "q", "answer": gold}, {"problem": "r", "answer": "1"}]
    assert load_problems(dataset(written(tmp_path / "a.jsonl", rows))).counts["no_answer"] == 1


@pytest.mark.parametrize("gold", ["no solution", "-1", "A", "0"])
def test_a_gold_that_answers_is_kept(tmp_path, gold):
    assert load_problems(dataset(written(tmp_path / "a.jsonl", [{"problem": "q", "answer": gold}]))).counts["kept"] == 1


def test_decimals_and_dates_of_a_parquet_file(tmp_path):
    golds = [decimal.Decimal("0.50"), decimal.Decimal("1200.00"), decimal.Decimal("1E+3")]
    table = pa.table({"problem": ["a", "b", "c"], "answer": pa.array(golds, pa.decimal128(20, 2))})
    pq.write_table(table, tmp_path / "a.parquet")
    loaded = load_problems(dataset(tmp_path / "a.parquet"))
    assert [problem.gold for problem in loaded.problems] == ["0.50", "1200", "1000"]
    pq.write_table(pa.table({"problem": ["a"], "answer": [datetime.date(2024, 1, 1)]}), tmp_path / "b.parquet")
    said = refused(dataset(tmp_path / "b.parquet"))
    assert "row 1" in said and "holds a date" in said and "dataset.columns.answer=<column>" in said


def test_a_folder_of_save_to_disk_is_told_to_be_one(tmp_path, shared):
    said = refused(dataset(shared / "cases" / "2-data" / "saved"))
    assert "save_to_disk" in said and "to_parquet" in said
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train"]}')
    assert "save_to_disk" in refused(dataset(tmp_path))


def test_a_smaller_size_is_a_part_of_a_larger_one_and_a_seed_chooses_others(tmp_path):
    path = written(tmp_path / "a.jsonl", [{"problem": f"q{i}", "answer": str(i)} for i in range(60)])
    small, large, other = (
        load_problems(dataset(path, size=size, seed=seed)).problems for size, seed in ((10, 0), (30, 0), (10, 1))
    )
    assert set(small) < set(large)
    assert set(small) != set(other)
    assert [int(p.gold) for p in large] == sorted(int(p.gold) for p in large)
    counts = load_problems(dataset(path, size=10)).counts
    assert counts["not_sampled"] == 50


def test_a_folder_of_files_is_one_set(tmp_path):
    written(tmp_path / "a.jsonl", [{"problem": "1+1", "answer": "2"}])
    (tmp_path / "b.json").write_text(json.dumps([{"problem": "2+2", "answer": "4"}]))
    pq.write_table(pa.Table.from_pylist([{"problem": "3+3", "answer": "6"}]), tmp_path / "c.parquet")
    (tmp_path / "README.md").write_text("not data")
    assert [p.gold for p in load_problems(dataset(tmp_path)).problems] == ["2", "4", "6"]


def test_a_csv_file_may_hold_commas_and_line_breaks_in_quotes(tmp_path):
    (tmp_path / "a.csv").write_text('answer,problem\n"1,5","a, b\nand ""c"""\n2,d\n')
    problems = load_problems(dataset(tmp_path / "a.csv")).problems
    assert [(p.question, p.gold) for p in problems] == [('a, b\nand "c"', "1,5"), ("d", "2")]


def test_a_line_separator_inside_a_text_ends_no_line(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"problem": "one\u2028two", "answer": "1"}\n\n{"problem": "three", "answer": "3"}\n', encoding="utf-8"
    )
    assert load_problems(dataset(path)).counts["rows"] == 2


def test_a_missing_column_is_named_with_file_line_and_what_is_there(tmp_path):
    path = written(tmp_path / "a.jsonl", [{"problem": "q", "answer": "1"}, {"problm": "q", "answer": "1"}])
    said = refused(dataset(path))
    assert f"{path}, line 2" in said
    assert "'problem'" in said and "problm" in said
    assert "dataset.columns.question" in said


def test_a_missing_nested_column_is_named_by_its_whole_path(tmp_path):
    path = written(tmp_path / "a.jsonl", [{"problem": "q", "reward": {"ground_truth": "1"}}])
    said = refused(dataset(path, columns=Columns(answer="reward.ground_trth")))
    assert "reward.ground_truth" in said and "dataset.columns.answer" in said


def test_a_missing_column_of_a_parquet_file_is_named_with_the_columns_it_has(tmp_path):
    pq.write_table(pa.Table.from_pylist([{"text": "q", "gold": "1"}]), tmp_path / "a.parquet")
    said = refused(dataset(tmp_path / "a.parquet"))
    assert "row 1" in said and "'problem'" in said and "text, gold" in said


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", b'{"problem": "q", "answer": "1"}\n{"problem": "q2", "ans\n', ["line 2", "not JSON"]),
        ("a.jsonl", b'{"problem": "q", "answer": "1"}\n{"problem": "\xff"}\n', ["line 2", "utf-8"]),
        ("a.jsonl", b"[1, 2]\n", ["line 1", "must be an object", "list"]),
        ("a.jsonl", b'{"problem": {"a": 1}, "answer": "1"}\n', ["line 1", "'problem'", "dict"]),
        ("a.jsonl", b'{"problem": "q", "answer": ["1", "2"]}\n', ["line 1", "'answer'", "list", "answer.0"]),
        ("a.json", b'[{"problem": "q"},\n {"problem" "r"}]', ["line 2", "not JSON"]),
        ("a.json", b'{"problem": "q", "answer": "1"}\n{"problem": "r", "answer": "1"}\n', ["line 2", ".jsonl"]),
        ("a.json", b'{"problem": "q"}', ["must hold a list"]),
        ("a.parquet", b"no parquet", ["not a readable parquet file"]),
        ("a.jsonl", b"", ["no problem to train on", "rows 0"]),
        ("a.jsonl", b'{"problem": "", "answer": "1"}\n', ["no problem to train on", "empty 1"]),
        ("a.txt", b"problem,answer\n", ["of no kind", ".jsonl"]),
        ("a.csv", b"problem,answer\nq,1\nq2\n", ["line 3", "not as many columns"]),
        ("a.csv", b'problem,answer\n"q"x,1\n', ["after line 1", "not CSV"]),
        ("a.csv", b"problem,answer\nq\xff,1\n", ["not CSV", "utf-8"]),
    ],
)
def test_a_broken_file_is_told_in_words(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    said = refused(dataset(tmp_path / name))
    assert all(word in said for word in [name, *words]), said
    with pytest.raises(UserError, match=words[0]):
        check_dataset(dataset(tmp_path / name))


def test_a_path_that_is_not_there_and_a_folder_without_data(tmp_path):
    assert f"no data file {tmp_path / 'x.jsonl'}" in refused(dataset(tmp_path / "x.jsonl"))
    assert "holds no data file" in refused(dataset(tmp_path))
    assert "says not where it comes from" in refused(Dataset(name="mine"))


def test_more_problems_than_there_are(tmp_path):
    path = written(tmp_path / "a.jsonl", [{"problem": "q", "answer": "1"}])
    assert "1 usable problems, not dataset.size=5" in refused(dataset(path, size=5))
    assert "at least 1" in refused(dataset(path, size=0))


def test_a_solution_column_is_only_asked_for_where_it_is_needed(tmp_path):
    rows = [{"problem": "q", "answer": "1"}, {"problem": "r", "answer": ""}]
    columns = Columns(solution="solution")
    assert load_problems(dataset(written(tmp_path / "a.jsonl", rows[:1]), columns=columns)).counts["kept"] == 1
    said = refused(dataset(written(tmp_path / "b.jsonl", rows), columns=columns))
    assert "line 2" in said and "'solution'" in said


def test_the_embedded_set_has_the_terms_that_were_asked_for():
    problems = load_problems(configured("arithmetic", ["size=50", "generator_options.terms=[3,3]"])).problems
    assert len({p.id for p in problems}) == 50
    assert all(len(p.question.removeprefix("Compute ").replace("-", "+").split("+")) == 3 for p in problems)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("generator=arithmetics", "no generator 'arithmetics'"),
        ("generator_options.trems=[3,4]", "no option 'trems'"),
        ("generator_options.terms=4", "[fewest, most]"),
        ("generator_options.terms=[5,4]", "[fewest, most]"),
        ("size=null", "dataset.size must say"),
    ],
)
def test_a_generator_that_cannot_run_is_refused(override, words):
    assert words in refused(configured("arithmetic", [override]))


def hub_copy(tmp_path: Path, monkeypatch, rows: list[dict]) -> Dataset:
    """A set that the real `datasets` library loads by its id, which may also be a folder."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "set"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(rows), folder / "train.parquet")
    return Dataset(name="mine", hub_id=str(folder))


def test_a_hub_set_is_read_and_its_changed_size_is_told(tmp_path, monkeypatch, caplog):
    given = hub_copy(tmp_path, monkeypatch, [{"problem": f"q{i}", "answer": str(i), "more": "x"} for i in range(4)])
    assert [p.gold for p in load_problems(given).problems] == ["0", "1", "2", "3"]
    assert not caplog.records
    given.expected_rows = 8
    load_problems(given)
    assert "4 rows on the Hub, not 8" in caplog.text
    given.split = "trian"
    said = refused(given)
    assert "trian" in said and "dataset.path=" in said


def test_a_missing_column_of_a_hub_set_is_named(tmp_path, monkeypatch):
    given = hub_copy(tmp_path, monkeypatch, [{"prompt": "q", "answer": "1"}])
    said = refused(given)
    assert "row 1" in said and "'problem'" in said and "prompt" in said


def test_a_local_sample_of_a_hub_set_is_not_held_against_its_size(tmp_path, caplog):
    path = written(tmp_path / "a.jsonl", [{"question": "q", "answer": "1"}])
    load_problems(configured("still3", [f"path={path}"]))
    assert not caplog.records


def test_the_check_before_the_start_leaves_the_hub_alone():
    check_dataset(Dataset(name="mine", hub_id="nobody/no-such-set"))


def test_as_released_keeps_every_row_that_asks_something(tmp_path) -> None:
    rows = [
        {"problem": "1+1", "answer": "2"},
        {"problem": "1+1", "answer": "2"},
        {"problem": "2+2", "answer": "4"},
        {"problem": "2+2", "answer": "5"},
        {"problem": "Why?", "answer": "no number \\frac{"},
        {"problem": "3+3", "answer": ""},
        {"problem": "", "answer": "1"},
    ]
    path = written(tmp_path / "rows.jsonl", rows)
    sound, released = load_problems(dataset(path)), load_problems(dataset(path, filter="as_released"))
    assert [problem.question for problem in sound.problems] == ["1+1", "Why?"] or len(sound.problems) == 1
    assert [problem.question for problem in released.problems] == ["1+1", "1+1", "2+2", "2+2", "Why?", "3+3"]
    assert released.counts == {"rows": 7, "empty": 1, "not_sampled": 0, "kept": 6}
    some = load_problems(dataset(path, filter="as_released", size=3))
    assert len(some.problems) == 3 and some.counts["not_sampled"] == 3
    check_dataset(dataset(path, filter="as_released"))
    assert "dataset.size=0: must be at least 1" in refused(dataset(path, filter="as_released", size=0))
    with pytest.raises(UserError, match=r"holds 6 usable problems, not dataset\.size=7"):
        load_problems(dataset(path, filter="as_released", size=7))


def test_a_pipe_is_no_data_file(tmp_path) -> None:
    os.mkfifo(tmp_path / "a.jsonl")
    assert "is no regular file" in refused(dataset(tmp_path / "a.jsonl"))
    assert "holds no data file" in refused(dataset(tmp_path))
