"""Prompts and sampling parameters in, completions out."""
