"""chrom2expr: predict gene expression from chromatin tracks around the TSS.

Rooms, imports pointing downwards only: see docs/ARCHITECTURE.md. Coordinates are 0-based half-open everywhere in the
library; arrays have the axis order (gene, bin, track).
"""
