"""The weights in the package: small, loadable without a network, and as good as documented."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tina.errors import UserError
from tina.tiny import MIXES, folder
from tina.tiny.score import score

README = (Path(__file__).parents[2] / "README.md").read_text()
# Another CPU may round a logit otherwise and so sample another answer: a few of 200 problems, not more.
PLATFORM_NOISE = 0.04


@pytest.mark.parametrize("mix", MIXES)
def test_shipped_weights_score_what_is_documented(mix, monkeypatch):
    def refuse(*_arguments, **_options):
        raise AssertionError("loading shipped weights must not use the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    before = torch.random.get_rng_state()
    result = score(folder(mix), size=200)
    assert torch.equal(before, torch.random.get_rng_state())
    ((accuracy, format_),) = re.findall(rf"\(mix {mix}\) \| ([\d.]+) \| ([\d.]+) \|", README)
    assert result.accuracy == pytest.approx(float(accuracy), abs=PLATFORM_NOISE)
    assert result.format == pytest.approx(float(format_), abs=PLATFORM_NOISE)


@pytest.mark.parametrize("mix", MIXES)
def test_every_shipped_file_is_below_a_million_bytes(mix):
    files = [path for path in folder(mix).rglob("*") if path.is_file()]
    assert {"model.safetensors", "config.json", "generation_config.json", "tokenizer.json"} <= {f.name for f in files}
    assert max(path.stat().st_size for path in files) < 1_000_000


def test_an_unknown_mix_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match="'e'; choose one of d, c"):
        folder("e")


def test_asking_for_the_folder_imports_nothing_heavy():
    code = "import sys, tina.tiny.task; tina.tiny.folder('d'); print('torch' in sys.modules, 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False False\n"
