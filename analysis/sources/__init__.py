"""Where logs come from: one module each."""
