"""A simulated genome with planted regulatory grammar, in the real formats, and small backbones trained on it."""
