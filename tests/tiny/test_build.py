"""The recipe, in a short version, and the command around it."""

import random
from itertools import islice

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from tina.tiny import build as recipe
from tina.tiny.muon import Muon, orthogonalised
from tina.tiny.score import chat, score_model
from tina.tiny.task import MIX_SHARES, problems

STEPS = 5


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(99)
    recipe.build("d", STEPS, folder)
    return folder


def test_a_short_build_loads_and_generates(built):
    tokenizer = AutoTokenizer.from_pretrained(built)
    model = AutoModelForCausalLM.from_pretrained(built)
    assert model.dtype == torch.float32
    assert model.config.max_position_embeddings >= 1024
    assert model.config.hidden_size // model.config.num_attention_heads == 64
    result = score_model(model.eval(), tokenizer, problems("test", 4), max_completion_tokens=8)
    assert result.n_problems == 4
    assert 0 < result.mean_tokens <= 8


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(built, tmp_path):
    recipe.build("d", STEPS, tmp_path / "again")
    recipe.build("d", STEPS, tmp_path / "other", seed=1)
    first, again, other = (load_file(f / "model.safetensors") for f in (built, tmp_path / "again", tmp_path / "other"))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["model.embed_tokens.weight"], other["model.embed_tokens.weight"])


def test_teaching_lowers_the_loss():
    torch.manual_seed(0)
    tokenizer = recipe.make_tokenizer()
    losses = list(recipe.teach(recipe.make_model(tokenizer), recipe.batches("d", tokenizer, random.Random(0)), 12))
    assert losses[-1] < 0.9 * losses[0]


def test_only_answers_are_taught_and_packed_demonstrations_do_not_see_each_other():
    tokenizer = recipe.make_tokenizer()
    input_ids, labels, position_ids = next(recipe.batches("c", tokenizer, random.Random(0)))
    question, answer = next(recipe.demonstrations("c", random.Random(0)))
    prompt = tokenizer(chat(tokenizer, question)).input_ids
    taught = tokenizer(answer + tokenizer.eos_token).input_ids
    end = len(prompt) + len(taught)
    assert input_ids[0, :end].tolist() == prompt + taught
    assert labels[0, :end].tolist() == [recipe.IGNORED] * len(prompt) + taught
    assert position_ids[0, end] == 0

    torch.manual_seed(0)
    model = recipe.make_model(tokenizer).eval()
    with torch.inference_mode():
        packed = model(input_ids[:1], position_ids=position_ids[:1], use_cache=False).logits[0, :end]
        changed = input_ids[:1].clone()
        changed[0, 0] = 5
        later = model(changed, position_ids=position_ids[:1], use_cache=False).logits[0, end:]
        unchanged = model(input_ids[:1], position_ids=position_ids[:1], use_cache=False).logits[0, end:]
        alone = model(input_ids[:1, :end]).logits[0]
    assert torch.allclose(packed, alone, atol=1e-5)
    assert torch.equal(later, unchanged)


def test_demonstrations_come_in_the_shares_of_their_mix():
    pairs = list(islice(recipe.demonstrations("d", random.Random(0)), 4000))
    full = sum("</think>" in answer for _, answer in pairs) / len(pairs)
    long = sum("\\boxed{" not in answer for _, answer in pairs) / len(pairs)
    assert full == pytest.approx(MIX_SHARES["d"]["full"], abs=0.03)
    assert long == pytest.approx(MIX_SHARES["d"]["long"], abs=0.03)


@pytest.mark.parametrize("shape", [(32, 96), (96, 32)])
def test_muon_brings_singular_values_near_one(shape):
    torch.manual_seed(0)
    matrix = torch.randn(shape) @ torch.diag(torch.logspace(-1, 1, shape[1]))
    values = torch.linalg.svdvals(orthogonalised(matrix))
    assert values.min() > 0.3 and values.max() < 1.4


def test_muon_moves_against_the_gradient():
    weight = torch.nn.Parameter(torch.ones(4, 8))
    optimizer = Muon([weight], lr=0.1)
    for _ in range(20):
        (weight**2).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert (weight**2).sum() < 32


@pytest.mark.parametrize("arguments", [["--steps", "0"], ["--mix", "z"], ["--threads", "-1"]])
def test_bad_arguments_end_with_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        recipe.parse_arguments(arguments)
    assert ended.value.code == 2
    assert arguments[0] in capsys.readouterr().err
