"""Our configuration as GRPOConfig, our rewards as reward functions, our schedule.

What TRL 1.16 defaults to is pinned where it differs from the paper (loss, KL, temperature, scaling; what has no key of
ours in `trainer_fields.OURS`), since such defaults move between versions.
"""

import errno
import shutil
import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import PeftModel
from safetensors import SafetensorError
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback, TrainerCallback

from tina import hang, trainer_fields
from tina.checkpoint import broken_checkpoints, checkpoints, mark_whole, step_of
from tina.data.problem import Problem
from tina.errors import TryLater, UserError
from tina.grading import Grade as Verdict
from tina.guards import SIGNALS
from tina.history import Row, is_step
from tina.launch.ranks import any_rank
from tina.order import ResumableSampler
from tina.progress import Bar, metrics_line
from tina.rewards import RewardBatch, get_reward
from tina.sampler import fidelity
from tina.sampler.seam import GRPOConfig, GRPOTrainer, generating_with
from tina.sampler.settings import EngineSettings, has_engine
from tina.schema import (
    Sampler,
    Schedule,
    TrainConfig,
    completions_per_forward,
    context_tokens,
    gradient_accumulation_steps,
    horizon_steps,
    truncation,
    warmup_steps,
)

FULL_BYTES = 16 * 2**20
"""A disk with less than this left is taken to be full when a checkpoint cannot be saved."""

Grade = Callable[[Sequence[str], Sequence[str], Sequence[str]], list[Verdict]]
"""Problem ids, golds and completions in; a verdict for each out."""
Counters = Callable[[], Mapping[str, int]]
"""What was counted of all grading so far, by name."""
Log = Callable[[str, float], None]
"""TRL's `log_metric`: a metric of the step."""

# With several processes on the CPU transformers 5.17 asks for the optimizer's state on "cpu:0", a place that torch.load
# does not know; the storage is in the CPU's memory already.
torch.serialization.register_package(
    11, lambda storage: None, lambda storage, location: storage if location.startswith("cpu:") else None
)


def grpo_config(config: TrainConfig, output_dir: Path) -> GRPOConfig:
    """The whole configuration of a run as TRL takes it; `trainer.*` is passed through last, by TRL's own names."""
    on_gpu, full = config.hardware.device == "cuda", config.lora.method == "full"
    schedule, algorithm = config.schedule, config.algorithm
    arguments: dict[str, Any] = {
        "output_dir": str(output_dir),
        "seed": config.seed,
        "data_seed": config.seed,
        "use_cpu": not on_gpu,
        "bf16": config.model.dtype == "bfloat16" and (on_gpu or full),
        "fp16": config.model.dtype == "float16" and on_gpu and full,
        # What TRL loads itself: the reference of a policy without an adapter.
        "model_init_kwargs": {"revision": config.model.revision, "dtype": config.model.dtype} if full else None,
        "gradient_checkpointing": config.hardware.gradient_checkpointing,
        # optimizer and schedule
        "learning_rate": schedule.learning_rate,
        "weight_decay": schedule.weight_decay,
        "max_grad_norm": schedule.max_grad_norm,
        "lr_scheduler_type": schedule.kind,
        "lr_scheduler_kwargs": {"min_lr_rate": schedule.min_lr_rate} if schedule.kind == "cosine_with_min_lr" else {},
        "warmup_steps": warmup_steps(schedule),
        "max_steps": schedule.max_steps,
        # batch
        "per_device_train_batch_size": completions_per_forward(config.batch, config.hardware),
        "gradient_accumulation_steps": gradient_accumulation_steps(config),
        "num_generations": config.batch.num_generations,
        "num_iterations": algorithm.num_iterations,
        # sampling
        "max_completion_length": config.length.max_completion_tokens,
        "temperature": config.rollout.temperature,
        "top_p": config.rollout.top_p,
        "top_k": config.rollout.top_k,
        "min_p": config.rollout.min_p,
        # loss
        "loss_type": algorithm.loss_type,
        "scale_rewards": algorithm.scale_rewards,
        "beta": algorithm.beta,
        "epsilon": algorithm.epsilon,
        "epsilon_high": algorithm.epsilon_high,
        "delta": algorithm.delta,
        "importance_sampling_level": algorithm.importance_sampling_level,
        "mask_truncated_completions": algorithm.mask_truncated_completions,
        "use_vllm": has_engine(config.sampler),
        "vllm_mode": "colocate",
        "vllm_gpu_memory_utilization": config.sampler.gpu_memory_utilization,
        "vllm_max_model_length": context_tokens(config),
        "vllm_enable_sleep_mode": config.sampler.sleep,
        "vllm_tensor_parallel_size": config.sampler.tensor_parallel,
        "reward_weights": [term.weight for term in config.reward.rewards.values()],
        # record
        "save_strategy": "steps",
        "save_steps": schedule.save_every,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": on_gpu,
    }
    return GRPOConfig(**(trainer_fields.OURS | arguments | config.trainer))


def prompt_dataset(problems: Sequence[Problem], messages: Callable[[str], list[dict[str, str]]]) -> Dataset:
    """Columns prompt (chat messages), gold, problem_id: one row a problem."""
    return Dataset.from_dict(
        {
            "prompt": [messages(problem.question) for problem in problems],
            "gold": [problem.gold for problem in problems],
            "problem_id": [problem.id for problem in problems],
        }
    )


def reward_functions(
    config: TrainConfig,
    grade: Grade,
    tokenizer: PreTrainedTokenizerBase,
    prompt_opens_think: bool,
    counters: Counters = dict,
) -> list[Callable[..., list[float | None]]]:
    """The configured rewards as TRL calls them, all on one grading of the batch.

    TRL hands each function the same list of completion ids; the batch made from it is kept until another list comes.
    Texts are decoded here, since TRL's own parsing may take the think block out of a completion. What `counters` have
    counted for a batch (time-outs, answers refused, rows that cannot be judged) is logged as grading/* of its step; of
    several processes, the mean.
    """
    kept: list[tuple[object, RewardBatch]] = []

    def batch_of(completion_ids: list[list[int]], ids: list[str], golds: list[str], log_metric: Log) -> RewardBatch:
        if not kept or kept[0][0] is not completion_ids:
            texts = tokenizer.batch_decode(completion_ids, skip_special_tokens=True)
            before = counters()
            batch = RewardBatch(
                completions=texts,
                grades=grade(ids, golds, texts),
                completion_tokens=[len(ids) for ids in completion_ids],
                max_completion_tokens=config.length.max_completion_tokens,
                num_generations=config.batch.num_generations,
                prompt_opens_think=prompt_opens_think,
            )
            for name, count in counters().items():
                log_metric(f"grading/{name}", float(count - before[name]))
            kept[:] = [(completion_ids, batch)]
        return kept[0][1]

    def as_trl(name: str, options: dict[str, Any]) -> Callable[..., list[float | None]]:
        score = get_reward(name)

        def function(
            *, completion_ids: list[list[int]], problem_id: list[str], gold: list[str], log_metric: Log, **_: Any
        ) -> list[float | None]:
            return score(batch_of(completion_ids, problem_id, gold, log_metric), **options)

        function.__name__ = name  # TRL logs rewards/<this>/mean
        return function

    return [as_trl(name, dict(term.options)) for name, term in config.reward.rewards.items()]


class StretchedTrainer(GRPOTrainer):
    """GRPO whose learning-rate schedule is laid over more steps than are run, and whose checkpoints can be trusted."""

    def __init__(
        self,
        *args: Any,
        horizon: int,
        sampler: Sampler,
        truncated: bool = False,
        engine: EngineSettings | None = None,
        **kwargs: Any,
    ) -> None:
        """`horizon`: steps that the schedule is laid over; `truncated`: sampling leaves tokens out (top-p, top-k)."""
        self.horizon, self.sampler, self.truncated = horizon, sampler, truncated
        with generating_with(engine):
            super().__init__(*args, **kwargs)
        self.remove_callback(PrinterCallback)
        if isinstance(self.model, PeftModel) and "ref" in self.model.peft_config:
            # TRL keeps a copy of the adapter it is given as the reference of the KL term. Ours starts at zero, so that
            # the base is the same reference, without a second adapter's memory and products; TRL then takes the base.
            self.model.delete_adapter("ref")

    def _get_train_sampler(self, dataset: Dataset | None = None) -> ResumableSampler:
        """TRL's, with an order of prompts that a run finds again when it resumes."""
        return ResumableSampler(
            self.train_dataset if dataset is None else dataset,
            mini_repeat_count=self.num_generations,
            batch_size=self.args.generation_batch_size // self.num_generations,
            repeat_count=self.num_iterations * self.args.steps_per_generation,
            shuffle=self.shuffle_dataset,
            seed=self.args.seed,
            updates_a_batch=self.num_iterations,
            updates_done=lambda: self.state.global_step,
        )

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> torch.optim.lr_scheduler.LRScheduler:
        return super().create_scheduler(self.horizon, optimizer)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """TRL's, and the fidelity of what an engine sampled (`sampler.fidelity_*`) as metrics of the step."""
        if self.use_vllm:
            self.vllm_generation.step = self.state.global_step
            self.vllm_generation.compare = self.state.global_step % self.sampler.fidelity_every == 0
        output = super()._generate_and_score_completions(inputs)
        if "sampling_per_token_logps" in output:
            mode = "train" if self.model.training else "eval"
            # Log-probs of a distribution without its tail, held against those of the whole, would say nothing.
            compared = {} if self.truncated else self._fidelity(output)
            for name, value in (compared | self.vllm_generation.told).items():
                self._metrics[mode][name].append(value)
        return output

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """TRL's; if the sampler's server stays away, what is trained is saved and TryLater goes on to the caller."""
        try:
            return super().train(*args, **kwargs)
        except TryLater:
            # A server is lost between two steps, before anything random was drawn: this is the state after the last.
            if self.state.global_step and self.state.global_step not in checkpoints(Path(self.args.output_dir)):
                self._save_checkpoint(self.model_wrapped, None)
            self.callback_handler.on_train_end(self.args, self.state, self.control)
            raise

    @torch.no_grad()
    def _fidelity(self, output: dict[str, Any]) -> dict[str, float]:
        """Log-probs of some completions by the trained policy as it is now, against the sampler's.

        They are computed for this alone, without dropout: those of the loss have it.
        """
        completions, mask = output["completion_ids"], output["completion_mask"]
        rows = torch.linspace(0, len(completions) - 1, min(self.sampler.fidelity_completions, len(completions))).long()
        ids = torch.cat([output["prompt_ids"], completions], dim=1)[rows]
        attention = torch.cat([output["prompt_mask"], mask], dim=1)[rows]
        was_training = self.model.training
        self.model.eval()
        trainer, _, _ = self._get_per_token_logps_and_entropies(self.model, ids, attention, completions.shape[1])
        self.model.train(was_training)
        sums = fidelity.sums(output["sampling_per_token_logps"][rows], trainer, mask[rows])
        return fidelity.metrics(self.accelerator.gather(sums[None]))

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """TRL's, with the completions that are still to be used, and a mark once every process has written its part."""
        folder = Path(self._get_output_dir(trial=trial)) / f"checkpoint-{self.state.global_step}"
        try:
            super()._save_checkpoint(model, trial)
            if self._step % (self.args.steps_per_generation * self.num_iterations):
                torch.save(self._buffered_inputs, folder / self._rollouts)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                mark_whole(folder)
        except (OSError, RuntimeError, SafetensorError) as error:
            raise _not_saved(folder, error) from error

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """TRL's, and the completions that were still to be used: it would sample others in their place."""
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is None:
            return
        self._step = step_of(Path(checkpoint)) * self.args.gradient_accumulation_steps
        if (kept := Path(checkpoint) / self._rollouts).is_file():
            self._buffered_inputs = torch.load(kept, map_location=self.args.device, weights_only=True)

    @property
    def _rollouts(self) -> str:
        return f"rollouts_{self.accelerator.process_index}.pt"

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """No card for each checkpoint: one is written for what is exported."""


def _not_saved(folder: Path, error: Exception) -> Exception:
    """The error in words if the disk is full, which its own words often do not say; else as it is."""
    free = shutil.disk_usage(folder.parent).free
    if free > FULL_BYTES and getattr(error, "errno", None) not in (errno.ENOSPC, errno.EDQUOT):
        return error
    return UserError(
        f"{folder} could not be saved, for the disk is full ({free / 2**20:.0f} MiB are left): make room, and the same "
        "command goes on from the checkpoint before."
    )


class Progress(TrainerCallback):
    """Shows the bar, and hands the row of each step on to `log`."""

    def __init__(self, title: str, log: Callable[[Row], None]) -> None:
        self.title, self.log, self.bar = title, log, None

    def on_train_begin(self, args, state, control, **kwargs):
        self.bar = Bar(self.title, state.max_steps)
        self.bar.advance_to(state.global_step)

    def on_log(self, args, state, control, logs=None, **kwargs):
        if is_step(logs or {}):
            self.log(state.log_history[-1])
            self.bar.advance_to(state.global_step, metrics_line(logs))

    def on_train_end(self, args, state, control, **kwargs):
        self.bar.close()


class OrderlyStop(TrainerCallback):
    """On SIGINT or SIGTERM: finish the step, save a whole checkpoint, stop. A second SIGINT ends at once.

    A second SIGTERM does not: a scheduler signals each process of a job, and so does whoever started them. Of several
    ranks all stop after the step at which the first of them has heard of it.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.previous: dict[int, Any] = {}

    def on_train_begin(self, args, state, control, **kwargs):
        self.previous = {number: signal.signal(number, self._receive) for number in SIGNALS}

    def _receive(self, number: int, frame: object) -> None:
        if self.received is not None and number == signal.SIGINT:
            raise SystemExit(128 + number)
        self.received = self.received or number

    def asked(self) -> bool:
        """Is the run asked to end, in any rank? All must ask, at the same place."""
        if any_rank(self.received is not None):
            self.received = self.received or signal.SIGTERM
        return self.received is not None

    def on_step_end(self, args, state, control, **kwargs):
        if self.asked():
            control.should_save = True
            control.should_training_stop = True

    def on_train_end(self, args, state, control, **kwargs):
        for number, handler in self.previous.items():
            signal.signal(number, handler)


STEP_TIMEOUT = "hardware.step_timeout_s"


class StepTimeout(TrainerCallback):
    """Ends the process if a step, with what is saved after it, takes longer than `seconds`; None lets it.

    Whoever starts the training ends the limit of its last step.
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds

    def on_step_begin(self, args, state, control, **kwargs):
        hang.allow(self.seconds, f"Step {state.global_step + 1}", STEP_TIMEOUT)


def build_trainer(
    config: TrainConfig,
    model: PreTrainedModel | PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    dataset: Dataset,
    rewards: list[Callable[..., list[float | None]]],
    output_dir: Path,
    callbacks: list[TrainerCallback],
    engine: EngineSettings | None = None,
) -> StretchedTrainer:
    """The trainer, ready to train or to resume; with sampler=vllm it starts `engine`. Raises UserError for what TRL
    or vLLM refuses."""
    try:
        trainer = StretchedTrainer(
            model=model,
            args=grpo_config(config, output_dir),
            reward_funcs=rewards,
            train_dataset=dataset,
            processing_class=tokenizer,
            callbacks=callbacks,
            horizon=horizon_steps(config.schedule),
            sampler=config.sampler,
            truncated=truncation(config.rollout) is not None,
            engine=engine,
        )
    except (TypeError, ValueError) as error:
        raise UserError(f"TRL refuses this configuration: {error}") from error
    trainer.chat_template = config.prompt.chat_template  # None: the tokenizer's
    return trainer


def drop_unscheduled(output_dir: Path, schedule: Schedule, kept_steps: Collection[int]) -> None:
    """Removes the checkpoints that only served to go on from after a stop, or for a turn that was none after all, and
    what a kill left of one.

    What a run is evaluated and chosen on must not depend on where it happened to be interrupted. `kept_steps`: off the
    schedule's grid, but of the run itself: its last step, its transition.
    """
    unscheduled = [
        path for step, path in checkpoints(output_dir).items() if step % schedule.save_every and step not in kept_steps
    ]
    for path in [*unscheduled, *broken_checkpoints(output_dir)]:
        shutil.rmtree(path)
