"""Splits with folds: every fold is a split and a source of its own to what learns, on one and the same store."""

from collections.abc import Mapping
from typing import Any


def has_folds(split: Mapping[str, Any]) -> bool:
    """Whether a section of splits stands for several folds, and is not one of them."""
    return "folds" in split and "fold" not in split


def folded(config: Mapping[str, Any]) -> list[str]:
    """The sources whose split has folds, so that a run of theirs is one of each fold, scored together."""
    return [name for name, source in config["sources"].items() if has_folds(config["splits"].get(source["split"], {}))]


def fold_names(config: Mapping[str, Any], section: str, name: str) -> list[str]:
    """What the folds of a source, or of a split, are called in `section`: no name of the config's own has an @.

    >>> fold_names({"splits": {"cv": {"folds": 3}}}, "splits", "cv")
    ['cv@fold0', 'cv@fold1', 'cv@fold2']
    """
    split = name if section == "splits" else config["sources"][name]["split"]
    return [f"{name}@fold{fold}" for fold in range(config["splits"][split]["folds"])]


def spread(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config with a split and a source for each fold beside those that it names.

    A fold's split has its number, `fold`; its source has `store`, the name of the source whose feature store it reads.
    """
    splits, sources = dict(config["splits"]), dict(config["sources"])
    for name in folded(config):
        source = config["sources"][name]
        split = config["splits"][source["split"]]
        of_split = fold_names(config, "splits", source["split"])
        for fold, (here, there) in enumerate(zip(fold_names(config, "sources", name), of_split, strict=True)):
            sources[here] = {**source, "split": there, "store": name}
            splits[there] = {**split, "fold": fold}
    return {**config, "splits": splits, "sources": sources}
