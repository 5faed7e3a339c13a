"""The one engine of an evaluation: the base model loaded once, adapters switched on and off over it, never merged."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors import SafetensorError, safe_open
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from tina import policy
from tina.device import check_device, own_device
from tina.errors import UserError
from tina.evaluation.run_folder import RunFolder
from tina.evaluation.runner import Sample
from tina.sampler.generate import generate
from tina.schema import Hardware, Model


def load_engine(model: Model, hardware: Hardware, run: RunFolder | None) -> PeftModel | PreTrainedModel:
    """The base model, with a place for the run's adapters if there is a run.

    Raises UserError if the model cannot be had, the device is not there, or the run's adapters do not fit.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    check_device(hardware)
    if hardware.threads:
        torch.set_num_threads(hardware.threads)
    base = policy.load_base(model, own_device(hardware.device))
    if run is None:
        return base
    return policy.trainable_policy(base, run.config.lora, run.config.seed)


def switch(
    engine: Callable[[], PeftModel | PreTrainedModel],
    tokenizer: PreTrainedTokenizerBase,
    model: Model,
    run: RunFolder | None,
    step: int,
) -> contextlib.AbstractContextManager[Sample]:
    """Sampling from a step of a run (0: its base), or from a model that stands alone."""

    @contextlib.contextmanager
    def switched() -> Iterator[Sample]:
        if run is None:
            yield functools.partial(generate, engine(), tokenizer)
            return
        checkpoint = run.checkpoints[step] if step else None
        if checkpoint and isinstance(engine(), PeftModel):
            check_adapter(engine(), checkpoint, model)
        with policy.at_checkpoint(engine(), checkpoint, model) as measured:
            yield functools.partial(generate, measured, tokenizer)

    return switched()


def check_adapter(model: PeftModel, checkpoint: Path, base: Model) -> None:
    """Raises UserError unless a checkpoint's adapter has exactly the tensors, in the shapes, that the model takes.

    PEFT itself only warns of tensors that have no place, and evaluates without them.
    """
    path = checkpoint / "adapter_model.safetensors"
    try:
        with safe_open(path, "pt") as file:
            found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UserError(f"{checkpoint} holds no readable adapter ({str(error).splitlines()[0]}).") from error
    expected = {name: tuple(tensor.shape) for name, tensor in get_peft_model_state_dict(model).items()}
    if policy.diverged(checkpoint):
        raise UserError(f"{checkpoint} holds weights that are no numbers: the run had diverged. Take an earlier one.")
    if wrong := sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name)):
        example = f"{wrong[0]} is {found.get(wrong[0], 'missing')} and should be {expected.get(wrong[0], 'absent')}"
        raise UserError(
            f"The adapter of {checkpoint} does not fit {base.name} ({base.path}): {len(wrong)} of "
            f"{len({*found, *expected})} tensors differ ({example}). Give the model it was trained on."
        )
