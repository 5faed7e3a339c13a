"""Hours and dollars of a run's evaluation before it starts: base and checkpoints on every benchmark, on one GPU.

The same roofline and the same efficiency as for training, with continuous batching: each token of the
`benchmarks.sequences` completions that are under way reads the weights once, and the KV cache before it. How long an
answer is stands in `benchmarks.expected_tokens`; without it every answer is taken to be as long as it may be.
"""

import math

from tina.cost.flops import base_weights, generation_flops
from tina.cost.forecast import BYTES, EFFICIENCY, GPUS, PROMPT_TOKENS, Forecast, Gpu, Unknown
from tina.cost.shapes import shape_of
from tina.evaluation.benchmarks import get_benchmark
from tina.schema import Benchmarks, Schedule, Selection, Shape, TrainConfig


def problems(benchmarks: Benchmarks, only: str | None = None) -> int:
    """Problems of all sets that are evaluated, or of one of them."""
    sets = [name for name in benchmarks.sets if name not in benchmarks.skip and only in (None, name)]
    return sum(min(get_benchmark(name).size, benchmarks.problems or math.inf) for name in sets)


def checkpoints(schedule: Schedule) -> int:
    """How many a run saves that goes on to its planned end; one more may come with its transition."""
    return math.ceil(schedule.max_steps / schedule.save_every)


def answers(schedule: Schedule, benchmarks: Benchmarks, selection: Selection) -> int:
    """Completions that all evaluations of a run ask for. A race has losers that are asked less."""
    of_all, candidates = problems(benchmarks) * benchmarks.samples, checkpoints(schedule)
    if selection.rule != "racing":
        return (1 + candidates) * of_all
    raced, racers = problems(benchmarks, selection.benchmark), candidates
    asked = before = 0
    samples = min(selection.first_samples, benchmarks.samples)
    while True:
        samples = benchmarks.samples if racers <= 2 else samples
        asked += racers * (samples - before) * raced
        if samples == benchmarks.samples:
            break
        racers, before, samples = (racers + 1) // 2, samples, min(2 * samples, benchmarks.samples)
    return asked + of_all + of_all - raced * benchmarks.samples  # the base, and the winner's other sets


def decode_seconds(shape: Shape, gpu: Gpu, size: int, sequences: int, n: float, completion: float) -> float:
    """`n` answers of `completion` tokens, `sequences` at once, at the data sheet's speed."""
    iterations = n * completion / min(sequences, n)
    kv_bytes = 2 * shape.layers * shape.kv_heads * shape.head_dim * size
    read = iterations * base_weights(shape) * size + kv_bytes * n * completion * (PROMPT_TOKENS + completion / 2)
    return max(read / gpu.bandwidth, generation_flops(shape, None, n, PROMPT_TOKENS, completion) / gpu.flops)


def forecast_evaluation(config: TrainConfig) -> Forecast | Unknown:
    """All evaluations of one run on one GPU of its hardware; a `Forecast` whose steps are evaluated models."""
    shape, hardware, benchmarks = shape_of(config.model), config.hardware, config.benchmarks
    n = answers(config.schedule, benchmarks, config.selection)
    if n == 0:
        return Forecast(0.0, 0.0, 0.0, 0.0, 0.0, False)
    if shape is None:
        return Unknown("model.shape is not set")
    if hardware.device != "cuda":
        return Unknown("evaluation on a CPU is not calibrated")
    if hardware.gpu not in GPUS:
        return Unknown(f"no data sheet for {hardware.gpu or 'hardware.gpu=null'}")
    completion = benchmarks.expected_tokens or benchmarks.max_new_tokens
    size, models = BYTES[config.model.dtype], 1 + checkpoints(config.schedule)
    each = n / models
    seconds = models * decode_seconds(shape, GPUS[hardware.gpu], size, benchmarks.sequences, each, completion)
    hours = seconds / EFFICIENCY / 3600
    flops = generation_flops(shape, config.lora, n, PROMPT_TOKENS, completion)
    bound = benchmarks.expected_tokens is None
    return Forecast(seconds / EFFICIENCY / models, hours, hours, hours * hardware.usd_per_hour, flops, bound)
