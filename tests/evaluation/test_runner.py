"""What is sampled, recorded, paid for again or not, and logged; without a model."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from analysis import runs
from tests.conftest import ROOT, environment
from tests.evaluation import killed
from tests.evaluation.fakes import CONTEXT, FakeSampler, evaluator, ignore, subject, task
from tina.cost import generation_flops
from tina.errors import UserError
from tina.evaluation import records
from tina.evaluation.meter import in_words
from tina.evaluation.runner import Evaluator, evaluate, pending, records_file
from tina.evaluation.scores import matrices, scores
from tina.evaluation.spent import Price
from tina.evaluation.task import batches
from tina.guards import exclusive
from tina.schema import Benchmarks, Hardware, Lora, Shape

PAPER = {"aime24": 30, "aime25": 30, "amc23": 40, "math500": 500, "gpqa_diamond": 198, "minerva": 272}


def test_each_sample_of_each_problem_is_recorded_once_and_in_order(tmp_path: Path) -> None:
    fake = evaluator([task("a", 6), task("b", 3)])
    found = evaluate(subject(tmp_path), fake, FakeSampler(), ignore)
    assert [(r.benchmark, r.problem_id, r.sample) for r in found] == [
        (name, f"{name}-{i}", sample) for name, n in (("a", 6), ("b", 3)) for sample in (0, 1) for i in range(n)
    ]
    assert {r.verdict for r in found} == {"correct", "wrong"}
    on_disk = [record for t in fake.tasks for record in records.read(records_file(subject(tmp_path), t, fake))]
    assert on_disk == found


def test_the_same_again_asks_for_nothing_and_gives_the_same(tmp_path: Path) -> None:
    fake = evaluator([task("a", 6)])
    first = evaluate(subject(tmp_path), fake, FakeSampler(), ignore)
    assert pending(subject(tmp_path), fake) == 0
    assert evaluate(subject(tmp_path), fake, None, ignore) == first


def test_more_samples_and_more_benchmarks_pay_only_for_what_is_new(tmp_path: Path) -> None:
    once = evaluator([task("a", 6)], samples=1)
    first = evaluate(subject(tmp_path), once, FakeSampler(), ignore)
    more = evaluator([task("a", 6), task("b", 4)], samples=3)
    assert pending(subject(tmp_path), more) == 2 * 6 + 3 * 4
    sampler = FakeSampler()
    found = evaluate(subject(tmp_path), more, sampler, ignore)
    assert sum(len(prompts) for prompts, _ in sampler.calls) == 2 * 6 + 3 * 4
    assert [r for r in found if r.benchmark == "a" and r.sample == 0] == first
    assert found == evaluate(subject(tmp_path / "fresh"), more, FakeSampler(), ignore)


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.7},
        {"top_p": 0.9},
        {"max_new_tokens": 90},
        {"seed": 43},
    ],
)
def test_another_sampling_is_another_evaluation(tmp_path: Path, change: dict) -> None:
    evaluate(subject(tmp_path), evaluator([task("a", 6)]), FakeSampler(), ignore)
    assert pending(subject(tmp_path), evaluator([task("a", 6)], **change)) == 12


def test_another_step_model_prompt_gold_or_grading_is_another_evaluation(tmp_path: Path) -> None:
    fake, one = evaluator([task("a", 6)]), subject(tmp_path)
    evaluate(one, fake, FakeSampler(), ignore)
    other_prompt = replace(fake.tasks[0], items=[replace(i, prompt=i.prompt + "!") for i in fake.tasks[0].items])
    other_gold = replace(fake.tasks[0], items=[replace(i, gold="7") for i in fake.tasks[0].items])
    assert pending(replace(one, step=20), fake) == 12
    assert pending(replace(one, fingerprint="x"), fake) == 12
    assert pending(one, replace(fake, tasks=[other_prompt])) == 12
    assert pending(one, replace(fake, tasks=[other_gold])) == 12
    assert pending(one, replace(fake, grading=replace(fake.grading, mode="as_released"))) == 12


def test_a_prompt_that_is_too_long_is_counted_as_wrong_and_not_asked(tmp_path: Path) -> None:
    room = CONTEXT - 100
    fake = evaluator([task("a", 6, lambda i: room + (i == 2))], samples=1)
    sampler = FakeSampler(skill=1.0)
    found = evaluate(subject(tmp_path), fake, sampler, ignore)
    assert [prompt for prompts, _ in sampler.calls for prompt in prompts] == ["a 0", "a 1", "a 3", "a 4", "a 5"]
    assert [r.verdict for r in found] == ["correct", "correct", "wrong", "correct", "correct", "correct"]
    assert found[2].reason == "prompt too long: 101 + 100 of 200 tokens"
    measured = scores(found)
    assert (measured["a/n_problems"], measured["a/mean"], measured["a/too_long"]) == (6, 5 / 6, 1 / 6)


def test_a_benchmark_none_of_whose_prompts_fit_asks_for_nothing(tmp_path: Path) -> None:
    fake = evaluator([task("a", 6, lambda i: CONTEXT)], samples=1)
    sampler = FakeSampler()
    assert scores(evaluate(subject(tmp_path), fake, sampler, ignore))["a/mean"] == 0
    assert sampler.calls == []


@pytest.mark.parametrize("base_seed", [0, 42, 43])
def test_no_two_batches_of_ten_samples_of_the_papers_sets_share_a_seed(base_seed: int) -> None:
    config = Benchmarks("paper_mean10", list(PAPER), samples=10, seed=base_seed)
    seeds = [batch.seed for name, n in PAPER.items() for batch in batches(task(name, n), config, "run")]
    assert len(seeds) == len(set(seeds)) > 90


def test_two_seeds_of_an_evaluation_share_no_batch_seed() -> None:
    one, other = (
        {batch.seed for batch in batches(task("math500", 500), Benchmarks("b", samples=10, seed=seed), "run")}
        for seed in (42, 43)
    )
    assert not one & other


def test_a_line_that_was_cut_off_is_written_again(tmp_path: Path) -> None:
    fake = evaluator([task("a", 6)])
    whole = evaluate(subject(tmp_path), fake, FakeSampler(), ignore)
    path = records_file(subject(tmp_path), fake.tasks[0], fake)
    data = path.read_bytes()
    for cut in (0, 1, 150, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:cut])
        assert evaluate(subject(tmp_path), fake, FakeSampler(), ignore) == whole
        assert path.read_bytes().count(b"\n") == len(whole)


def test_reading_leaves_a_line_that_is_being_written_alone(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_bytes(b'{"benchmark": "a"')
    assert records.read(path) == []
    assert path.read_bytes() == b'{"benchmark": "a"'


def test_two_processes_do_not_append_to_the_same_records(tmp_path: Path) -> None:
    fake = evaluator([task("a", 6)])
    with (
        exclusive(records_file(subject(tmp_path), fake.tasks[0], fake).parent),
        pytest.raises(UserError, match="Another process is at work in"),
    ):
        evaluate(subject(tmp_path), fake, FakeSampler(), ignore)


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        evaluate(subject(tmp_path / "file"), evaluator([task("a", 2)]), FakeSampler(), ignore)


def test_scores_of_several_samples(tmp_path: Path) -> None:
    fake = evaluator([task("a", 5)], samples=3)
    found = evaluate(subject(tmp_path), fake, FakeSampler(), ignore)
    (matrix,) = matrices(found).values()
    measured = scores(found)
    assert measured["a/mean"] == pytest.approx(sum(map(sum, matrix)) / 15)
    assert measured["a/low"] < measured["a/mean"] < measured["a/high"]
    assert measured["a/pass_at_3"] == sum(any(row) for row in matrix) / 5
    assert measured["a/maj_at_3"] == sum(sum(row) >= 2 for row in matrix) / 5  # the wrong ones all say -1
    assert (measured["a/n_problems"], measured["a/n_samples"], measured["a/mean_tokens"]) == (5, 3, 3)


def ended(outputs: Path) -> runs.Logs:
    """The logs below a folder, once all have their end: W&B's process may write on after a run is finished."""
    deadline = time.monotonic() + 30
    while (logs := runs.load({"name": "offline", "root": str(outputs)})).runs.state.eq("running").any():
        assert time.monotonic() < deadline, logs.runs.damage
        time.sleep(0.05)
    return logs


def test_what_wandb_holds_and_that_it_is_logged_once(tmp_path: Path) -> None:
    fake = evaluator([task("a", 4)], mode="offline", samples=1)
    found = evaluate(subject(tmp_path), fake, FakeSampler(), ignore)
    evaluate(subject(tmp_path), fake, None, ignore)
    logs = ended(tmp_path)
    (row,) = logs.runs.to_dict("records")
    assert (row["job_type"], row["group"], row["state"], row["segments"]) == ("eval", "run", "finished", 1)
    assert {"train_id": "run", "model": "fake", "step": 10, "benchmark_set": "fake"}.items() <= row["config"].items()
    assert set(row["config"]["cfg"]) == {"benchmarks", "sampler", "grading"}
    assert row["summary"]["eval/a/mean"] == scores(found)["a/mean"]
    table = logs.problems
    columns = table[["problem", "sample", "seed", "verdict", "tokens"]].itertuples(index=False, name=None)
    assert list(columns) == [(r.problem_id, r.sample, r.seed, r.verdict, r.tokens) for r in found]


def test_an_evaluation_logs_what_it_took_over_a_kill_and_pays_nothing_twice(tmp_path: Path) -> None:
    def priced(n_samples: int) -> Evaluator:
        hardware = Hardware("gpu", processes=2, usd_per_hour=3600.0)
        price = Price(Shape(2, 8, 2, 1, 4, 16, 32), Lora("r2", rank=2), hardware)
        return replace(evaluator([task("a", 8), task("b", 4)], mode="offline", samples=n_samples), price=price)

    class Killed(FakeSampler):
        def __call__(self, *asked: object) -> list:
            if len(self.calls) == 1:
                raise KeyboardInterrupt
            return super().__call__(*asked)

    with pytest.raises(KeyboardInterrupt):
        evaluate(subject(tmp_path), priced(1), Killed(seconds=0.05), ignore)
    (spent,) = tmp_path.rglob("spent.jsonl")
    with spent.open("a") as file:
        file.write('\n{"evaluation": "cut o')
    evaluate(subject(tmp_path), priced(1), FakeSampler(seconds=0.05), ignore)
    evaluate(subject(tmp_path), priced(2), FakeSampler(seconds=0.05), ignore)
    evaluate(subject(tmp_path, step=0), priced(1), FakeSampler(), ignore)
    deadline = time.monotonic() + 30  # W&B's process writes on after the run was finished
    while True:
        rows = runs.load({"name": "offline", "root": str(tmp_path)}).runs.to_dict("records")
        if sum("eval/seconds" in row["summary"] for row in rows) == 3:
            break
        assert time.monotonic() < deadline
        time.sleep(0.1)
    told = {(row["config"]["step"], row["config"]["cfg"]["benchmarks"]["samples"]): row["summary"] for row in rows}
    batch = generation_flops(Shape(2, 8, 2, 1, 4, 16, 32), Lora("r2", rank=2), 4, 10, 3)
    base = generation_flops(Shape(2, 8, 2, 1, 4, 16, 32), None, 4, 10, 3)
    # Three batches of four were asked once, and three more for the second sample.
    assert told[10, 1]["eval/flops"] == told[10, 2]["eval/flops"] == pytest.approx(3 * batch)
    assert told[0, 1]["eval/flops"] == pytest.approx(3 * base)
    assert base < batch
    for summary in told.values():
        assert summary["eval/cost_usd"] == pytest.approx(summary["eval/seconds"])  # a dollar a second, of one GPU
    assert min(told[10, samples]["eval/seconds"] for samples in (1, 2)) >= 0.15


def test_what_a_killed_log_left_does_not_stand_beside_the_whole_one(tmp_path: Path) -> None:
    fake = evaluator([task("a", 4)], mode="offline", samples=1)
    evaluate(subject(tmp_path), fake, FakeSampler(), ignore)
    (done,) = tmp_path.rglob("evaluation.json")
    told = json.loads(done.read_text())
    done.unlink()  # as a kill between the log's last byte and the mark would leave it
    evaluate(subject(tmp_path), fake, None, ignore)
    deadline = time.monotonic() + 30  # W&B's process writes on after the run was finished
    while len((logs := runs.load({"name": "offline", "root": str(tmp_path)})).problems) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert list(logs.runs.segments) == [1]
    assert len(logs.problems) == 4
    assert json.loads(done.read_text()) == told


@pytest.mark.parametrize(("seconds", "words"), [(45, "45 s"), (600, "10 min"), (12000, "3 h 20 min")])
def test_the_time_left_is_told_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_ten_kills_at_random_moments_end_with_the_records_of_an_undisturbed_evaluation(tmp_path: Path) -> None:
    whole = killed.whole(tmp_path / "whole")
    size = str(killed.written(tmp_path / "whole"))
    command = [sys.executable, "-m", "tests.evaluation.killed", str(tmp_path / "killed"), size]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == killed.KILLS
    files = {
        path.relative_to(tmp_path / "whole"): path.read_bytes() for path in (tmp_path / "whole").rglob("records.jsonl")
    }
    assert len(files) == 4
    assert sum(data.count(b"\n") for data in files.values()) == len(whole) == 390
    for path, data in files.items():
        assert (tmp_path / "killed" / path).read_bytes() == data


@pytest.mark.parametrize("line", ["{", "[]", '{"benchmark": 3}', "\xff", "[" * 100_000])
def test_a_record_that_is_damaged_is_left_out_and_told(
    tmp_path: Path, line: str, capsys: pytest.CaptureFixture
) -> None:
    sound = records.Record("b", "p", 0, 1, None, "wrong", "", False, 3, False, "x")
    path = tmp_path / "records.jsonl"
    records.append(path, [sound])
    path.write_bytes(line.encode("latin-1") + b"\n" + path.read_bytes())
    assert records.read(path) == [sound]
    assert "left out" in capsys.readouterr().err
