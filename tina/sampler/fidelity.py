"""Is the policy that samples the policy that is trained? Log-probs compared token by token, and updates as served.

With d = trainer's log-prob - sampler's log-prob of a sampled token, the KL divergence KL(sampler || trainer) is
estimated by the mean of exp(d) - 1 - d (the k3 estimator of Schulman, 2020), and exp(d) is the importance ratio.
"""

from collections.abc import Iterator, Mapping

import torch
from peft import PeftModel
from torch import Tensor

from tina.sampler.weights import checkpoint_name

WATCHED = 8
"""Weight matrices of the base that are kept and compared; spread over the model."""


def sums(sampler: Tensor, trainer: Tensor, mask: Tensor) -> Tensor:
    """(7,): tokens, sum and largest |d|, sum of k3, sum, least and largest ratio; of tokens whose mask is set.

    sampler, trainer: (B, T) log-probs in nats; a token that the sampler gave no log-prob for (NaN) is left out.
    """
    d = (trainer.double() - sampler.double())[mask.bool() & ~torch.isnan(sampler)]
    if not d.numel():
        return torch.tensor([0, 0, 0, 0, 0, torch.inf, -torch.inf], device=sampler.device, dtype=torch.double)
    ratio = d.exp()
    columns = [torch.tensor(d.numel(), device=d.device), d.abs().sum(), d.abs().max(), (ratio - 1 - d).sum()]
    return torch.stack([*(c.double() for c in columns), ratio.sum(), ratio.min(), ratio.max()])


def metrics(per_process: Tensor) -> dict[str, float]:
    """The metrics of a step from (P, 7) `sums` of all processes; none if no token could be compared."""
    tokens = per_process[:, 0].sum().item()
    if not tokens:
        return {}
    total, largest, least = per_process.sum(0) / tokens, per_process.max(0).values, per_process.min(0).values
    return {
        "fidelity/logprob_diff_mean": total[1].item(),
        "fidelity/logprob_diff_max": largest[2].item(),
        "fidelity/kl": total[3].item(),
        "fidelity/ratio_mean": total[4].item(),
        "fidelity/ratio_min": least[5].item(),
        "fidelity/ratio_max": largest[6].item(),
    }


class UpdateWatch:
    """Remembers some of the base's matrices as they were, and holds what was sent to the sampler against them."""

    def __init__(self, model: PeftModel) -> None:
        self.model = model
        self.adapter = model.active_adapters[0]
        layers = list(self._layers())
        chosen = layers[:: max(1, len(layers) // WATCHED)][:WATCHED]
        self.start = {name: layer.get_base_layer().weight.detach().clone() for name, layer in chosen}
        self.layers = dict(chosen)

    def _layers(self) -> Iterator[tuple[str, torch.nn.Module]]:
        for name, module in self.model.named_modules():
            if self.adapter in getattr(module, "lora_A", {}):
                yield checkpoint_name(name), module

    def drift(self) -> float:
        """|W - W at the start| / |W at the start| over the watched matrices; 0 unless something moved the base."""
        moved = sum(_square(layer.get_base_layer().weight, self.start[name]) for name, layer in self.layers.items())
        return (moved / sum(_square(start) for start in self.start.values())) ** 0.5

    def cosine_of_merged(self, sent: Mapping[str, Tensor]) -> float | None:
        """Cosine between the update that is meant and (weight sent - weight at the start); None while nothing is meant.

        sent: weights by checkpoint name, at least the watched ones.
        """
        served = {n: sent[f"{n}.weight"].double() - start.to(sent[f"{n}.weight"]) for n, start in self.start.items()}
        return self._cosine(served)

    def cosine_of_adapter(self, sent: Mapping[str, Tensor]) -> float | None:
        """The same of an adapter that was sent; sent: A (rank, in) and B (out, rank) by PEFT's file names."""
        served = {}
        for name, layer in self.layers.items():
            a, b = (sent[f"base_model.model.{name}.lora_{part}.weight"].double() for part in "AB")
            served[name] = layer.scaling[self.adapter] * b @ a
        return self._cosine(served)

    def _cosine(self, served: Mapping[str, Tensor]) -> float | None:
        dot = meant_square = served_square = 0.0
        for name, layer in self.layers.items():
            a, b = layer.lora_A[self.adapter].weight, layer.lora_B[self.adapter].weight
            meant = layer.scaling[self.adapter] * b.detach().double() @ a.detach().double()
            dot += (meant * served[name].to(meant.device)).sum().item()
            meant_square += _square(meant)
            served_square += _square(served[name])
        if not meant_square:
            return None
        return dot / (meant_square * served_square) ** 0.5 if served_square else 0.0


def _square(tensor: Tensor, origin: Tensor | None = None) -> float:
    difference = tensor.detach().double() - (0 if origin is None else origin.double())
    return difference.square().sum().item()
