"""FLOPs from shapes: what a decoder with adapters computes when it samples, and when it is trained.

A multiplication and an addition are two. Counted are matrix products, as by torch's FlopCounterMode with eager
attention: linear layers, adapters, attention over all pairs of positions (a kernel that leaves out what the causal mask
hides computes half of those), and the output layer. Norms, activations and softmax are left out: below one percent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tina.schema import Lora, Shape, TrainConfig


@dataclass(frozen=True)
class Lengths:
    """Tokens of one step's batch: of prompts and completions on average, and of the longest completion."""

    prompt: float
    completion: float
    longest: float


@dataclass(frozen=True)
class StepFlops:
    """FLOPs of one optimizer step over all completions, by what they are spent on."""

    generation: float
    log_probs: float
    """Of the frozen base for the KL term, and of the old policy if a batch is used more than once: once a batch."""
    forward: float
    backward: float
    recomputation: float

    @property
    def total(self) -> float:
        return self.generation + self.log_probs + self.forward + self.backward + self.recomputation


def widths(shape: Shape) -> dict[str, tuple[int, int]]:
    """Inputs and outputs of each linear layer of a block."""
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    return {
        "q_proj": (shape.hidden, queries),
        "k_proj": (shape.hidden, keys),
        "v_proj": (shape.hidden, keys),
        "o_proj": (queries, shape.hidden),
        "gate_proj": (shape.hidden, shape.intermediate),
        "up_proj": (shape.hidden, shape.intermediate),
        "down_proj": (shape.intermediate, shape.hidden),
    }


def base_weights(shape: Shape) -> int:
    """Weights of all linear layers and of the output layer; what decoding one token reads."""
    block = sum(inputs * outputs for inputs, outputs in widths(shape).values())
    return shape.layers * block + shape.hidden * shape.vocabulary


def adapter_weights(shape: Shape, lora: Lora, targets: tuple[str, ...] | None = None) -> int:
    """Trained weights of all adapters (of those of `targets` only); 0 for full fine-tuning."""
    if lora.method != "lora":
        return 0
    of_block = (inputs + outputs for name, (inputs, outputs) in widths(shape).items() if name in lora.target_modules)
    return shape.layers * lora.rank * sum(of_block)


def forward_flops(shape: Shape, lora: Lora | None, tokens: float, pairs: float, logits: float) -> float:
    """`tokens` through all blocks, `pairs` of query and key positions, and the output layer for `logits` tokens."""
    blocks = base_weights(shape) - shape.hidden * shape.vocabulary + (adapter_weights(shape, lora) if lora else 0)
    attention = 4 * shape.layers * shape.heads * shape.head_dim * pairs
    return 2 * blocks * tokens + attention + 2 * shape.hidden * shape.vocabulary * logits


def generation_flops(shape: Shape, lora: Lora | None, sequences: float, prompt: float, completion: float) -> float:
    """Sampling `completion` tokens after each `prompt` with a KV cache: the prompt at once, then a token at a time."""
    prefill = forward_flops(shape, lora, sequences * prompt, sequences * prompt**2, sequences)
    decoded = completion - 1  # the prompt gives the first token
    pairs = decoded * (prompt + (decoded + 1) / 2)
    return prefill + forward_flops(shape, lora, sequences * decoded, sequences * pairs, sequences * decoded)


def backward_flops(shape: Shape, lora: Lora, tokens: float, pairs: float, logits: float, checkpointing: bool) -> float:
    """Gradients with respect to inputs everywhere, with respect to weights where they are trained.

    A frozen weight costs its forward product once more, a trained one twice; attention twice. Without checkpointing the
    embeddings need no gradient, so neither do the inputs of the first block's first layers.
    """
    output = shape.hidden * shape.vocabulary
    blocks, adapters = base_weights(shape) - output, adapter_weights(shape, lora)
    attention = 8 * shape.layers * shape.heads * shape.head_dim * pairs
    if lora.method != "lora":
        return 4 * blocks * tokens + attention + 4 * output * logits
    first = 0.0
    if not checkpointing:
        for name in ("q_proj", "k_proj", "v_proj"):
            inputs, outputs = widths(shape)[name]
            first += inputs * outputs + (lora.rank * inputs if name in lora.target_modules else 0)
    return 2 * (blocks + 2 * adapters - first) * tokens + attention + 2 * output * logits


def step_flops(config: TrainConfig, shape: Shape, lengths: Lengths, padded: bool = True) -> StepFlops:
    """One optimizer step of `config`. `padded`: every completion is computed up to the longest one of the step.

    That is what the transformers sampler and TRL's tensors do; without it, what a sampler with continuous batching and
    unpadded training would need.
    """
    n, lora, algorithm = config.batch.completions_per_step, config.lora, config.algorithm
    trained_length = lengths.longest if padded else lengths.completion
    sampled_length = lengths.longest if padded and config.sampler.backend == "transformers" else lengths.completion
    length = lengths.prompt + trained_length
    work = {"tokens": n * length, "pairs": n * length**2, "logits": n * (trained_length + 1)}
    generation = generation_flops(shape, lora, n, lengths.prompt, sampled_length) / algorithm.num_iterations
    once = forward_flops(shape, lora, **work)
    checkpointing = config.hardware.gradient_checkpointing
    output = 2 * shape.hidden * shape.vocabulary * work["logits"]
    old = once if algorithm.num_iterations > 1 else 0.0
    reference = forward_flops(shape, None, **work) if algorithm.beta > 0 else 0.0
    return StepFlops(
        generation=generation,
        log_probs=(old + reference) / algorithm.num_iterations,
        forward=once,
        backward=backward_flops(shape, lora, **work, checkpointing=checkpointing),
        recomputation=once - output if checkpointing else 0.0,
    )


def flops_of_row(config: TrainConfig, shape: Shape, row: Mapping[str, Any], tokens_before: float) -> StepFlops:
    """FLOPs of a step that was logged as `row` (TRL's metrics); `tokens_before`: `num_tokens` of the step before."""
    n, mean = config.batch.completions_per_step, row["completions/mean_length"]
    prompt = (row["num_tokens"] - tokens_before) / n - mean
    return step_flops(config, shape, Lengths(prompt, mean, row["completions/max_length"]))
