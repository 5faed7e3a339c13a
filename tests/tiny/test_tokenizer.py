"""The shipped tokenizer, as AutoTokenizer loads it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from tina.tiny import MIXES, folder

TOKENIZER = AutoTokenizer.from_pretrained(folder("d"))
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Compute 3+5"},
    {"role": "assistant", "content": "\\boxed{8}"},
]


@given(st.text())
def test_any_text_comes_back(text):
    normalized = unicodedata.normalize("NFC", text)
    assert TOKENIZER.decode(TOKENIZER(text).input_ids) == normalized


def test_digits_are_tokens_of_their_own():
    assert [TOKENIZER.decode([token]) for token in TOKENIZER("13+5=18").input_ids] == list("13+5=18")


def test_chat_template_writes_every_role_and_opens_an_answer():
    text = TOKENIZER.apply_chat_template(MESSAGES, tokenize=False)
    assert text == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nCompute 3+5<|im_end|>\n"
        "<|im_start|>assistant\n\\boxed{8}<|im_end|>\n"
    )
    opened = TOKENIZER.apply_chat_template(MESSAGES[:2], tokenize=False, add_generation_prompt=True)
    assert opened.endswith("Compute 3+5<|im_end|>\n<|im_start|>assistant\n")


def test_end_padding_and_tags():
    assert TOKENIZER.eos_token == "<|im_end|>"
    assert TOKENIZER.pad_token_id not in (None, TOKENIZER.eos_token_id)
    for tag in ("<think>", "</think>", "<answer>", "</answer>"):
        assert TOKENIZER.decode(TOKENIZER(tag).input_ids, skip_special_tokens=True) == tag


@pytest.mark.parametrize("mix", MIXES)
def test_mixes_share_one_tokenizer_of_about_300_tokens(mix):
    vocabulary = AutoTokenizer.from_pretrained(folder(mix)).get_vocab()
    assert vocabulary == TOKENIZER.get_vocab()
    assert 290 <= len(vocabulary) <= 320
