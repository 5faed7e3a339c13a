"""A quicker way for vLLM's CPU operators when an engine has one adapter. Their names are in `seam.NAMES`."""

from torch import Tensor


def one_adapter_on_cpu() -> None:
    """Gives vLLM's CPU operators for adapters the matrix products that one adapter needs.

    Theirs copy A and B once for each token of a batch, since each might have an adapter of its own.
    """
    from vllm.lora.ops.torch_ops import lora_ops

    def product(inputs: Tensor, weights: Tensor, output: Tensor) -> Tensor:
        (matrix,) = weights.flatten(0, -3)  # (1, 1, out, in) or (1, out, in): room for one adapter
        return inputs.to(output.dtype) @ matrix.to(output.dtype).T

    others = lora_ops.bgmv_shrink, lora_ops.bgmv_expand, lora_ops.bgmv_expand_slice
    if others[0].__module__ == __name__:
        return

    def shrink(inputs: Tensor, weights: Tensor, output: Tensor, indices: Tensor, scaling: float = 1.0) -> None:
        if weights.shape[0] > 1:
            return others[0](inputs, weights, output, indices, scaling)
        found = product(inputs, weights, output)
        output[:, : found.shape[1]] = scaling * found

    def expand(inputs: Tensor, weights: Tensor, output: Tensor, indices: Tensor, add_inputs: bool = True) -> None:
        if weights.shape[0] > 1:
            return others[1](inputs, weights, output, indices, add_inputs)
        expand_slice(inputs, weights, output, indices, 0, min(weights.shape[-2], output.shape[1]), add_inputs)

    def expand_slice(
        inputs: Tensor, weights: Tensor, output: Tensor, indices: Tensor, start: int, size: int, add_inputs: bool = True
    ) -> None:
        if weights.shape[0] > 1:
            return others[2](inputs, weights, output, indices, start, size, add_inputs)
        found, part = product(inputs, weights, output)[:, :size], output[:, start : start + size]
        part.copy_(part + found if add_inputs else found)

    lora_ops.bgmv_shrink, lora_ops.bgmv_expand, lora_ops.bgmv_expand_slice = shrink, expand, expand_slice
