"""How is sampled is the configuration's to say, on every sampler, and not the model's generation_config.json.

The fourth sampler, a vLLM server, serves such a model in test_server.
"""

import json
import shutil
from pathlib import Path

import pytest

from tests.sampler.test_vllm import SMALL
from tests.test_resume import train
from tests.test_trainer import composed
from tina import checkpoint, history, policy, tiny
from tina.sampler.completion import Sampling
from tina.sampler.generate import generate
from tina.sampler.settings import engine_settings

DEMANDS = {
    "repetition_penalty": 3.0,
    "no_repeat_ngram_size": 2,
    "min_new_tokens": 20,
    "temperature": 0.1,
    "top_k": 1,
    "top_p": 0.3,
    "typical_p": 0.5,
}
PROMPT = "<|im_start|>user\nCompute 3+5-2+7<|im_end|>\n<|im_start|>assistant\n"


def demanding_model(folder: Path) -> Path:
    """The embedded model, with a generation_config.json that asks for much."""
    shutil.copytree(tiny.folder("d"), folder)
    path = folder / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | DEMANDS))
    return folder


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_transformers_samples_as_without_the_file(temperature: float, tmp_path: Path) -> None:
    found = []
    for overrides in ([], [f"model.path={demanding_model(tmp_path / 'model')}"]):
        config = composed(*overrides)
        model = policy.load_policy(config.model, config.lora, "cpu", config.seed)
        tokenizer = policy.load_tokenizer(config.model)
        found.append(generate(model, tokenizer, [PROMPT] * 8, Sampling(temperature, 1.0, 40), seed=1))
    assert found[0] == found[1]


def rows(outputs: Path) -> list[dict]:
    (folder,) = (outputs / "runs").iterdir()
    last = list(checkpoint.checkpoints(folder / "checkpoints").values())[-1]
    return [{k: v for k, v in row.items() if "time" not in k} for row in history.history(last)]


@pytest.mark.parametrize("sampler", ["transformers", pytest.param("vllm", marks=pytest.mark.vllm)])
def test_training_samples_as_without_the_file(sampler: str, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    more = [f"sampler={sampler}", *(SMALL if sampler == "vllm" else [])]
    train(tmp_path / "plain", *more)
    assert "generation_config.json" not in capfd.readouterr().out
    train(tmp_path / "asking", f"model.path={demanding_model(tmp_path / 'model')}", *more)
    assert rows(tmp_path / "plain") == rows(tmp_path / "asking")
    told = capfd.readouterr().out
    assert "sets min_new_tokens=20, no_repeat_ngram_size=2, repetition_penalty=3.0, typical_p=0.5: not used" in told


@pytest.mark.vllm
@pytest.mark.parametrize("sampler", ["vllm", "vllm_merged"])
def test_the_engine_answers_as_transformers_does_without_the_file(sampler: str, tmp_path: Path) -> None:
    from tina.sampler import seam

    plain = composed()
    tokenizer = policy.load_tokenizer(plain.model)
    expected = generate(policy.load_base(plain.model, "cpu"), tokenizer, [PROMPT], Sampling(0.0, 1.0, 40), seed=1)
    config = composed(f"sampler={sampler}", f"model.path={demanding_model(tmp_path / 'model')}", *SMALL)
    engine = seam.Engine(engine_settings(config.model, config.sampler, config.lora, 96, 8, 1, "cpu"))
    ids = tokenizer(PROMPT, add_special_tokens=False)["input_ids"]
    (found,) = engine.generate([ids], Sampling(0.0, 1.0, 40), seeds=[1])
    assert (len(found.token_ids), tokenizer.decode(found.token_ids, skip_special_tokens=True)) == (
        expected[0].tokens,
        expected[0].text,
    )
