"""chrom2expr: predict gene expression from chromatin tracks around the TSS.

One idea a module, imports pointing one way; docs/extending.md says where a new thing goes. Coordinates are 0-based
half-open everywhere in the library; arrays have the axis order (gene, bin, track).
"""

__version__ = "0.1.0"
