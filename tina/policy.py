"""The policy: a base model, its tokenizer, and the adapter that is the only thing trained."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import safe_open
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import cached_file

from tina import files
from tina.errors import UserError
from tina.schema import Lora, Model, alpha

TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")
"""What is taken from a model's generation_config.json."""
OURS = ("do_sample", "temperature", "top_p", "top_k", "min_p", "max_length", "max_new_tokens", "transformers_version")
"""What is set by `rollout`, `length` and `benchmarks`, whatever that file says."""


def model_source(model: Model) -> str:
    """What transformers is asked for: a local folder, or the hub id."""
    path = files.local_path(model.path)
    return str(path) if path is not None else model.path


def load_tokenizer(model: Model) -> PreTrainedTokenizerBase:
    """The tokenizer, padding on the left as batched generation needs it.

    Raises UserError if the model cannot be had from here, has no chat template, or no embedding for a token of it.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            model_source(model),
            revision=model.revision,
            trust_remote_code=model.trust_remote_code,
            padding_side="left",
        )
    except (OSError, ValueError) as error:
        raise _not_loaded(model, error) from error
    if model.chat_template is not None:
        tokenizer.chat_template = model.chat_template
    if tokenizer.chat_template is None:
        raise UserError(
            f"The tokenizer of {model.path} has no chat template, so no prompt can be built: choose an "
            "instruction-tuned model, or give one with model.chat_template."
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    _check_vocabulary(model, tokenizer)
    return tokenizer


def _check_vocabulary(model: Model, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raises UserError for tokens of every prompt that the model has no embedding for; a spare one may lie about."""
    rows = read_config(model).get_text_config().vocab_size
    special = {tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token}
    beyond = {token: number for token, number in tokenizer.get_added_vocab().items() if number >= rows}
    used = [token for token in beyond if token in special or token in tokenizer.chat_template]
    if used:
        raise UserError(
            f"The tokenizer of {model.path} is another model's: its token {used[0]} has the number {beyond[used[0]]}, "
            f"and the model has embeddings for 0 to {rows - 1}."
        )


def load_policy(model: Model, lora: Lora, device: str | torch.device, seed: int) -> PeftModel | PreTrainedModel:
    """What is trained, on the device: the frozen base with a fresh adapter, or with lora=full the base itself.

    lora=full has float32 weights whatever `model.dtype` is (it computes in that by autocast): bfloat16 has three
    significant digits, and at a learning rate of 1e-6 AdamW would leave most weights where they are. Raises UserError
    as `load_base` and `trainable_policy`.
    """
    trained = model if lora.method == "lora" else dataclasses.replace(model, dtype="float32")
    return trainable_policy(load_base(trained, device), lora, seed)


def load_base(model: Model, device: str | torch.device) -> PreTrainedModel:
    """The base model in the configured dtype on the device. Raises UserError if it cannot be had from here."""
    try:
        base = AutoModelForCausalLM.from_pretrained(
            model_source(model),
            revision=model.revision,
            dtype=getattr(torch, model.dtype),
            attn_implementation=model.attention,
            trust_remote_code=model.trust_remote_code,
        )
    except (OSError, ValueError) as error:
        raise _not_loaded(model, error) from error
    base.generation_config = GenerationConfig(**{name: getattr(base.generation_config, name) for name in TOKEN_IDS})
    return base.to(device)


def generation_defaults(model: Model) -> str | None:
    """The text of the model's generation_config.json, which `load_base` leaves out; None of a model without one."""
    found = cached_file(
        model_source(model),
        "generation_config.json",
        revision=model.revision,
        _raise_exceptions_for_missing_entries=False,
    )
    return Path(found).read_text(encoding="utf-8") if found else None


def read_config(model: Model) -> PretrainedConfig:
    """The model's config.json. Raises UserError if it cannot be had from here."""
    try:
        return AutoConfig.from_pretrained(
            model_source(model), revision=model.revision, trust_remote_code=model.trust_remote_code
        )
    except (OSError, ValueError) as error:
        raise _not_loaded(model, error) from error


def unused_defaults(model: Model) -> str | None:
    """What the model's generation_config.json asks for beyond what this suite has knobs for, in a sentence.

    transformers and vLLM's server would take it for whatever a request leaves open, vLLM's engine not: here the
    configuration alone decides how is sampled.
    """
    try:
        asked = GenerationConfig.from_pretrained(model_source(model), revision=model.revision).to_diff_dict()
    except (OSError, ValueError):  # a model without such a file
        return None
    extra = {
        key: value
        for key, value in asked.items()
        if value
        and key not in (*TOKEN_IDS, *OURS)
        and not key.startswith(("_", "output_", "return_", "use_", "cache_"))
    }
    if not extra:
        return None
    told = ", ".join(f"{key}={value}" for key, value in sorted(extra.items()))
    return f"generation_config.json of {model.name} sets {told}: not used, since the configuration alone decides."


def _not_loaded(model: Model, error: Exception) -> UserError:
    first_line = str(error).strip().splitlines()[0]
    if "trust_remote_code" in str(error):
        return UserError(
            f"{model.path} brings Python code of its own, which is not run unless this command line says so: read it, "
            "and if you trust it add trust_remote_code=true (of train.py, or with model=<choice>: "
            "model.trust_remote_code=true)."
        )
    return UserError(
        f"{model.path} could not be loaded ({first_line}): give a local folder with model.path=, or run where the "
        "model hub can be reached."
    )


def lora_config(lora: Lora) -> LoraConfig:
    """The adapter as PEFT takes it: on all linear layers, alpha by the configured rule, no bias."""
    return LoraConfig(
        r=lora.rank,
        lora_alpha=alpha(lora),
        lora_dropout=lora.dropout,
        target_modules=list(lora.target_modules),
        bias="none",
        use_rslora=lora.rslora,
        use_dora=lora.dora,
        task_type="CAUSAL_LM",
    )


def trainable_policy(base: PreTrainedModel, lora: Lora, seed: int) -> PeftModel | PreTrainedModel:
    """What is trained: the frozen base with a fresh adapter, or (method `full`) the base itself.

    A is drawn from `seed` and B is zero, so the policy starts as the base. Raises UserError if the base has no layer of
    a target's name.
    """
    if lora.method == "full":
        return base
    torch.manual_seed(seed)
    try:
        return get_peft_model(base, lora_config(lora))
    except ValueError as error:
        raise UserError(f"The adapter does not fit the model: {str(error).splitlines()[0]}") from error


def skeleton(model: Model, lora: Lora) -> PeftModel:
    """The policy without any weights: names and shapes of its tensors, at no cost. Raises UserError as `load_base`."""
    config = read_config(model)
    with torch.device("meta"):
        base = AutoModelForCausalLM.from_config(config, trust_remote_code=model.trust_remote_code)
        return get_peft_model(base, lora_config(lora))


@contextlib.contextmanager
def at_checkpoint(
    model: PeftModel | PreTrainedModel, checkpoint: Path | None, base: Model
) -> Iterator[PeftModel | PreTrainedModel]:
    """The policy as it was at a checkpoint: its adapter switched on over the same base, or (None) no adapter at all.

    Of a fully trained policy the whole model is loaded anew.
    """
    if not isinstance(model, PeftModel):
        source = base if checkpoint is None else dataclasses.replace(base, path=str(checkpoint), revision=None)
        yield load_base(source, model.device)
    elif checkpoint is None:
        with model.disable_adapter():
            yield model
    else:
        trained = model.active_adapter
        model.load_adapter(str(checkpoint), checkpoint.name)
        model.set_adapter(checkpoint.name)
        try:
            yield model
        finally:
            model.set_adapter(trained)
            model.delete_adapter(checkpoint.name)


def diverged(checkpoint: Path) -> bool:
    """Does a checkpoint hold a weight that is no finite number? Nothing can be sampled from it."""
    for path in checkpoint.glob("*model*.safetensors"):
        with safe_open(path, "pt") as file:
            if not all(torch.isfinite(file.get_tensor(name)).all() for name in file.keys()):  # noqa: SIM118
                return True
    return False


def parameter_counts(model: torch.nn.Module) -> tuple[int, int]:
    """(trainable, all) parameters; tied weights count once."""
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return trainable, sum(p.numel() for p in model.parameters())
