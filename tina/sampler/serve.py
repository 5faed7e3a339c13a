"""Starts the vLLM server that sampler=vllm_server samples from, with the words that the run is started with.

    python -m tina.sampler.serve model=tiny lora.rank=16
    python -m tina.sampler.serve experiment=open_rs2 lora.rank=64 sampler.url=http://127.0.0.1:8001

and then `python train.py ... sampler=vllm_server` with the same words. The model, its revision and dtype, the context,
and room for adapters up to lora.rank are the run's; so for a sweep over ranks, serve the largest. It is vLLM's own
server, and Ctrl-C ends it. It listens on the host and port of sampler.url, and answers who has its key: a file in your
home folder that is made when it is needed, or TINA_SERVER_KEY, which both sides need where they share no home folder.
On a CPU vLLM mixes up the base and adapters that are sampled from at the same moment: one run or evaluation at a time.
"""

import os
import socket
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

from tina import cli, configs, gate, terminal
from tina.errors import UserError
from tina.policy import model_source
from tina.sampler import guard
from tina.sampler.guard import Guard
from tina.sampler.installed import vllm_problem
from tina.sampler.settings import BATCHED_TOKENS, adapters_at_once
from tina.sampler.weights import served_rank
from tina.schema import TrainConfig, engine_context_tokens

MODULE = "vllm.entrypoints.openai.api_server"


def arguments(config: TrainConfig) -> list[str]:
    """vLLM's command line for what this run asks of a server."""
    sampler, model, address = config.sampler, config.model, urlsplit(config.sampler.url)
    context = engine_context_tokens(config)
    if config.benchmarks.sets:
        evaluated = config.length.max_prompt_tokens + config.benchmarks.max_new_tokens
        context = min(max(context, evaluated), model.max_context_tokens)
    named = {
        "model": model_source(model),
        "served-model-name": model.name,
        "host": address.hostname,
        "port": address.port or (443 if address.scheme == "https" else 80),
        "dtype": sampler.dtype or model.dtype,
        "max-model-len": context,
        "max-num-seqs": max(config.batch.completions_per_step, config.benchmarks.sequences),
        "max-lora-rank": served_rank(config.lora.rank),
        "max-loras": adapters_at_once(sampler, config.hardware.device),  # others wait for their turn
        "logprobs-mode": "processed_logprobs",  # of the distribution that tokens are drawn from
        "middleware": f"{Guard.__module__}.{Guard.__qualname__}",
        "generation-config": "vllm",  # not the model's, whose penalties requests would inherit
        "tensor-parallel-size": sampler.tensor_parallel,
    }
    if model.revision:
        named["revision"] = model.revision
    on_gpu = config.hardware.device == "cuda"
    if on_gpu:
        named["gpu-memory-utilization"] = sampler.gpu_memory_utilization
    else:
        named["kv-cache-memory-bytes"] = int(sampler.cpu_kv_cache_gib * 2**30)
        named["max-num-batched-tokens"] = max(BATCHED_TOKENS, named["max-num-seqs"], context)
    flags = ["enable-lora", "enable-prefix-caching" if sampler.prefix_caching else "no-enable-prefix-caching"]
    if not on_gpu if sampler.eager is None else sampler.eager:
        flags.append("enforce-eager")
    if not on_gpu:
        flags.append("no-enable-chunked-prefill")  # as `seam.Engine` says
    if model.trust_remote_code:
        flags.append("trust-remote-code")
    return [*(f"--{name}={value}" for name, value in named.items()), *(f"--{flag}" for flag in flags)]


def _check_free(url: str) -> None:
    """Raises UserError if the server could not listen there."""
    address = urlsplit(url)
    try:
        with socket.create_server((address.hostname, address.port or 80)):
            return
    except OSError as error:
        raise UserError(
            f"sampler.url={url} cannot be listened on ({error.strerror}): take another port, here and for the run."
        ) from error


def main(overrides: Sequence[str]) -> None:
    """Becomes the server. Raises UserError for what cannot be served, or if vLLM is not here."""
    if problem := vllm_problem():
        raise UserError(problem)
    if not any(one.startswith("sampler=") for one in overrides):
        overrides = [*overrides, "sampler=vllm_server"]
    configs.register()
    grid = gate.check(overrides, False)
    if grid.problems:
        raise UserError("\n".join(grid.problems))
    config = grid.arms[0].typed
    if config.sampler.backend != "vllm_server":
        raise UserError(f"sampler={config.sampler.name} needs no server: leave it out here.")
    command = [sys.executable, "-m", MODULE, *arguments(config)]
    _check_free(config.sampler.url)
    guard.key()  # is there one?
    # Without the first vLLM takes no adapter after its start.
    environment = os.environ | {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1", "VLLM_NO_USAGE_STATS": "1"}
    environment.pop("VLLM_API_KEY", None)  # it is asked for on some paths only, and would travel
    environment.setdefault("VLLM_USE_FLASHINFER_SAMPLER", "0")  # as `seam.Engine` says
    print(
        f"{config.model.name} at {config.sampler.url}, adapters up to rank {served_rank(config.lora.rank)}", flush=True
    )
    os.execve(sys.executable, command, environment)


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        sys.exit(0)
    terminal.prepare()
    with cli.errors_in_words():
        main(sys.argv[1:])
