"""`python -m tina.data`: every set of conf/dataset loads into the fields, and mistakes are told with exit code 2."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tina.data.__main__ import GROUP, configured, main
from tina.errors import UserError

SETS = sorted(file.stem for file in GROUP.glob("*.yaml"))
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", SETS)
def test_every_file_fits_the_fields_and_says_where_its_problems_come_from(name):
    dataset = configured(name)
    assert dataset.name == name
    assert dataset.columns.question
    sources = [dataset.hub_id, dataset.generator]
    assert sum(map(bool, sources)) == (0 if name == "file" else 1)
    if dataset.hub_id:
        assert dataset.expected_rows > 1000
        assert dataset.columns.answer or dataset.columns.solution


@pytest.mark.parametrize("name", SETS)
def test_every_file_begins_with_what_it_is(name):
    assert (GROUP / f"{name}.yaml").read_text(encoding="utf-8").startswith("# ")


def test_the_sets_of_the_paper_have_their_sizes(capsys):
    main([])
    listed = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")}
    assert set(listed) == set(SETS)
    assert "1,389" in listed["limr"] and "GAIR/LIMR" in listed["limr"]
    assert "40,315" in listed["deepscaler"]
    assert "(OpenThoughts-114k-math-default)" in listed["openthoughts"]


def test_a_set_is_described(capsys):
    main(["arithmetic", "size=20", "--show", "2"])
    said = capsys.readouterr().out
    assert "integer 20" in said
    assert said.count("gold: ") == 2
    assert "kept          20" in said


def test_a_local_copy_takes_the_place_of_the_hub(tmp_path, capsys):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"question": "a", "answer": "\\\\frac{1}{2}"}\n{"question": "b", "answer": "7"}\n')
    main(["still3", f"dataset.path={path}"])
    said = capsys.readouterr().out
    assert str(path) in said and "fraction 1" in said and "integer 1" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["deepscalr"], "deepscaler"),
        (["deepscaler", "szie=3"], "size"),
        (["deepscaler", "columns.qestion=text"], "columns.question"),
        (["deepscaler", "size=many"], "dataset.size"),
        (["deepscaler", "size"], "key=value"),
        (["deepscaler", "path=/no/such/file.jsonl"], "/no/such/file.jsonl"),
    ],
)
def test_a_mistake_is_told_in_one_line_with_exit_code_2(arguments, words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    said = capsys.readouterr()
    assert stopped.value.code == 2
    assert words in said.err and said.err.count("\n") == 1
    assert not said.out


def test_a_field_of_the_wrong_type_in_a_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tina.data.__main__.GROUP", tmp_path)
    (tmp_path / "odd.yaml").write_text("# odd\nname: odd\nseed: first\n")
    with pytest.raises(UserError, match=r"dataset\.seed"):
        configured("odd")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_without_the_hub_the_way_out_is_named(tmp_path):
    ended = run("-m", "tina.data", "still3", HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path))
    assert ended.returncode == 2
    assert "RUC-AIBOX/STILL-3-Preview-RL-Data" in ended.stderr and "dataset.path=" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_no_torch_comes_in_with_the_data():
    modules = ["columns", "contamination", "gym", "loading", "problem", "prompts", "rows"]
    code = "; ".join(f"import tina.data.{name}" for name in modules)
    heavy = "{'torch', 'transformers', 'datasets', 'pyarrow', 'math_verify', 'reasoning_gym'}"
    ended = run("-c", f"import sys; {code}; print(sorted({heavy} & set(sys.modules)))")
    assert ended.stdout.strip() == "[]", ended.stderr
