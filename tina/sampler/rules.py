"""What the gate asks of samplers: each rule returns what is wrong in a sentence, or None. Loads nothing heavy."""

from urllib.parse import urlsplit

from tina.sampler.guard import VARIABLE
from tina.sampler.settings import has_engine
from tina.schema import EvaluateConfig, Hardware, Lora, Model, Sampler, TrainConfig

MOST_SERVED_RANK = 512
"""The largest adapter that vLLM makes room for (`tina.sampler.weights.SERVED_RANKS`)."""


def sampler_keys_have_a_meaning(config: TrainConfig | EvaluateConfig) -> str | None:
    """Settings of an engine, or of a server, that is not there would be passed over in silence."""
    sampler = config.sampler

    def changed(*names: str) -> str | None:
        default = Sampler.__dataclass_fields__
        return next((name for name in names if getattr(sampler, name) != default[name].default), None)

    if not has_engine(sampler) and (name := changed("sync", "dtype", "eager", "sleep", "tensor_parallel", "adapters")):
        value = getattr(sampler, name)
        return f"sampler.{name}={value} is a setting of vLLM, and sampler={sampler.backend}: take sampler=vllm."
    if sampler.backend != "vllm_server" and (name := changed("url", "wait_s")):
        return (
            f"sampler.{name}={getattr(sampler, name)} is a setting of sampler=vllm_server: take that, or leave it out."
        )
    return None


def policy_can_be_served(config: TrainConfig) -> str | None:
    return _serving_problem(config.sampler, config.lora, config.model, config.hardware)


def run_can_be_served(config: EvaluateConfig) -> str | None:
    from tina.evaluation.run_folder import open_run

    if config.run is None:
        return None
    run = open_run(config.run).config
    return _serving_problem(config.sampler, run.lora, config.model or run.model, config.hardware)


def _serving_problem(sampler: Sampler, lora: Lora, model: Model, hardware: Hardware) -> str | None:
    """vLLM can be sent plain adapters (and rank-stabilised ones) alone; everything else only as merged weights."""
    if not has_engine(sampler):
        return None
    if sampler.sync != "adapter":
        if sampler.backend == "vllm_server":
            return f"sampler.sync={sampler.sync}: a server is sent adapters alone; take sampler=vllm_merged."
        return None
    if lora.method == "full":
        return "lora=full has no adapter that sampler.sync=adapter could send to vLLM: take sampler=vllm_merged."
    dtype = sampler.dtype or model.dtype
    if hardware.device == "cuda" and dtype == "float32":
        return (
            "vLLM serves adapters on a GPU in bfloat16 or float16 only, and the engine's dtype is float32: set "
            "sampler.dtype=bfloat16 or model.dtype=bfloat16, or take sampler=vllm_merged."
        )
    if lora.dora:
        return "vLLM does not serve DoRA adapters (lora.dora=true) as such: take sampler=vllm_merged."
    if lora.rank > MOST_SERVED_RANK:
        return (
            f"lora.rank={lora.rank} is more than the {MOST_SERVED_RANK} that vLLM serves as an adapter: take "
            "sampler=vllm_merged, or a smaller rank."
        )
    return None


def correction_sees_no_dropout(config: TrainConfig) -> str | None:
    """TRL computes the old log-probs of its correction with dropout on: the ratio would measure the dropout."""
    if not config.trainer.get("vllm_importance_sampling_correction"):
        return None
    if not has_engine(config.sampler):
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


def server_can_be_asked(config: TrainConfig | EvaluateConfig) -> str | None:
    sampler = config.sampler
    if sampler.backend != "vllm_server":
        return None
    if sampler.sleep:
        return "sampler.sleep is for an engine that shares a GPU with the trainer, not for a server: leave it false."
    try:
        address = urlsplit(sampler.url)
    except ValueError:
        address = urlsplit("")
    if address.username or address.password:
        return (
            "sampler.url holds a name or a password, which would stand in logs and in W&B: leave it out; the server's "
            f"key is a file in your home folder, or {VARIABLE} in the environment."
        )
    if address.scheme not in ("http", "https") or not address.hostname:
        return f"sampler.url={sampler.url} is no address: it is http://<host>:<port>, as tina.sampler.serve prints it."
    return None


def server_is_waited_for_within_a_step(config: TrainConfig) -> str | None:
    """A step may wait twice: to send the adapter, and to sample."""
    waited, step = config.sampler.wait_s, config.hardware.step_timeout_s
    if config.sampler.backend == "vllm_server" and step is not None and 2 * waited >= step:
        return (
            f"sampler.wait_s={waited:g}: a step may wait for the server twice, and one that takes "
            f"hardware.step_timeout_s={step:g} is taken to hang; set one of them."
        )
    return None


def engine_outlives_the_training(config: TrainConfig) -> str | None:
    """An engine that ranks share ends with them, and rank 0 evaluates alone."""
    sampler = config.sampler
    if sampler.backend != "vllm" or sampler.tensor_parallel == 1 or not config.benchmarks.sets:
        return None
    return (
        f"sampler.tensor_parallel={sampler.tensor_parallel}: an engine that several processes share ends with the "
        "training, so the run cannot be evaluated on it; set benchmarks=none and evaluate it with evaluate.py, or take "
        "sampler=vllm_server."
    )


def engines_divide_the_processes(config: TrainConfig) -> str | None:
    if config.sampler.backend == "vllm" and config.hardware.processes % config.sampler.tensor_parallel:
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
    server_is_waited_for_within_a_step,
    engine_outlives_the_training,
    server_can_be_asked,
]
FOR_EVALUATION = [sampler_keys_have_a_meaning, sleep_needs_a_gpu, server_can_be_asked, run_can_be_served]
