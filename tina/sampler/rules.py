"""What the gate asks of samplers: each rule returns what is wrong in a sentence, or None. Loads nothing heavy."""

from tina.schema import EvaluateConfig, Lora, Sampler, TrainConfig

MOST_SERVED_RANK = 512
"""The largest adapter that vLLM makes room for (`tina.sampler.weights.SERVED_RANKS`)."""


def sampler_keys_have_a_meaning(config: TrainConfig | EvaluateConfig) -> str | None:
    """Settings of an engine that is not started would change a run's digest and nothing else."""
    sampler = config.sampler
    if sampler.backend == "vllm":
        return None
    for name in ("sync", "dtype", "eager", "sleep", "tensor_parallel"):
        if (value := getattr(sampler, name)) != Sampler.__dataclass_fields__[name].default:
            return f"sampler.{name}={value} is a setting of vLLM, and sampler={sampler.backend}: take sampler=vllm."
    return None


def policy_can_be_served(config: TrainConfig) -> str | None:
    return _serving_problem(config.sampler, config.lora)


def run_can_be_served(config: EvaluateConfig) -> str | None:
    from tina.evaluation.run_folder import open_run

    return _serving_problem(config.sampler, open_run(config.run).config.lora) if config.run else None


def _serving_problem(sampler: Sampler, lora: Lora) -> str | None:
    """vLLM can be sent plain adapters (and rank-stabilised ones) alone; everything else only as merged weights."""
    if sampler.backend != "vllm" or sampler.sync != "adapter":
        return None
    if lora.method == "full":
        return "lora=full has no adapter that sampler.sync=adapter could send to vLLM: take sampler.sync=merged."
    if lora.dora:
        return "vLLM does not serve DoRA adapters (lora.dora=true) as such: take sampler.sync=merged."
    if lora.rank > MOST_SERVED_RANK:
        return (
            f"lora.rank={lora.rank} is more than the {MOST_SERVED_RANK} that vLLM serves as an adapter: take "
            "sampler.sync=merged, or a smaller rank."
        )
    return None


def correction_sees_no_dropout(config: TrainConfig) -> str | None:
    """TRL computes the old log-probs of its correction with dropout on: the ratio would measure the dropout."""
    if not config.trainer.get("vllm_importance_sampling_correction"):
        return None
    if config.sampler.backend != "vllm":
        return (
            "trainer.vllm_importance_sampling_correction corrects for vLLM's log-probs, and "
            f"sampler={config.sampler.backend}: take sampler=vllm, or leave it out."
        )
    if config.lora.method == "lora" and config.lora.dropout > 0:
        return (
            f"trainer.vllm_importance_sampling_correction with lora.dropout={config.lora.dropout}: TRL would take "
            "dropout for a difference between sampler and trainer; set lora.dropout=0, or leave the correction out."
        )
    return None


def sleep_needs_a_gpu(config: TrainConfig | EvaluateConfig) -> str | None:
    if config.sampler.sleep and config.hardware.device != "cuda":
        return f"sampler.sleep gives a GPU's memory back, and hardware.device={config.hardware.device}: leave it false."
    return None


def engines_divide_the_processes(config: TrainConfig) -> str | None:
    if config.hardware.processes % config.sampler.tensor_parallel:
        return (
            f"sampler.tensor_parallel={config.sampler.tensor_parallel} does not divide hardware.processes="
            f"{config.hardware.processes}: each engine is shared by as many processes."
        )
    return None


FOR_TRAINING = [
    sampler_keys_have_a_meaning,
    policy_can_be_served,
    correction_sees_no_dropout,
    sleep_needs_a_gpu,
    engines_divide_the_processes,
]
FOR_EVALUATION = [sampler_keys_have_a_meaning, sleep_needs_a_gpu, run_can_be_served]
