"""What one forward and backward pass of training takes, before a machine finds out.

Numbers of each token in each block are kept for the backward pass: so many times the hidden and the intermediate size,
more with dropout in the adapters. The factors were fitted to peaks of Qwen2 models of 0.5 to 130 million parameters
with adapters on all linear layers, in float32 on a CPU (`tests/test_cost.py` has them); they hold within a factor of
1.5. With an attention that keeps its probabilities (`model.attention=eager`) it is more.
"""

from tina.cost.flops import adapter_weights, base_weights
from tina.cost.forecast import BYTES
from tina.schema import Shape, TrainConfig, completions_per_forward, longest_sequence

HIDDEN, INTERMEDIATE = 24.0, 3.2
"""Numbers kept per token and block, in hidden and intermediate sizes."""
DROPOUT_HIDDEN, DROPOUT_INTERMEDIATE = 5.0, 2.4
"""The same on top, of the inputs that dropout copies."""
RECOMPUTED = 3.0
"""With gradient checkpointing: blocks whose numbers are there at once; of the others the input alone is kept."""
HEAD_TOKENS, HEAD_COPIES = 2048, 7.0
"""The output layer is computed so many tokens at a time, with so many copies of their logits."""
OPTIMIZER_BYTES = 16
"""Of a trained weight: itself, its gradient and AdamW's two moments, in float32."""


def training_bytes(config: TrainConfig, shape: Shape, completions: int | None = None) -> float:
    """Weights, adapter with optimizer state, and one pass over `completions` of full length (those of a pass unless
    given)."""
    size, lora = BYTES[config.model.dtype], config.lora
    tokens = (completions or completions_per_forward(config.batch, config.hardware)) * longest_sequence(config)
    hidden, intermediate = HIDDEN, INTERMEDIATE
    if lora.method == "lora" and lora.dropout > 0:
        hidden, intermediate = hidden + DROPOUT_HIDDEN, intermediate + DROPOUT_INTERMEDIATE
    block = hidden * shape.hidden + intermediate * shape.intermediate
    blocks = shape.layers * block
    if config.hardware.gradient_checkpointing:
        blocks = shape.layers * shape.hidden + RECOMPUTED * block
    head = min(tokens, HEAD_TOKENS) * HEAD_COPIES * shape.vocabulary
    weights = base_weights(shape)
    trained = weights if lora.method == "full" else adapter_weights(shape, lora)
    return size * (weights + tokens * blocks + head) + OPTIMIZER_BYTES * trained
