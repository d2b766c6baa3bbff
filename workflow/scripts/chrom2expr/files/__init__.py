"""Files that appear whole or not at all: tables, HDF5 and tensors with checksums, downloads, who may write."""
