"""A byte-level BPE tokenizer of about 300 tokens that encodes any text.

It is Qwen2's tokenizer, its rules for normalising (NFC) and splitting text, with a vocabulary of its own: digits are
tokens of their own, the tags are plain text, and messages are written in Qwen's chat format.
"""

from collections.abc import Iterable

from tokenizers import AddedToken, pre_tokenizers, trainers
from transformers import Qwen2Tokenizer

MAX_POSITIONS = 2048
PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}"
)


def train_tokenizer(texts: Iterable[str], vocabulary_size: int = 320) -> Qwen2Tokenizer:
    """Learns the merges from `texts`; the vocabulary ends up smaller when they hold no more pairs worth merging."""
    trained = Qwen2Tokenizer().backend_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=[AddedToken(token, special=True) for token in (PAD, START, END)],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    trained.train_from_iterator(texts, trainer)
    return Qwen2Tokenizer(
        tokenizer_object=trained,
        unk_token=None,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[START],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=MAX_POSITIONS,
        padding_side="left",
    )
