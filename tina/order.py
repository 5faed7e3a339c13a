"""The order in which a run draws its prompts: the same whether or not the run was stopped in between."""

from collections.abc import Callable, Iterator
from typing import Any

import torch

from tina.sampler.seam import RepeatSampler


class ResumableSampler(RepeatSampler):
    """TRL's order of prompts, found again by a run that resumes in a later epoch.

    TRL seeds the sampler's generator when it is made and draws one permutation an epoch from it, so that a Trainer that
    resumes in epoch k draws the permutation of epoch 0 again. Here the generator is wound forward to the epoch that
    `updates_done` (optimizer steps so far) lies in.
    """

    def __init__(self, *args: Any, updates_a_batch: int, updates_done: Callable[[], int], **kwargs: Any) -> None:
        """`updates_a_batch`: optimizer steps that each batch of prompts is used for (`num_iterations`)."""
        super().__init__(*args, **kwargs)
        self.updates_a_batch, self.updates_done = updates_a_batch, updates_done

    @property
    def updates_an_epoch(self) -> int:
        """Prompts that do not fill a batch are left out of an epoch."""
        return self.num_samples // self.batch_size * self.updates_a_batch

    def __iter__(self) -> Iterator[int]:
        if self.shuffle:
            self.generator.manual_seed(self.seed)
            for _ in range(self.updates_done() // self.updates_an_epoch):
                torch.randperm(self.num_samples, generator=self.generator)
        return super().__iter__()
