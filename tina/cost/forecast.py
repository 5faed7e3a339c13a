"""Hours and dollars of a run before it starts: a roofline of its shapes on the hardware's data sheet, over one factor.

A step is sampling (per engine: weights read once a token of the longest completion, the KV cache of what stands there,
or the FLOPs if those take longer), then training (FLOPs, over all processes), one after the other. What the data sheet
promises is divided by EFFICIENCY, the one number that was fitted: to the published costs of the paper's runs
(`python benchmarks/forecast.py` fits it, leaves each run out in turn, and shows what other lengths would change).
A CPU has no data sheet: there a step is what it was measured to be (`calibration`).
"""

from dataclasses import dataclass

from tina.cost.calibration import calibration_of
from tina.cost.flops import Lengths, base_weights, generation_flops, step_flops
from tina.cost.shapes import shape_of
from tina.schema import Shape, TrainConfig

EFFICIENCY = 0.609
"""Share of the data sheet's speed that the paper's runs had, on two L40S with one of them sampling."""
WORST_RATIO = 1.42
"""Forecast to published, or the other way round, of the worst of six runs when the factor is fitted to the others."""
PROMPT_TOKENS = 150
"""Of a prompt on average: an assumption, a question and a short system text. It moves a step by a few percent."""
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class Gpu:
    """Data-sheet figures: dense bf16 FLOP/s and bytes of memory read a second."""

    flops: float
    bandwidth: float


GPUS = {
    "l40s": Gpu(362e12, 864e9),
    "a100": Gpu(312e12, 2039e9),  # SXM, 80 GB
    "h100": Gpu(989e12, 3350e9),  # SXM
    "h200": Gpu(989e12, 4800e9),
}


@dataclass(frozen=True)
class Forecast:
    """What a training run will take; `bound` says where its lengths are the cap, so that it can only take less."""

    seconds_per_step: float
    hours: float
    gpu_hours: float
    usd: float
    """By `hardware.usd_per_hour`; waiting in a queue is not in it."""
    flops: float
    bound: bool


@dataclass(frozen=True)
class Unknown:
    """No forecast, and why, in a few words."""

    reason: str


def expected_lengths(config: TrainConfig) -> Lengths:
    """What is assumed of a step's tokens: as configured, the cap where nothing is."""
    length = config.length
    longest = length.expected_longest_tokens or length.max_completion_tokens
    mean = length.expected_tokens or length.max_completion_tokens
    return Lengths(min(PROMPT_TOKENS, length.max_prompt_tokens), mean, longest)


def sampling_seconds(config: TrainConfig, shape: Shape, gpu: Gpu, lengths: Lengths, engines: int) -> float:
    """Seconds at the data sheet's speed in which `engines` GPUs that share a step's completions sample them."""
    size = BYTES[config.model.dtype]
    kv_bytes = 2 * shape.layers * shape.kv_heads * shape.head_dim * size
    weights = base_weights(shape) * size
    sequences = config.batch.completions_per_step / engines
    # Each token of a completion reads what stands before it; the completions are read together, the weights once.
    read = lengths.longest * weights + kv_bytes * sequences * lengths.completion * (
        lengths.prompt + lengths.completion / 2
    )
    computed = generation_flops(shape, None, sequences, lengths.prompt, lengths.completion)
    return max(read / gpu.bandwidth, computed / gpu.flops)


def training_seconds(config: TrainConfig, shape: Shape, gpu: Gpu, lengths: Lengths) -> float:
    """Seconds of a step's log-probs, forward and backward at the data sheet's speed, over all processes."""
    training = step_flops(config, shape, lengths, padded=False)
    return (training.total - training.generation) / gpu.flops / config.hardware.processes


def step_seconds(config: TrainConfig, shape: Shape, gpu: Gpu, lengths: Lengths, engines: int) -> float:
    """Seconds of an optimizer step at the data sheet's speed: sampling, then training."""
    sampling = sampling_seconds(config, shape, gpu, lengths, engines) / config.algorithm.num_iterations
    return sampling + training_seconds(config, shape, gpu, lengths)


def forecast(config: TrainConfig, engines: int | None = None) -> Forecast | Unknown:
    """Training of one run on its hardware. `engines`: GPUs that sample; every process has its own unless given."""
    shape, hardware = shape_of(config.model), config.hardware
    if shape is None:
        return Unknown("model.shape is not set")
    lengths, steps = expected_lengths(config), config.schedule.max_steps
    on_gpu, bound = hardware.device == "cuda", config.length.expected_tokens is None
    if not on_gpu:
        calibration = calibration_of(config)
        if calibration is None:
            return Unknown("no data sheet for a CPU; `python -m tina.calibrate` with the same settings measures it")
        seconds = calibration.step_seconds(lengths.longest)
        bound = config.length.expected_longest_tokens is None
    elif hardware.gpu not in GPUS:
        return Unknown(f"no data sheet for {hardware.gpu or 'hardware.gpu=null'}")
    else:
        gpu = GPUS[hardware.gpu]
        seconds = step_seconds(config, shape, gpu, lengths, engines or hardware.processes) / EFFICIENCY
    hours = seconds * steps / 3600
    gpu_hours = hours * (hardware.processes if on_gpu else 1)
    flops = step_flops(config, shape, lengths, padded=not on_gpu).total * steps
    return Forecast(seconds, hours, gpu_hours, gpu_hours * hardware.usd_per_hour, flops, bound)
