"""The config: checked, completed, and read for what the rules need. Imported by the workflow alone; no PyTorch."""
