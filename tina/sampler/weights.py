"""The trained policy as a sampler takes it: its adapter as a small file, or every weight with the adapter merged."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import save_file
from transformers import PreTrainedModel

from tina.errors import UserError

SERVED_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The ranks that vLLM makes room for; an adapter is served under the next one."""


def served_rank(rank: int) -> int:
    """The smallest room that holds an adapter of this rank. Raises UserError if there is none."""
    for room in SERVED_RANKS:
        if rank <= room:
            return room
    raise UserError(f"vLLM serves adapters up to rank {SERVED_RANKS[-1]}, not {rank}: take sampler=vllm_merged.")


def save_adapter(model: PeftModel, folder: Path, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Writes the active adapter to `folder` in the engine's dtype, where PEFT and vLLM read it; its tensors by name.

    The engine would cast it to its own dtype anyway; cast here, the file is no larger than it must be.
    """
    adapter = model.active_adapters[0]
    state = get_peft_model_state_dict(model, adapter_name=adapter)
    state = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in state.items()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(state, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    model.peft_config[adapter].save_pretrained(folder)
    return state


def merged_weights(model: PreTrainedModel | PeftModel) -> Iterator[tuple[str, torch.Tensor]]:
    """Name and value of every weight as the base model's checkpoint names it, the active adapter merged in.

    An adapter is merged in place, in the base's own dtype, and taken out again, as TRL does: in bfloat16 the base does
    not come back exactly. Values are copies, since an engine may read them after the adapter was taken out.
    """
    if not isinstance(model, PeftModel):
        for name, parameter in model.named_parameters():
            yield name, parameter.detach().clone()
        return
    with _merged(model):
        for name, parameter in model.named_parameters():
            if model.prefix not in name:
                yield checkpoint_name(name), parameter.detach().clone()


@contextlib.contextmanager
def _merged(model: PeftModel) -> Iterator[None]:
    if any(layer.disable_adapters for layer in model.modules() if isinstance(layer, BaseTunerLayer)):
        yield  # inside disable_adapter() the base alone is meant
        return
    model.merge_adapter()
    try:
        yield
    finally:
        model.unmerge_adapter()


def checkpoint_name(name: str) -> str:
    """`model.layers.0.self_attn.q_proj.weight` of a parameter that PEFT wrapped."""
    return name.removeprefix("base_model.model.").replace(".base_layer", "")
