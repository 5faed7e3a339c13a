"""a. The machine: card, driver, versions, and one call of each kernel that matters."""

import importlib.metadata
import platform
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import torch
from packaging.requirements import Requirement

from benchmarks.gpu_checks.report import Report, Scale, gib, synchronize
from tina.sampler.installed import vllm_problem, vllm_version

ROOT = Path(__file__).resolve().parent.parent.parent
WATCHED = ("torch", "transformers", "trl", "peft", "accelerate", "vllm")


def unsupported() -> list[str]:
    """`torch 2.11.0 (supported: >=2.13)` of each installed package that pyproject.toml does not take."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["vllm"]]
    found = []
    for requirement in map(Requirement, asked):
        version = installed(requirement.name)
        if requirement.name in WATCHED and version and not requirement.specifier.contains(version, prereleases=True):
            found.append(f"{requirement.name} {version} (supported: {requirement.specifier})")
    return found


def installed(name: str) -> str | None:
    if name == "vllm":
        return vllm_version()
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def machine() -> str:
    """`NVIDIA L40S, driver 580.1, CUDA 13.0` or the processor."""
    if not torch.cuda.is_available():
        return f"no GPU, {platform.machine()}"
    try:
        name = torch.cuda.get_device_name()
    except RuntimeError as error:  # a card that is lost must not cost the report of what it did before
        name = f"a GPU that does not answer ({str(error).splitlines()[0]})"
    return f"{name}, driver {_driver()}, CUDA {torch.version.cuda}"


def _driver() -> str:
    try:
        asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        return subprocess.run(asked, capture_output=True, text=True, timeout=10).stdout.split("\n")[0] or "unknown"
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"


def run(report: Report, scale: Scale) -> None:
    report.figure("machine", machine())
    for name in WATCHED:
        report.figure(name, installed(name) or "not installed")
    report.figure("vllm_problem", vllm_problem() or "none")
    report.figure("unsupported versions", "; ".join(unsupported()) or "none")
    if not scale.smoke:
        properties = torch.cuda.get_device_properties(0)
        report.figure("memory", gib(properties.total_memory), "GiB")
        report.figure("compute capability", f"{properties.major}.{properties.minor}")
        report.figure("multiprocessors", properties.multi_processor_count)
        report.figure("bfloat16", str(torch.cuda.is_bf16_supported(including_emulation=False)))
    for name, kernel in KERNELS.items():
        _call(report, name, lambda kernel=kernel: kernel(scale.device))
    if vllm_problem() is None:
        for name, kernel in (GPU_VLLM_KERNELS if not scale.smoke else {}).items():
            _call(report, name, kernel)
        if scale.smoke:
            report.left_out("vLLM's kernels for GPUs: there is none here")


def _call(report: Report, name: str, kernel: Callable[[], None]) -> None:
    """One call; a kernel that fails is a check that does not hold, and the others are called."""
    try:
        kernel()
        synchronize()
    except Exception as error:  # whatever a kernel raises is the finding
        report.check(name, False, _first_line(error))
    else:
        report.check(name, True)


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()] or [""]
    return re.sub(r"\s+", " ", f"{type(error).__name__}: {lines[0]}")[:200]


def _matmul(dtype: torch.dtype) -> Callable[[torch.device], None]:
    def call(device: torch.device) -> None:
        a = torch.randn(64, 64, device=device, dtype=dtype)
        assert torch.isfinite(a @ a).all()

    return call


def _attention(device: torch.device) -> None:
    """Forward and backward of the attention that training uses (sdpa), at the paper's heads."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    q = torch.randn(2, 12, 128, 128, device=device, dtype=dtype, requires_grad=True)
    k, v = (torch.randn(2, 2, 128, 128, device=device, dtype=dtype) for _ in "kv")
    torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True).sum().backward()
    assert torch.isfinite(q.grad).all()


def _compiled(device: torch.device) -> None:
    """torch.compile down to a kernel: vLLM's compiled engine rests on it."""
    square = torch.compile(lambda x: x * x + 1)
    assert square(torch.ones(8, device=device)).sum() == 16


KERNELS: dict[str, Callable[[torch.device], None]] = {
    "matmul float32": _matmul(torch.float32),
    "matmul bfloat16": _matmul(torch.bfloat16),
    "matmul float16": _matmul(torch.float16),
    "attention (sdpa), forward and backward": _attention,
    "torch.compile": _compiled,
}


def _vllm_norm() -> None:
    from vllm import _custom_ops as ops

    x = torch.randn(4, 1536, device="cuda", dtype=torch.bfloat16)
    out, weight = torch.empty_like(x), torch.ones(1536, device="cuda", dtype=torch.bfloat16)
    ops.rms_norm(out, x, weight, 1e-6)
    expected = x.float() * torch.rsqrt(x.float().square().mean(-1, keepdim=True) + 1e-6)
    assert (out.float() - expected).abs().max() < 0.05


def _vllm_flash_attention() -> None:
    """Two prompts of 8 and 16 tokens at once, and a token behind the second with its keys in a paged cache."""
    from vllm.v1.attention.backends.fa_utils import get_flash_attn_version
    from vllm.vllm_flash_attn import flash_attn_varlen_func

    q = torch.randn(24, 12, 128, device="cuda", dtype=torch.bfloat16)
    k, v = (torch.randn(24, 2, 128, device="cuda", dtype=torch.bfloat16) for _ in "kv")

    def ends(*places: int) -> torch.Tensor:
        return torch.tensor(places, device="cuda", dtype=torch.int32)

    version = {"causal": True, "fa_version": get_flash_attn_version()}
    lengths = {"cu_seqlens_q": ends(0, 8, 24), "cu_seqlens_k": ends(0, 8, 24), "max_seqlen_q": 16, "max_seqlen_k": 16}
    _near(flash_attn_varlen_func(q=q, k=k, v=v, **lengths, **version)[8:], _by_torch(q[8:], k[8:], v[8:]))
    blocks = [torch.zeros(2, 16, 2, 128, device="cuda", dtype=torch.bfloat16) for _ in "kv"]
    for cache, values in zip(blocks, (k, v), strict=True):
        cache[1] = values[8:]
    paged = {"seqused_k": ends(16), "block_table": ends(1)[None], "cu_seqlens_q": ends(0, 1)}
    last = flash_attn_varlen_func(
        q=q[-1:].contiguous(), k=blocks[0], v=blocks[1], max_seqlen_q=1, max_seqlen_k=16, **paged, **version
    )
    _near(last, _by_torch(q[8:], k[8:], v[8:])[-1:])


def _by_torch(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Causal attention of one sequence, (tokens, heads, width)."""
    q, k, v = (x.transpose(0, 1)[None] for x in (q, k, v))
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)[0].transpose(0, 1)


def _near(found: torch.Tensor, expected: torch.Tensor) -> None:
    assert (found.float() - expected.float()).abs().max() < 0.05


def _vllm_lora() -> None:
    """Shrink and expand of two adapters in one batch against the matrix products they stand for."""
    from vllm.lora.ops.triton_ops import LoRAKernelMeta, lora_expand, lora_shrink

    tokens, width, rank = 6, 256, 16
    x = torch.randn(tokens, width, device="cuda", dtype=torch.bfloat16)
    a = torch.randn(2, 1, rank, width, device="cuda", dtype=torch.bfloat16)
    b = torch.randn(2, 1, width, rank, device="cuda", dtype=torch.bfloat16)
    mapping = torch.tensor([0, 1, 0, 1, 0, 1], device="cuda", dtype=torch.int32)
    meta = LoRAKernelMeta.make(max_loras=2, max_num_tokens=tokens, device="cuda")
    meta.prepare_tensors(mapping)
    low = torch.zeros(1, tokens, rank, device="cuda", dtype=torch.float32)
    lora_shrink(x, [a], low, *meta.meta_args(tokens, False), 1.0)
    out = torch.zeros(tokens, width, device="cuda", dtype=torch.bfloat16)
    lora_expand(low, [b], out, *meta.meta_args(tokens, False), 0, True)
    expected = torch.stack([b[i % 2, 0].float() @ (a[i % 2, 0].float() @ row) for i, row in enumerate(x.float())])
    assert (out.float() - expected).abs().max() / expected.abs().max() < 0.02


def _vllm_sampler() -> None:
    from vllm.v1.sample.ops.topk_topp_sampler import apply_top_k_top_p

    logits = torch.randn(8, 1000, device="cuda")
    kept = apply_top_k_top_p(logits, None, torch.full((8,), 0.5, device="cuda"))
    assert (kept == -float("inf")).any()


GPU_VLLM_KERNELS: dict[str, Callable[[], None]] = {
    "vLLM rms_norm": _vllm_norm,
    "vLLM flash attention": _vllm_flash_attention,
    "vLLM LoRA shrink and expand": _vllm_lora,
    "vLLM top-p": _vllm_sampler,
}
