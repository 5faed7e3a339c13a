"""Which device a process computes on: each process of a run has a GPU of its own."""

import os

import torch

from tina.errors import UserError
from tina.schema import Hardware


def check_device(hardware: Hardware) -> None:
    """Raises UserError if the configuration asks for a GPU and torch sees none."""
    if hardware.device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            f"hardware={hardware.name} needs a GPU, and torch sees none here: run on a machine with one, or set "
            "hardware=cpu."
        )


def check_training_devices(hardware: Hardware) -> None:
    """Raises UserError unless every process that trains on this machine has exactly one GPU.

    transformers' Trainer spreads the batch of a single process over all GPUs that it sees (torch.nn.DataParallel),
    which is neither what the configuration says nor what TRL supports. Only the driver is asked: no CUDA context is
    created.
    """
    check_device(hardware)
    if hardware.device != "cuda":
        return
    gpus, here = torch.cuda.device_count(), int(os.environ.get("LOCAL_WORLD_SIZE", hardware.processes))
    if here > gpus:
        raise UserError(
            f"{here} processes are to train on this machine, but torch sees only {gpus} GPU{'s' * (gpus != 1)}: set "
            f"hardware.processes to {gpus} per machine."
        )
    if hardware.processes == 1 < gpus:
        raise UserError(
            f"One process trains here (hardware.processes=1), and torch sees {gpus} GPUs: set CUDA_VISIBLE_DEVICES=0 "
            f"to train on the first one, or hardware.processes={gpus} to train on all."
        )


def own_device(kind: str) -> torch.device:
    """The device of this process (`kind`: cpu or cuda), torch's current one from here on.

    Of several processes on a machine, local rank i has GPU i. It has to be asked for before anything is loaded: a model
    that is loaded onto GPU 0 first leaves a CUDA context and cached blocks there.
    """
    if kind != "cuda":
        return torch.device(kind)
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    torch.cuda.set_device(device)
    return device
