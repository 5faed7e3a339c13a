"""The fields of TRL's GRPOConfig that `trainer.<field>=` may set, by name. Imports neither torch nor TRL."""

import ast
import contextlib
import difflib
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

OF_TRLS_OWN_ENGINE = {
    "vllm_server_base_url",
    "vllm_server_host",
    "vllm_server_port",
    "vllm_server_timeout",
    "vllm_group_port",
    "vllm_model_impl",
    "vllm_structured_outputs_regex",
}
"""GRPOConfig fields that mean nothing here, since the engine is ours."""

OWNED_BY_US = {
    "learning_rate": "schedule.learning_rate",
    "max_steps": "schedule.max_steps",
    "lr_scheduler_type": "schedule.kind",
    "warmup_steps": "schedule.warmup_ratio",
    "lr_scheduler_kwargs": "schedule.min_lr_rate",
    "num_train_epochs": "schedule.max_steps",
    "save_steps": "schedule.save_every",
    "weight_decay": "schedule.weight_decay",
    "max_grad_norm": "schedule.max_grad_norm",
    "beta": "algorithm.beta",
    "loss_type": "algorithm.loss_type",
    "scale_rewards": "algorithm.scale_rewards",
    "epsilon": "algorithm.epsilon",
    "epsilon_high": "algorithm.epsilon_high",
    "delta": "algorithm.delta",
    "importance_sampling_level": "algorithm.importance_sampling_level",
    "mask_truncated_completions": "algorithm.mask_truncated_completions",
    "num_iterations": "algorithm.num_iterations",
    "num_generations": "batch.num_generations",
    "per_device_train_batch_size": "batch.completions_per_forward",
    "gradient_accumulation_steps": "batch.completions_per_step",
    "max_completion_length": "length.max_completion_tokens",
    "temperature": "rollout.temperature",
    "top_p": "rollout.top_p",
    "top_k": "rollout.top_k",
    "min_p": "rollout.min_p",
    "reward_weights": "reward.rewards",
    "gradient_checkpointing": "hardware.gradient_checkpointing",
    "use_vllm": "sampler.backend",
    "vllm_mode": "sampler.backend",
    "vllm_gpu_memory_utilization": "sampler.gpu_memory_utilization",
    "vllm_max_model_length": "length.context_tokens",
    "vllm_enable_sleep_mode": "sampler.sleep",
    "vllm_tensor_parallel_size": "sampler.tensor_parallel",
    "output_dir": "paths.outputs",
    "report_to": "tracking",
    "seed": "seed",
    "data_seed": "seed",
    "use_cpu": "hardware.device",
    "dataloader_pin_memory": "hardware.device",
    "bf16": "model.dtype",
    "fp16": "model.dtype",
    "model_init_kwargs": "model.revision",
}
"""GRPOConfig fields that a knob of ours sets: with two ways to say one thing, one of them would be ignored."""

OURS: dict[str, Any] = {
    "optim": "adamw_torch",
    "use_bias_correction_kl": False,
    "vllm_importance_sampling_correction": False,
    "ddp_find_unused_parameters": False,
    "gradient_checkpointing_kwargs": {"use_reentrant": False},
}
"""GRPOConfig fields that have another default here than in TRL, and that `trainer.<field>=` may set."""

RELIED_ON = {
    "save_strategy": "checkpoints",
    "save_only_model": "checkpoints",
    "save_total_limit": "checkpoints",
    "load_best_model_at_end": "checkpoints",
    "push_to_hub": "checkpoints",
    "logging_strategy": "logs",
    "logging_steps": "logs",
    "logging_nan_inf_filter": "logs",
    "disable_tqdm": "progress bar",
    "generation_batch_size": "batches",
    "steps_per_generation": "batches",
    "eval_strategy": "evaluation",
    "do_eval": "evaluation",
}
"""GRPOConfig fields that have one right value here, and what would break with another."""


def problem(name: str) -> str | None:
    """What is wrong with setting `trainer.<name>`, or None."""
    if name in OWNED_BY_US:
        return f"trainer.{name} is set by this suite from {OWNED_BY_US[name]}: use that key instead."
    if name in RELIED_ON:
        return f"trainer.{name} cannot be changed: this suite's {RELIED_ON[name]} would break. Leave it out."
    if name in OF_TRLS_OWN_ENGINE:
        return f"trainer.{name} has no effect: the engine of sampler=vllm is this suite's, set by sampler.<key>."
    if name not in known():
        near = difflib.get_close_matches(name, known(), n=3, cutoff=0.5)
        return f"trainer.{name} is no field of TRL's GRPOConfig" + (
            f": did you mean {' or '.join(near)}?" if near else "."
        )
    return None


def known() -> frozenset[str]:
    """The names of GRPOConfig's fields."""
    return frozenset(_fields())


def defaults() -> dict[str, Any]:
    """GRPOConfig's fields to their defaults here, of those whose default is written as a plain value."""
    found: dict[str, Any] = {}
    for name, value in _fields().items():
        with contextlib.suppress(ValueError, TypeError, SyntaxError):
            found[name] = ast.literal_eval(value)
    return found | OURS


@cache
def _fields() -> dict[str, ast.expr]:
    """Name and default of each field, read from the installed sources: importing them would load torch."""
    found: dict[str, ast.expr] = {}
    for package, *modules in (
        ("transformers", "training_args.py"),
        ("trl", "trainer/base_config.py", "trainer/grpo_config.py"),  # what TRL defines again wins
    ):
        folder = Path(importlib.util.find_spec(package).submodule_search_locations[0])
        for module in modules:
            for node in ast.walk(ast.parse((folder / module).read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef) and node.name in ("GRPOConfig", "_BaseConfig", "TrainingArguments"):
                    found |= {field.target.id: _default(field.value) for field in node.body if _is_field(field)}
    return found


def _is_field(node: ast.stmt) -> bool:
    return isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)


def _default(value: ast.expr | None) -> ast.expr:
    """The expression of a default: `0.2` of `= 0.2` and of `= field(default=0.2, ...)`."""
    keywords = value.keywords if isinstance(value, ast.Call) else []
    given = next((keyword.value for keyword in keywords if keyword.arg == "default"), value)
    return given if given is not None else ast.Name("unknown")
