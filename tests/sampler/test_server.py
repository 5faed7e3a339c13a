"""A real vLLM server that several runs sample from; also one that is not there, dies, and comes back."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import ENVIRONMENT, ROOT, environment, finished, interrupt_after, run, start
from tests.evaluation.conftest import made_run  # noqa: F401
from tests.sampler.test_defaults import demanding_model
from tests.test_trainer import composed
from tina.errors import TRY_LATER, UserError
from tina.evaluation import records
from tina.sampler import guard
from tina.sampler.serve import _check_free, arguments

ROUNDING = 5e-4
"""As in test_vllm: log-probs in float32 by two programs; those of a stale adapter are 0.01 off."""
STEPS = 8
SETTINGS = [
    "sampler=vllm_server",
    "sampler.fidelity_every=1",
    f"schedule.max_steps={STEPS}",
    f"schedule.save_every={STEPS}",
    "schedule=constant",
    "schedule.learning_rate=2e-3",
    "batch.num_generations=4",
    "batch.completions_per_step=16",
    "batch.completions_per_forward=8",
    "length.max_completion_tokens=32",
    "dataset.size=64",
]
UNSCORED = ["benchmarks=none", "selection=last"]
RANK = "lora.rank=8"
needs_vllm = pytest.mark.vllm


class ServerProcess:
    """`python -m tina.sampler.serve` on a free port of this machine, for adapters up to rank 8."""

    def __init__(self, log: Path, model: Path | str = "embedded:d") -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        self.log, self.model = log, model
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        words = [RANK, f"sampler.url={self.url}", "sampler.cpu_kv_cache_gib=0.1", f"model.path={self.model}"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tina.sampler.serve", *words],
                cwd=ROOT,
                env=environment(),
                stdout=log,
                stderr=log,
                process_group=0,
            )

    def wait(self) -> None:
        deadline = time.monotonic() + 300
        while True:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/health"):
                return
            time.sleep(0.5)

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Its model's generation_config.json asks for penalties: every comparison with a trainer sees one that is used."""
    folder = tmp_path_factory.mktemp("server")
    server = ServerProcess(folder / "log", demanding_model(folder / "model"))
    server.start()
    server.wait()
    yield server
    server.kill()


def steps(outputs: Path) -> list[dict[str, float]]:
    """The metrics of every step of the one run in `outputs`, by its last checkpoint."""
    last = max(outputs.rglob("trainer_state.json"), key=lambda path: int(path.parent.name.rpartition("-")[2]))
    return [row for row in json.loads(last.read_text())["log_history"] if "reward" in row]


def sampled(outputs: Path) -> list[tuple[float, float]]:
    return [(row["reward"], row["completions/mean_length"]) for row in steps(outputs)]


@pytest.fixture(scope="module")
def undisturbed(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Path:
    outputs = tmp_path_factory.mktemp("undisturbed")
    done = run("train.py", *SETTINGS, *UNSCORED, RANK, f"sampler.url={server.url}", f"paths.outputs={outputs}")
    assert done.returncode == 0, done.stdout + done.stderr
    return outputs


@needs_vllm
def test_the_server_samples_from_what_is_trained(undisturbed: Path) -> None:
    rows = steps(undisturbed)
    assert len(rows) == STEPS
    assert max(row["fidelity/logprob_diff_max"] for row in rows) < ROUNDING
    assert all(row["fidelity/base_drift"] == 0 for row in rows)
    assert all(row["fidelity/update_cosine"] > 0.9999 for row in rows[2:])
    assert len({length for _, length in sampled(undisturbed)}) > 1


@needs_vllm
def test_two_ranks_share_it(server: ServerProcess, tmp_path: Path) -> None:
    two = ["hardware.processes=2", f"sampler.url={server.url}", f"paths.outputs={tmp_path}"]
    done = run("train.py", *SETTINGS, *UNSCORED, RANK, *two)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = steps(tmp_path)
    assert len(rows) == STEPS
    assert max(row["fidelity/logprob_diff_max"] for row in rows) < ROUNDING  # of both ranks' completions
    assert all(row["fidelity/update_cosine"] > 0.9999 for row in rows[2:])


@needs_vllm
def test_every_checkpoint_answers_as_transformers_lets_it(
    server: ServerProcess,
    made_run: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    few = ["benchmarks.temperature=0", "benchmarks.problems=12", "benchmarks.max_new_tokens=24"]
    texts = {}
    for backend, more in (("transformers", []), ("vllm_server", [f"sampler.url={server.url}"])):
        folder = tmp_path / backend
        shutil.copytree(made_run, folder)
        done = run("evaluate.py", f"run={folder}", f"sampler={backend}", *more, *few)
        assert done.returncode == 0, done.stdout + done.stderr
        files = sorted((folder / "evaluations").rglob("records.jsonl"), key=lambda path: path.parent.parent.name)
        texts[backend] = [(r.key, r.text, r.tokens, r.truncated) for path in files for r in records.read(path)]
    assert len(texts["vllm_server"]) == 4 * 2 * 12
    assert sorted(texts["vllm_server"]) == sorted(texts["transformers"])


@needs_vllm
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["lora.rank=16"], "LoRA rank 16 is greater than max_lora_rank 8"),
        (["model=tiny_c"], "serves tiny, not model=tiny_c"),
        (["length.max_prompt_tokens=900"], "are needed: start it with the run's own words"),
    ],
)
def test_what_it_does_not_serve_is_said(server: ServerProcess, words: list[str], told: str, tmp_path: Path) -> None:
    done = run("train.py", *SETTINGS, *UNSCORED, *words, f"sampler.url={server.url}", f"paths.outputs={tmp_path}")
    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@needs_vllm
def test_a_server_that_dies_is_waited_for_and_costs_nothing(undisturbed: Path, tmp_path: Path) -> None:
    """Killed in the middle of a run: it stops, saved, when asked to; then when its patience ends; then it waits until
    the server is back. What was sampled is what an undisturbed run samples."""
    server = ServerProcess(tmp_path / "log")
    server.start()
    server.wait()
    outputs = tmp_path / "outputs"
    words = [*SETTINGS, *UNSCORED, RANK, f"sampler.url={server.url}", f"paths.outputs={outputs}"]

    def at_step(number: int) -> bool:
        progress = list(outputs.rglob("progress.json"))
        return bool(progress) and json.loads(progress[0].read_text())["done"] >= number

    training = start("train.py", *words)
    while not at_step(2):
        assert training.poll() is None, training.communicate()
        time.sleep(0.01)
    server.kill()
    waited: list[str] = []
    while "waiting for it" not in "".join(waited):
        waited.append(training.stdout.readline())
        assert waited[-1], training.communicate()
    interrupt_after(training, lambda: True)
    stopped = finished(training)
    assert stopped.returncode == 128 + signal.SIGTERM, stopped.stderr
    reached = len(steps(outputs))
    assert 2 <= reached < STEPS

    impatient = run("train.py", *words, "sampler.wait_s=3")
    assert impatient.returncode == TRY_LATER, impatient.stdout + impatient.stderr
    assert "start it with the run's own words" in impatient.stderr
    assert "Traceback" not in impatient.stderr

    training = start("train.py", *words)
    server.start()
    done = finished(training)
    server.kill()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is back" in done.stdout
    assert steps(outputs)[-1]["sampler/waited_seconds"] > 0
    assert sampled(outputs) == sampled(undisturbed)


def test_an_evaluation_without_its_server_ends_to_be_started_again(tmp_path: Path) -> None:
    words = ["model=tiny", "benchmarks=embedded", "sampler=vllm_server", "sampler.url=http://127.0.0.1:9"]
    done = run("evaluate.py", *words, "sampler.wait_s=1", f"paths.outputs={tmp_path}")
    assert done.returncode == TRY_LATER, done.stdout + done.stderr
    assert "http://127.0.0.1:9 does not answer" in done.stderr


@needs_vllm
def test_every_path_but_one_asks_for_the_key(server: ServerProcess) -> None:
    secret = guard.key()
    with httpx.Client(base_url=server.url) as http:
        assert http.get("/health").status_code == 200
        told = http.get("/openapi.json", headers=guard.request_headers(secret, "GET", "/openapi.json", b""))
        routes = {(method.upper(), path) for path, methods in told.json()["paths"].items() for method in methods}
        routes |= {("GET", "/metrics"), ("GET", "/openapi.json"), ("GET", "/docs"), ("POST", "/nowhere")}
        assert {"/v1/load_lora_adapter", "/invocations", "/tokenize", "/version"} <= {path for _, path in routes}
        for method, path in routes - {("GET", "/health")}:
            answer = http.request(method, path, content=b"{}", headers={"Authorization": f"Bearer {secret.decode()}"})
            assert answer.status_code == 401, f"{method} {path}"


@needs_vllm
def test_a_run_with_another_key_is_told(server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENVIRONMENT, guard.VARIABLE, "another")
    done = run("train.py", *SETTINGS, *UNSCORED, f"sampler.url={server.url}", f"paths.outputs={tmp_path}")
    assert done.returncode == 2 and "has another key than this run" in " ".join(done.stderr.split())


def test_no_key_stands_on_a_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(guard.VARIABLE, "a-secret")
    told = arguments(composed("sampler=vllm_server", "sampler.url=http://0.0.0.0:8000"))
    assert "--host=0.0.0.0" in told and "--middleware=tina.sampler.guard.Guard" in told
    assert not [one for one in told if "a-secret" in one]  # anybody on the machine reads command lines


def test_a_port_that_is_taken_is_said_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UserError, match="take another port"):
            _check_free(url)
    _check_free(url)


def test_it_serves_what_the_run_is_configured_to_ask_for() -> None:
    told = arguments(
        composed("experiment=open_rs2", "sampler=vllm_server", "lora.rank=64", "sampler.tensor_parallel=2")
    )
    assert {"--host=127.0.0.1", "--port=8000", "--dtype=bfloat16", "--max-lora-rank=64"} <= set(told)
    assert {"--tensor-parallel-size=2", "--gpu-memory-utilization=0.9", "--enable-lora"} <= set(told)
    assert "--logprobs-mode=processed_logprobs" in told
    (context,) = [int(one.partition("=")[2]) for one in told if one.startswith("--max-model-len=")]
    assert context >= 4608
