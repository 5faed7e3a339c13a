"""Ablations of small reasoning models trained with GRPO on LoRA adapters."""
