"""vLLM for real, on the CPU, on the embedded model; where it is not installed these tests are skipped, and say so."""

import os

import pytest

from tina.sampler.installed import vllm_problem


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    problem = vllm_problem()
    if problem and not (os.environ.get("CI") and os.environ.get("TINA_CI_VLLM")):
        for item in items:
            if item.get_closest_marker("vllm"):
                item.add_marker(pytest.mark.skip(reason=problem))
