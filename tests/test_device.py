"""Which GPU a process asks for. The calls to torch.cuda are looked at: what a real driver answers is in tests/gpu."""

import json
import sys
from pathlib import Path

import pytest
import torch

from tests.test_trainer import composed
from tina.device import check_device, check_training_devices, own_device
from tina.errors import UserError
from tina.launch.ranks import run_ranks
from tina.schema import Hardware

CHILD = """
import json, os, sys
from pathlib import Path
import torch
from transformers import PreTrainedModel
from tests.test_trainer import composed
from tina.launch import ranks

asked = []
ranks.join(on_gpu=False, step_timeout_s=60)  # gloo, where NCCL would be
torch.cuda.is_available, torch.cuda.device_count = lambda: True, lambda: 2
torch.cuda.set_device = lambda device: asked.append(["set_device", str(device)])

def to(model, device):
    asked.append(["to", str(device)])
    Path(sys.argv[1], f"rank{ranks.rank()}.json").write_text(json.dumps(asked))
    torch.distributed.barrier()
    os._exit(0)

PreTrainedModel.to = to
from tina.experiment import run_experiment
run_experiment(composed(f"paths.outputs={sys.argv[1]}/outputs", "hardware.processes=2", "hardware.device=cuda"))
"""


def test_each_of_two_ranks_loads_its_model_onto_its_own_gpu(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = run_ranks([sys.executable, "-c", CHILD, str(tmp_path)], 2, 1, log=log)
    assert code == 0, log.read_text()
    for rank in (0, 1):
        asked = json.loads((tmp_path / f"rank{rank}.json").read_text())
        assert asked == [["set_device", f"cuda:{rank}"], ["to", f"cuda:{rank}"]]


def test_a_process_alone_takes_the_first_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "set_device", asked.append)
    assert own_device("cuda") == torch.device("cuda:0")
    assert own_device("cpu") == torch.device("cpu")
    assert asked == [torch.device("cuda:0")]


@pytest.mark.parametrize(
    ("gpus", "processes", "words"),
    [
        (0, 1, "torch sees none here: run on a machine with one, or set hardware=cpu"),
        (
            1,
            2,
            "but torch sees only 1 GPU: set hardware.processes to 1 per machine",
        ),
        (2, 1, "set CUDA_VISIBLE_DEVICES=0 to train on the first one, or hardware.processes=2 to train on all"),
        (1, 1, None),
        (2, 2, None),
    ],
)
def test_gpus_that_do_not_fit_the_processes_are_refused(
    gpus: int, processes: int, words: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)  # an engine that another test started leaves it
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    hardware = Hardware(name="l40s", device="cuda", processes=processes)
    if words is None:
        check_training_devices(hardware)
        return
    with pytest.raises(UserError) as refused:
        check_training_devices(hardware)
    assert words in str(refused.value)


def test_of_several_nodes_only_the_processes_of_this_one_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    check_training_devices(Hardware(name="l40s", device="cuda", processes=8))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")  # one rank a node, on nodes with two GPUs
    check_training_devices(Hardware(name="l40s", device="cuda", processes=4))


def test_an_evaluation_takes_one_of_several_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes no Trainer, so nothing spreads its batches."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    check_device(composed("hardware=l40s").hardware)
