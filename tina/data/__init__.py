"""Problems in, prompts out."""
