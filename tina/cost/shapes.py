"""How large a model is, without loading it."""

import json

from tina import files
from tina.schema import Model, Shape


def shape_of(model: Model) -> Shape | None:
    """The size of a model in a local folder, or else what its group says; None if neither is known."""
    path = files.local_path(model.path)
    if path is None or not (path / "config.json").is_file():
        return model.shape
    told = json.loads((path / "config.json").read_text(encoding="utf-8"))
    heads = told.get("num_attention_heads")
    try:
        return Shape(
            layers=told["num_hidden_layers"],
            hidden=told["hidden_size"],
            heads=heads,
            kv_heads=told.get("num_key_value_heads", heads),
            head_dim=told.get("head_dim") or told["hidden_size"] // heads,
            intermediate=told["intermediate_size"],
            vocabulary=told["vocab_size"],
        )
    except (KeyError, TypeError):  # an architecture with other words for its sizes
        return model.shape
