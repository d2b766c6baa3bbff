"""The paths that a config names: `~` and variables in them expanded, and those that lead nowhere refused."""

import glob
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

# Where a config names paths of the user's; NAME is any name.
PATHS = (
    "thesis_values",
    "container",
    "resources.NAME.path",
    "splits.NAME.file",
    "splits.NAME.families.table",
    "backbones.NAME.conda",
    "backbones.NAME.trained_on.regions",
    "sources.NAME.bigwigs.NAME",
    "sources.NAME.overrides",
)
_BRACES = "Snakemake takes braces for wildcards: give it another name, or a link that has one"


def expand(config: dict[str, Any]) -> Iterator[str]:
    """Expand `~` and environment variables in the config's paths; lines that say which cannot be."""
    for path in PATHS:
        yield from _expand(config, path.split("."), ())


def _expand(section: Any, keys: list[str], above: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(section, dict):
        return
    key, *below = keys
    for name in list(section) if key == "NAME" else [key] * (key in section):
        here = (*above, str(name))
        if below:
            yield from _expand(section[name], below, here)
        elif isinstance(section[name], str) and "://" not in section[name]:
            section[name] = path = os.path.expandvars(os.path.expanduser(section[name]))
            unset = re.search(r"\$(\w+|\{\w+\})", path)
            if unset and not os.path.exists(path):
                yield f"{'.'.join(here)}: {path}: the variable {unset[1].strip('{}')} is not set here"
            elif path.startswith("~") and not os.path.exists(path):
                yield f"{'.'.join(here)}: {path}: there is no such user's folder"
            elif "{" in path and "bigwigs" not in here:
                yield f"{'.'.join(here)}: {path}: {_BRACES}"


def bare_roots(pathvars: Mapping[str, str]) -> Iterator[str]:
    """Lines that name root folders with `~`, a variable or braces, which Snakemake takes for something else."""
    for name, path in pathvars.items():
        if path.startswith("~") or "$" in path:
            yield f"pathvars.{name}: {path}: ~ and variables are not expanded here: write the whole path"
        elif "{" in path:
            yield f"pathvars.{name}: {path}: {_BRACES}"


def barren_templates(sources: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Lines that name templates of bigWigs on this machine of which there is not one file, and bad addresses.

    Places in `<resources>` are left out: what lies there may be yet to be made.
    """
    for name, source in sources.items():
        for prefix, template in source.get("bigwigs", {}).items():
            if "://" in template and not template.lower().startswith(("http://", "https://")):
                yield f"sources.{name}.bigwigs.{prefix or repr('')}: {template} is no http or https address, nor a path"
            if "://" in template or template.startswith("<"):
                continue
            parts = [glob.escape(part) for part in template.split("{identifier}")]
            if not any(glob.iglob(f"{glob.escape(prefix)}*".join(parts))):
                of = f"that begins with {prefix}" if prefix else "of a track"
                yield (
                    f"sources.{name}.bigwigs.{prefix or repr('')}: there is not one file {template} with an identifier "
                    f"{of}: correct it (a path starts from {os.getcwd()}), or take the line away"
                )
