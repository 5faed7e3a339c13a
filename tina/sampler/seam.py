"""The seam to vLLM's engine and TRL's use of it: every name of theirs that this suite leans on is in this file.

(What of vLLM's server is leaned on is the interface of its requests: see `tina.sampler.server` and `serve`.)

`moved_names` says which of them an upgrade took away. The engine lives in the training process (or alone in an
evaluation), on a GPU and on a CPU by the same code; dtype, memory and the rest are configuration.
"""

import contextlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from peft import PeftModel
from torch import Tensor

from tina.errors import TryLater, UserError
from tina.launch.ranks import any_rank
from tina.policy import model_source
from tina.sampler.completion import Completion, Sampling
from tina.sampler.cpu_adapter import one_adapter_on_cpu
from tina.sampler.fidelity import UpdateWatch
from tina.sampler.server import Server, new_start
from tina.sampler.settings import BATCHED_TOKENS, EngineSettings, spaced_seed
from tina.sampler.weights import merged_weights, save_adapter, served_rank

# Where vLLM is installed TRL imports it (ten seconds) whatever samples, for an engine that is ours here.
import_module("trl.import_utils").is_vllm_available = lambda min_version=None: False

from trl import GRPOConfig, GRPOTrainer  # noqa: E402
from trl.generation.vllm_generation import VLLMGeneration  # noqa: E402
from trl.trainer.utils import RepeatSampler  # noqa: E402

__all__ = [
    "Engine",
    "GRPOConfig",
    "GRPOTrainer",
    "PolicyGeneration",
    "RepeatSampler",
    "generating_with",
    "start_engine",
]

NAMES = {
    "trl.import_utils": ("is_vllm_available",),
    "trl.trainer.grpo_trainer": (
        "VLLMGeneration",
        "GRPOTrainer._generate_and_score_completions",
        "GRPOTrainer._get_per_token_logps_and_entropies",
        "GRPOTrainer._get_train_sampler",
    ),
    "trl.trainer.utils": ("RepeatSampler",),
    "trl.generation.vllm_generation": (
        "VLLMGeneration._init_vllm",
        "VLLMGeneration.sync_weights",
        "VLLMGeneration.generate",
    ),
    "vllm": (
        "LLM.generate",
        "LLM.collective_rpc",
        "LLM.reset_prefix_cache",
        "LLM.sleep",
        "LLM.wake_up",
        "SamplingParams.logprobs",
        "SamplingParams.seed",
        "SamplingParams.detokenize",
    ),
    "vllm.engine.arg_utils": (
        "EngineArgs.enable_lora",
        "EngineArgs.max_lora_rank",
        "EngineArgs.logprobs_mode",
        "EngineArgs.enforce_eager",
        "EngineArgs.enable_prefix_caching",
        "EngineArgs.enable_sleep_mode",
        "EngineArgs.kv_cache_memory_bytes",
        "EngineArgs.enable_chunked_prefill",
        "EngineArgs.distributed_executor_backend",
    ),
    "vllm.lora.request": ("LoRARequest.load_inplace",),
    "vllm.v1.engine.llm_engine": ("LLMEngine.add_lora",),
    "vllm.v1.worker.gpu_worker": ("Worker.reload_weights",),
    "vllm.lora.ops.torch_ops.lora_ops": ("bgmv_shrink", "bgmv_expand", "bgmv_expand_slice"),
}
"""Module to the names in it. Methods that are reached by name only (`reload_weights`) are listed, too."""


def moved_names() -> list[str]:
    """The names of `NAMES` that the installed TRL and vLLM do not have."""
    return [f"{module}.{name}" for module, names in NAMES.items() for name in names if not _has(module, name)]


def _has(module: str, name: str) -> bool:
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return False
    return True


class Engine:
    """A vLLM engine in this process, with room for one adapter or for weights that are sent anew."""

    def __init__(self, settings: EngineSettings, processes: int = 1, process: int = 0) -> None:
        """Starts it. Raises UserError if vLLM refuses the settings."""
        # The engine shares this process, and with it the state of the random generator that a checkpoint saves.
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
        # It is never used with `processed_logprobs`, and vLLM looks for it all the same.
        os.environ.setdefault("VLLM_USE_FLASHINFER_SAMPLER", "0")
        import vllm

        logging.getLogger("vllm").setLevel(logging.ERROR)
        self.settings, self.sampler = settings, settings.sampler
        self.eager = not settings.on_gpu if self.sampler.eager is None else self.sampler.eager
        self.asleep = False
        self.adapter: Any = None
        self.checkpoints: dict[Path, Any] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="tina-adapter-", dir=_memory_folder())
        self.folder = Path(self._folder.name)
        arguments: dict[str, Any] = {
            "model": model_source(settings.model),
            "revision": settings.model.revision,
            "trust_remote_code": settings.model.trust_remote_code,
            "dtype": settings.dtype,
            "max_model_len": settings.context_tokens,
            "max_num_seqs": settings.sequences,
            "max_num_batched_tokens": max(BATCHED_TOKENS, settings.sequences),
            # Each group of ranks that shares an engine draws its own samples; within a group all must draw the same.
            "seed": spaced_seed(settings.seed, process // self.sampler.tensor_parallel),
            "tensor_parallel_size": self.sampler.tensor_parallel,
            "enforce_eager": self.eager,
            "enable_prefix_caching": self.sampler.prefix_caching,
            "enable_sleep_mode": self.sampler.sleep,
            "logprobs_mode": "processed_logprobs",  # of the distribution that tokens are drawn from
            "use_tqdm_on_load": False,
        }
        if settings.lora_rank is not None:
            if not settings.on_gpu:
                one_adapter_on_cpu()
            arguments |= {"enable_lora": True, "max_lora_rank": served_rank(settings.lora_rank)}
            arguments["max_loras"] = settings.adapters
        if settings.on_gpu:
            arguments["gpu_memory_utilization"] = self.sampler.gpu_memory_utilization
        else:
            arguments["kv_cache_memory_bytes"] = int(self.sampler.cpu_kv_cache_gib * 2**30)
            # vLLM 0.31 turns back the generator of a request with a seed whose prompt it split over two passes, which a
            # generator on a CPU does not know: no prompt is split, and the longest fits into one pass.
            arguments["enable_chunked_prefill"] = False
            arguments["max_num_batched_tokens"] = max(arguments["max_num_batched_tokens"], settings.context_tokens)
        if processes > 1:
            arguments["distributed_executor_backend"] = "external_launcher"
        try:
            with self._uncompiled():
                self.llm = vllm.LLM(**arguments)
        except (ValueError, TypeError) as error:
            raise UserError(f"vLLM does not start: {_told(error)}") from error
        if self.sampler.sleep:
            self.sleep()

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        seeds: Sequence[int] | None = None,
        checkpoints: Sequence[Path | None] | None = None,
        **more: Any,
    ) -> list[Completion]:
        """As `PolicyEngine` has it. Without `seeds` the process's random state is drawn from; `more` goes to vLLM's
        SamplingParams."""
        from vllm import SamplingParams

        self.wake()
        arguments = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "min_p": sampling.min_p,
            "max_tokens": sampling.max_new_tokens,
            "logprobs": 0,
            "detokenize": False,
        } | more
        each = [SamplingParams(**arguments, seed=seed) for seed in seeds or [None] * len(prompts)]
        asked = [{"prompt_token_ids": list(ids)} for ids in prompts]
        with self._uncompiled():
            adapters = self.adapter if checkpoints is None else [self._adapter_of(folder) for folder in checkpoints]
            found = self.llm.generate(asked, each, use_tqdm=False, lora_request=adapters)
        if self.sampler.sleep:
            self.sleep()
        return [_completion(request.outputs[0]) for request in found]

    def _adapter_of(self, checkpoint: Path | None) -> Any:
        """vLLM's request for the adapter in a folder whose files do not change, under an id of its own."""
        if checkpoint is None:
            return None
        if checkpoint not in self.checkpoints:
            self.checkpoints[checkpoint] = _request(checkpoint, in_place=False, number=len(self.checkpoints) + 2)
        return self.checkpoints[checkpoint]

    def _uncompiled(self) -> contextlib.AbstractContextManager:
        """vLLM compiles some of its sampling even where `enforce_eager` is set: seconds for each new shape of batch."""
        return torch.compiler.set_stance("force_eager") if self.eager else contextlib.nullcontext()

    def serve_adapter(self, folder: Path | None) -> None:
        """From now on samples with the adapter in `folder` (None: the base), whatever was served before."""
        self.wake()
        self.adapter = None
        if folder is not None:
            # Under an id that the engine knows it would go on with the old tensors, unless told to load in place.
            self.llm.llm_engine.add_lora(_request(folder, in_place=True))
            self.adapter = _request(folder, in_place=False)
        self.llm.reset_prefix_cache()

    def serve_weights(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """From now on samples with these weights, by their names in the base's checkpoint."""
        self.wake()
        self.llm.collective_rpc("reload_weights", kwargs={"weights_iterator": iter(weights)})
        self.llm.reset_prefix_cache()

    def sleep(self) -> None:
        """Frees the GPU's memory; weights wait in main memory, so that a base that is never sent again survives."""
        self.llm.sleep(level=1)
        self.asleep = True

    def wake(self) -> None:
        if self.asleep:
            torch.cuda.empty_cache()
            self.llm.wake_up()
            self.asleep = False


def _request(folder: Path, in_place: bool, number: int = 1) -> Any:
    """An adapter of an engine, as vLLM's requests name it; the policy that is trained is number 1."""
    from vllm.lora.request import LoRARequest

    return LoRARequest(f"policy-{number}", number, str(folder), load_inplace=in_place)


def _memory_folder() -> str | None:
    """Where adapters pass from trainer to engine: main memory, where the system has such a place."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _told(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:3])


def _completion(output: Any) -> Completion:
    ids = tuple(output.token_ids)
    logprobs = tuple(step[token].logprob for step, token in zip(output.logprobs, ids, strict=True))
    return Completion("", len(ids), output.finish_reason == "length", ids, logprobs)


def start_engine(settings: EngineSettings) -> Engine | Server:
    """What samples for a process that is alone. Raises UserError, TryLater."""
    return Server(settings) if settings.sampler.backend == "vllm_server" else Engine(settings)


class PolicyGeneration(VLLMGeneration):
    """TRL's generation backend over our engine: it sends the adapter itself, or merged weights (`sampler.sync`)."""

    def __init__(self, *args: Any, settings: EngineSettings, **kwargs: Any) -> None:
        self.settings = settings
        self.compare = False
        """Compare the update that is sent with the one that is meant at the next sync."""
        self.told: dict[str, float] = {}
        """Of the last sync and the completions after it, as metrics of the step."""
        self.step = 0
        """Of training; set before `generate`."""
        super().__init__(*args, **kwargs)

    def _init_vllm(self) -> None:
        accelerator = self.accelerator
        self.watch = UpdateWatch(self.model) if isinstance(self.model, PeftModel) else None
        if self.settings.sampler.backend == "vllm_server":
            start = broadcast_object_list([new_start()])[0]
            self.engine = self._together(lambda: Server(self.settings, accelerator.is_main_process, start))
            self.tp_group = None
            return
        if accelerator.num_processes > 1:
            os.environ["RANK"] = str(accelerator.process_index)
            os.environ["LOCAL_RANK"] = str(accelerator.local_process_index)
            os.environ["WORLD_SIZE"] = str(accelerator.num_processes)
        self.engine = Engine(self.settings, accelerator.num_processes, accelerator.process_index)
        self.llm = self.engine.llm  # where TRL looks for it
        self.tp_group = self._tensor_parallel_group()
        accelerator.wait_for_everyone()

    def _tensor_parallel_group(self) -> Any:
        size, processes = self.settings.sampler.tensor_parallel, self.accelerator.num_processes
        if size == 1:
            return None
        groups = [list(range(start, start + size)) for start in range(0, processes, size)]
        return torch.distributed.new_subgroups_by_enumeration(groups)[0]

    def _together(self, work: Callable[[], Any]) -> Any:
        """What `work` gives. A server that is lost to one process is lost to all, so that none waits for another.

        Raises TryLater in every process if one has raised it.
        """
        found, lost = None, None
        try:
            found = work()
        except TryLater as error:
            lost = error
        if any_rank(lost is not None):
            raise lost or TryLater("Another process of this run has lost its server.")
        return found

    def sync_weights(self) -> None:
        """Makes the engine sample from the policy as it is now."""
        self.told = {}
        if self.settings.lora_rank is not None:
            sent = self._send_adapter()
            cosine = self.watch.cosine_of_adapter if self.watch else None
        else:
            sent = {}
            self.engine.serve_weights(self._remembered(sent))
            cosine = self.watch.cosine_of_merged if self.watch else None
        if self.compare and self.watch:
            found = {"fidelity/base_drift": self.watch.drift(), "fidelity/update_cosine": cosine(sent)}
            self.told = {name: value for name, value in found.items() if value is not None}

    def _send_adapter(self) -> dict[str, Tensor]:
        """Sends it, and returns its tensors by their names in the file."""
        dtype = getattr(torch, self.settings.dtype)
        if self.settings.sampler.backend == "vllm":
            sent = save_adapter(self.model, self.engine.folder, dtype)
            self.engine.serve_adapter(self.engine.folder)
            return sent
        # All processes have the same adapter, and share one server: rank 0 alone writes and sends.
        sent = save_adapter(self.model, self.engine.folder, dtype) if self.engine.leads else {}
        self._together(lambda: self.engine.serve_adapter(self.engine.folder))
        return broadcast_object_list([sent])[0] if self.compare else sent

    def _remembered(self, sent: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
        """The merged weights; those that are watched are kept in `sent` in the dtype that the engine has them in."""
        watched = {f"{name}.weight" for name in self.watch.start} if self.compare and self.watch else set()
        for name, value in merged_weights(self.model):
            if name in watched:
                sent[name] = value.to(getattr(torch, self.settings.dtype))
            yield name, value

    def generate(
        self, prompts: list[list[int]], images: Any, num_generations: int, profiler: Any = None
    ) -> tuple[list, list, list, list]:
        """(prompt_ids, completion_ids, logprobs, logprob_token_ids) of this process, the last two with one entry a
        token, as TRL expects them."""
        if images is not None:
            raise UserError("sampler=vllm takes text alone, and the data set has images.")
        top_p, top_k, min_p = self.top_p, self.top_k, self.min_p or 0.0
        sampling = Sampling(self.temperature, top_p, self.max_completion_length, top_k, min_p)
        more = {"repetition_penalty": self.repetition_penalty} | self.generation_kwargs
        asked, mine = self._gathered(prompts)
        with profiler or contextlib.nullcontext():
            completions = self._sampled(asked, sampling, more)[mine]
        ids = [list(c.token_ids) for c in completions]
        logprobs = [[[value] for value in c.logprobs] for c in completions]
        return prompts, ids, logprobs, [[[token] for token in row] for row in ids]

    def _sampled(self, prompts: list[list[int]], sampling: Sampling, more: dict[str, Any]) -> list[Completion]:
        if self.settings.sampler.backend == "vllm":
            return self.engine.generate(prompts, sampling, **more)
        place = (self.settings.seed, self.step, self.accelerator.process_index)
        seeds = [spaced_seed(*place, number) for number in range(len(prompts))]
        completions = self._together(lambda: self.engine.generate(prompts, sampling, seeds, **more))
        self.told["sampler/waited_seconds"] = self.engine.waited_s
        return completions

    def _gathered(self, prompts: list[list[int]]) -> tuple[list[list[int]], slice]:
        """The prompts of all ranks that share this engine, and which of them are this rank's."""
        if self.tp_group is None:
            return prompts, slice(None)
        size = self.settings.sampler.tensor_parallel
        parts: list[list[list[int]]] = [[] for _ in range(size)]
        torch.distributed.all_gather_object(parts, prompts, group=self.tp_group)
        # Small all-reduces of adapters may still be under way and would race with the engine's own (TRL issue 3671).
        torch.distributed.barrier()
        start = sum(map(len, parts[: self.accelerator.process_index % size]))
        return [ids for part in parts for ids in part], slice(start, start + len(prompts))


@contextlib.contextmanager
def generating_with(settings: EngineSettings | None) -> Iterator[None]:
    """A GRPOTrainer that is made inside samples with our engine (None: as TRL has it)."""
    module = import_module("trl.trainer.grpo_trainer")
    original = module.VLLMGeneration
    if settings is not None:
        module.VLLMGeneration = lambda *args, **kwargs: PolicyGeneration(*args, settings=settings, **kwargs)
    try:
        yield
    finally:
        module.VLLMGeneration = original
