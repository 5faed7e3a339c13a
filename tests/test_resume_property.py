"""A run that is stopped anywhere, in any epoch, logs the same numbers as one that is not: many random cases."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT, environment
from tina.sampler.installed import vllm_problem


def test_wherever_a_run_is_stopped_it_goes_on_with_the_same_numbers(request: pytest.FixtureRequest) -> None:
    """`--resume-cases` of them (.ci/run: 40): rows, prompts, adapters and evaluations are equal to the digit."""
    number = request.config.getoption("--resume-cases")
    command = [sys.executable, "-m", "tests.resume_cases", "--cases", str(number)]
    command += ["--no-vllm"] if vllm_problem() else []
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=3600)
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(found) == number, done.stdout + done.stderr
    differing = [f"--only {case['number']}: {case['differs']}" for case in found if case["differs"]]
    assert not differing, "\n".join(differing)
    epochs = {1, 2, 3} if number >= 40 else {1}
    assert epochs <= {epoch for case in found for epoch in case["stopped_in_epochs"]}, "the cases miss an epoch"
