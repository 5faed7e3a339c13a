"""From W&B logs to tables and pictures."""
