"""Models of expression put to use: beyond the genes and runs of a config."""
