"""The typed configuration: every knob of a run, in one place, without importing anything slow.

`train.py` composes these dataclasses from the groups under `conf/`. Hydra refuses wrong types and unknown keys against
them; `tina.checks` holds the rules between fields. A leaf that is added here counts towards a run's identity unless
`tina.identity.NOT_IDENTITY` names it.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

SCHEMA_VERSION = 2
"""Counted in every digest: raise it when the same configuration starts to mean another experiment."""


@dataclass
class Shape:
    """The size of a decoder, for its price alone; of a model in a local folder its config.json is read instead."""

    layers: int = MISSING
    hidden: int = MISSING
    heads: int = MISSING
    kv_heads: int = MISSING
    head_dim: int = MISSING
    intermediate: int = MISSING
    vocabulary: int = MISSING


@dataclass
class Model:
    name: str = MISSING
    path: str = MISSING
    """A hub id, a local folder, or `embedded:<mix>` for the weights inside the package."""
    revision: str | None = None
    dtype: str = "bfloat16"
    attention: str = "sdpa"
    trust_remote_code: bool = False
    chat_template: str | None = None
    """A Jinja template for a base model whose tokenizer brings none."""
    training_template: str | None = None
    """The Jinja template that the released recipes train this model with (`prompt.released_template`)."""
    max_context_tokens: int = MISSING
    """The longest prompt plus completion the model's positions allow."""
    shape: Shape | None = None
    """What FLOPs and forecasts of a model from the hub rest on."""


@dataclass
class Columns:
    question: str | None = "problem"
    answer: str | None = "answer"
    solution: str | None = None


@dataclass
class Dataset:
    name: str = MISSING
    generator: str | None = None
    """`arithmetic` or `reasoning_gym`: problems made by code instead of read from a file."""
    generator_options: dict[str, Any] = field(default_factory=dict)
    hub_id: str | None = None
    subset: str | None = None
    split: str = "train"
    revision: str | None = None
    """A branch, tag or commit of the hub's; its newest state unless set."""
    path: str | None = None
    """A local jsonl, json or parquet file, or a folder of them; wins over `hub_id`."""
    filter: str = "sound"
    """`sound` leaves out what cannot teach or teaches twice; `as_released` keeps every row that asks something."""
    columns: Columns = field(default_factory=Columns)
    size: int | None = None
    expected_rows: int | None = None
    seed: int = 0


@dataclass
class Prompt:
    name: str = MISSING
    system: str | None = None
    template: str = "{question}"
    """The user's message; {question} is where the question goes."""
    chat_template: str | None = None
    """A Jinja template for these prompts, instead of the tokenizer's own."""
    released_template: bool = False
    """Take the model's `training_template` for it."""
    file: str | None = None
    """A training recipe (YAML) whose `system_prompt` and `chat_template` are taken where they are not set here."""


@dataclass
class Lora:
    name: str = MISSING
    method: str = "lora"
    """`lora`, or `full` for full fine-tuning as a peer to compare with."""
    rank: int = 32
    alpha_ratio: float = 4.0
    alpha: float | None = None
    """Follows from `alpha_ratio` x `rank` unless set."""
    dropout: float = 0.05
    target_modules: list[str] = field(
        default_factory=lambda: ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    )
    rslora: bool = False
    dora: bool = False


@dataclass
class Schedule:
    name: str = MISSING
    kind: str = "cosine_with_min_lr"
    learning_rate: float = 1e-6
    max_steps: int = MISSING
    """Where the run stops, in optimizer steps."""
    stretch: float = 2.0
    horizon_steps: int | None = None
    """What the learning-rate schedule is laid over; `stretch` x `max_steps` unless set."""
    warmup_ratio: float = 0.1
    """Share of the HORIZON, not of the steps that are run."""
    min_lr_rate: float = 0.1
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    save_every: int = 100
    """Optimizer steps between checkpoints; the last step is always saved."""


@dataclass
class Algorithm:
    name: str = MISSING
    loss_type: str = "grpo"
    scale_rewards: str = "group"
    beta: float = 0.04
    """Weight of the KL penalty against the frozen base."""
    epsilon: float = 0.2
    epsilon_high: float | None = None
    delta: float | None = None
    num_iterations: int = 1
    importance_sampling_level: str = "token"
    mask_truncated_completions: bool = False


@dataclass
class Batch:
    num_generations: int = 8
    """G: completions per prompt."""
    completions_per_step: int = 64
    """Completions in one optimizer step, over all processes."""
    completions_per_forward: int | None = None
    """Completions in one forward and backward pass of one process; its whole share of a step unless set."""


@dataclass
class RewardTerm:
    weight: float = MISSING
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class Reward:
    name: str = MISSING
    rewards: dict[str, RewardTerm] = MISSING


@dataclass
class Grading:
    mode: str = "sound"
    timeout_s: float = 5.0
    """Hard limit for one answer; a worker that exceeds it is killed."""
    max_chars: int = 2000
    """Longer answers are wrong."""
    workers: int = 2


@dataclass
class Length:
    name: str = MISSING
    max_prompt_tokens: int = 512
    """Longer prompts are left out of training and counted, never truncated."""
    max_completion_tokens: int = MISSING
    context_tokens: int | None = None
    """Prompt plus completion that the sampler can hold; the model's own limit unless set."""
    expected_tokens: int | None = None
    """Of a completion on average over the run, for forecasts alone; the cap (at most) unless set."""
    expected_longest_tokens: int | None = None
    """Of a step's longest completion on average over the run, for forecasts alone; the cap unless set."""


@dataclass
class Rollout:
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float | None = None


@dataclass
class Sampler:
    name: str = MISSING
    backend: str = "transformers"
    """`transformers`: the trained model generates. `vllm`: an engine in the same process does. `vllm_server`: one that
    `python -m tina.sampler.serve` started does. What follows is the engine's."""
    sync: str = "adapter"
    """How the engine gets the policy: `adapter` sends the adapter alone, `merged` every weight with it merged in."""
    dtype: str | None = None
    """The engine's; `model.dtype` unless set."""
    eager: bool | None = None
    """No compiled graphs; unless set, on a CPU only."""
    gpu_memory_utilization: float = 0.4
    """Share of a GPU's memory that the engine takes."""
    cpu_kv_cache_gib: float = 1.0
    """Main memory for the engine's key-value cache where there is no GPU."""
    prefix_caching: bool = True
    sleep: bool = False
    """Give the GPU's memory back while the policy is trained; the engine's weights wait in main memory."""
    tensor_parallel: int = 1
    """Processes that share one engine."""
    adapters: int | None = None
    """Checkpoints that an evaluation samples from at once; unless set 4, and 1 where the engine is this process's on a
    CPU."""
    url: str = "http://127.0.0.1:8000"
    """Of the server."""
    wait_s: float = 600.0
    """How long a server that does not answer is waited for, before the run saves and ends with exit code 75."""
    fidelity_completions: int = 8
    """Completions of a process whose log-probs are computed again each step, to compare with the sampler's."""
    fidelity_every: int = 25
    """Steps between comparisons of the update that is meant with the one that is served."""


@dataclass
class Benchmarks:
    name: str = MISSING
    sets: list[str] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)
    """A local file or folder for a set, by its name; in the columns of the original."""
    skip: list[str] = field(default_factory=list)
    prompt: str = "training"
    """`training`: asked as in training. `benchmark`: each set's own prompt and no system text, the same for all."""
    problems: int | None = None
    """Evaluate only the first so many problems of each set; all unless set."""
    samples: int = 1
    temperature: float = 0.6
    top_p: float = 0.95
    max_new_tokens: int = 32768
    seed: int = 42
    sequences: int = 128
    """Sequences that are generated at once."""
    expected_tokens: int | None = None
    """Of an answer on average, for forecasts alone; `max_new_tokens` (at most) unless set."""


@dataclass
class Evaluate:
    after_train: bool = False
    """On a cluster: evaluate in a job of its own that waits for the training, with other resources. Everywhere else
    the training process does it anyway."""


@dataclass
class Selection:
    name: str = MISSING
    rule: str = "held_out"
    benchmark: str | None = None
    """What `held_out` and `racing` choose on; must not be a set that tables report. `racing` may go without."""
    first_samples: int = 1
    """Samples a problem in the first round of `racing`; doubled in each round, up to `benchmarks.samples`."""
    stop: str = "never"
    """`after_transition` ends a run early; part of its identity, as the rule that only chooses is not."""
    stop_after_steps: int = 5
    """Optimizer steps that such a run goes on after the transition is sure."""


@dataclass
class Tracking:
    name: str = MISSING
    mode: str = "offline"
    project: str = "tina"
    entity: str | None = None


@dataclass
class Hardware:
    name: str = MISSING
    device: str = "cpu"
    processes: int = 1
    threads: int | None = None
    """CPU threads of one process; all cores unless set."""
    step_timeout_s: float | None = 3600.0
    """A step that takes longer hangs: the run says where, and ends with exit code 75. None: it may take any time."""
    gpu: str | None = None
    """The accelerator's name, for prices and forecasts."""
    gradient_checkpointing: bool = False
    usd_per_hour: float = 0.0
    """Price of one GPU-hour, or of one hour of the machine when there is no GPU."""


@dataclass
class Paths:
    outputs: str = "outputs"


@dataclass
class Study:
    """An ablation: its name, and how its table is laid out (see sweeps/)."""

    name: str | None = None
    title: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    """Row labels by what was swept, for example `lora.rank=4`; the swept values themselves unless set."""
    published: str | None = None
    """The table of analysis/published/ablations.csv that this ablation answers to."""
    published_arms: dict[str, str] = field(default_factory=dict)
    """What was swept to that table's `value` column, where the two differ."""


@dataclass
class TrainConfig:
    """Everything `train.py` takes."""

    model: Model = field(default_factory=Model)
    dataset: Dataset = field(default_factory=Dataset)
    prompt: Prompt = field(default_factory=Prompt)
    lora: Lora = field(default_factory=Lora)
    schedule: Schedule = field(default_factory=Schedule)
    algorithm: Algorithm = field(default_factory=Algorithm)
    batch: Batch = field(default_factory=Batch)
    reward: Reward = field(default_factory=Reward)
    grading: Grading = field(default_factory=Grading)
    length: Length = field(default_factory=Length)
    rollout: Rollout = field(default_factory=Rollout)
    sampler: Sampler = field(default_factory=Sampler)
    benchmarks: Benchmarks = field(default_factory=Benchmarks)
    evaluate: Evaluate = field(default_factory=Evaluate)
    selection: Selection = field(default_factory=Selection)
    tracking: Tracking = field(default_factory=Tracking)
    hardware: Hardware = field(default_factory=Hardware)
    paths: Paths = field(default_factory=Paths)
    trainer: dict[str, Any] = field(default_factory=dict)
    """Any further field of TRL's GRPOConfig, by its own name."""
    seed: int = 42
    study: Study = field(default_factory=Study)
    """The ablation that this run was started for; a run may belong to several."""


@dataclass
class EvaluateConfig:
    """Everything `evaluate.py` takes. A group that is None is taken from the run's own configuration."""

    run: str | None = None
    """The folder of a training run; a model is evaluated alone without it."""
    checkpoints: Any = "all"
    """`all`, `last`, `chosen`, `around_transition`, or a list of steps."""
    base: bool = True
    """Evaluate the base model, step 0, too."""
    model: Model | None = None
    """What is evaluated; of a run, another place to load its base model from."""
    trust_remote_code: bool = False
    """Run the code that a run's base model brings with it; no run's folder says so."""
    sampler: Sampler = field(default_factory=Sampler)
    """Not the run's: it was set for a machine that trains at the same time."""
    prompt: Prompt | None = None
    grading: Grading = field(default_factory=Grading)
    """Not the run's: what is compared must be judged alike."""
    benchmarks: Benchmarks = field(default_factory=Benchmarks)
    selection: Selection | None = None
    """Chooses among the evaluated checkpoints; nothing is chosen unless it is given."""
    tracking: Tracking = field(default_factory=Tracking)
    hardware: Hardware = field(default_factory=Hardware)
    paths: Paths = field(default_factory=Paths)


def alpha(lora: Lora) -> float:
    """LoRA's alpha: set, or `alpha_ratio` x `rank` (the paper's second trick at ratio 4)."""
    return lora.alpha if lora.alpha is not None else lora.alpha_ratio * lora.rank


def stop_after_steps(selection: Selection) -> int | None:
    """Optimizer steps that a run goes on after its transition is sure; None: it is not stopped by that."""
    return selection.stop_after_steps if selection.stop == "after_transition" else None


def horizon_steps(schedule: Schedule) -> int:
    """Optimizer steps that the learning-rate schedule is laid over (the paper's third trick at stretch 2)."""
    return (
        schedule.horizon_steps if schedule.horizon_steps is not None else round(schedule.stretch * schedule.max_steps)
    )


def warmup_steps(schedule: Schedule) -> int:
    """Optimizer steps in which the learning rate rises; a share of the horizon."""
    return math.ceil(schedule.warmup_ratio * horizon_steps(schedule))


def truncation(rollout: Rollout) -> str | None:
    """The setting by which sampling leaves tokens out (`rollout.top_p=0.9`); None if every token can be drawn."""
    settings = (("top_p", rollout.top_p < 1), ("top_k", rollout.top_k > 0), ("min_p", bool(rollout.min_p)))
    return next((f"rollout.{name}={getattr(rollout, name)}" for name, cuts in settings if cuts), None)


def longest_sequence(config: TrainConfig) -> int:
    """The longest prompt plus the longest completion of training."""
    return config.length.max_prompt_tokens + config.length.max_completion_tokens


def context_tokens(config: TrainConfig) -> int:
    """Prompt plus completion that the sampler can hold: what is set, and never more than the model holds."""
    limit = config.model.max_context_tokens
    return min(config.length.context_tokens or limit, limit)


def completions_per_forward(batch: Batch, hardware: Hardware) -> int:
    """Completions in one forward and backward pass of one process."""
    return batch.completions_per_forward or batch.completions_per_step // hardware.processes


def engine_context_tokens(config: TrainConfig) -> int:
    """Prompt plus completion that a vLLM engine makes room for: what is set, or what training can need."""
    return min(config.length.context_tokens or longest_sequence(config), config.model.max_context_tokens)


def gradient_accumulation_steps(config: TrainConfig) -> int:
    """Forward passes of one process per optimizer step; `tina.checks` guarantees that it divides evenly."""
    return config.batch.completions_per_step // (
        completions_per_forward(config.batch, config.hardware) * config.hardware.processes
    )
