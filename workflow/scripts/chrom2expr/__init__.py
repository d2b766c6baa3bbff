"""chrom2expr: predict gene expression from chromatin tracks around the TSS.

One idea a module, imports pointing one way; docs/extending.md says where a new thing goes. Coordinates are 0-based
half-open everywhere in the library; arrays have the axis order (gene, bin, track).
"""

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """`load_run`, loaded when it is asked for: what the command line starts with needs no package."""
    if name == "load_run":
        from chrom2expr.application.trained_run import load_run

        return load_run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
