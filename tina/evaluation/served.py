"""The vLLM engine of an evaluation: started once, the run's adapters served by it one after another."""

import contextlib
import functools
from collections.abc import Callable, Iterator

from transformers import PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from tina import policy
from tina.errors import UserError
from tina.evaluation.engine import check_adapter, load_engine
from tina.evaluation.run_folder import RunFolder
from tina.evaluation.runner import Evaluator, Sample
from tina.sampler.completion import PolicyEngine
from tina.sampler.installed import vllm_problem
from tina.sampler.served import Served, serving
from tina.sampler.settings import adapters_at_once
from tina.schema import EvaluateConfig


def start_engine(config: EvaluateConfig, evaluator: Evaluator, run: RunFolder | None) -> PolicyEngine:
    """An engine for the model, with room for the run's adapters and the evaluation's longest sequence.

    Raises UserError if vLLM is not here, or refuses; TryLater if its server does not answer.
    """
    if config.sampler.backend == "vllm" and (problem := vllm_problem()):
        raise UserError(problem)
    import torch

    from tina.device import check_device
    from tina.sampler import seam
    from tina.sampler.settings import engine_settings

    transformers_logging.set_verbosity_error()
    check_device(config.hardware)
    if config.hardware.threads:
        torch.set_num_threads(config.hardware.threads)
    return seam.start_engine(
        engine_settings(
            config.model,
            config.sampler,
            run.config.lora if run else None,
            evaluator.longest_sequence,
            config.benchmarks.sequences,
            config.benchmarks.seed,
            config.hardware.device,
            adapters=adapters_at_once(config.sampler, config.hardware.device),
        )
    )


def switch_served(
    engine: Callable[[], PolicyEngine],
    tokenizer: PreTrainedTokenizerBase,
    config: EvaluateConfig,
    run: RunFolder | None,
    step: int,
) -> contextlib.AbstractContextManager[Sample]:
    """Sampling from a step of a run (0: its base), or from a model that stands alone."""

    @contextlib.contextmanager
    def switched() -> Iterator[Sample]:
        if run is None:
            yield Served(engine(), tokenizer)
            return
        checkpoint = run.checkpoints[step] if step else None
        if checkpoint and run.config.lora.method == "lora":
            check_adapter(policy.skeleton(config.model, run.config.lora), checkpoint, config.model)
        whole = functools.cache(lambda: load_engine(config.model, config.hardware, run))
        with serving(engine(), tokenizer, whole, checkpoint, config.model) as served:
            yield served

    return switched()
