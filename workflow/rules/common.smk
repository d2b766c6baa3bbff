# What several rule files need: the checked config, and helpers that turn its sections into paths and params.

import json
import os
import sys

from snakemake.exceptions import WorkflowError

sys.path.insert(0, os.path.join(workflow.basedir, "workflow", "scripts"))

from chrom2expr import settings
from chrom2expr.errors import InputError

try:
    config = settings.checked(
        config, os.path.join(workflow.basedir, "workflow", "schemas", "config.schema.yaml")
    )
except InputError as error:
    raise WorkflowError(str(error))


SCRIPTS = os.path.relpath(os.path.join(workflow.basedir, "workflow", "scripts"))
SOURCES = config["sources"]
PREDICTED = [name for name, source in SOURCES.items() if source["kind"] == "predicted"]
MEASURED = [name for name, source in SOURCES.items() if source["kind"] == "measured"]
ASSEMBLIES = ["grch37", "grch38"]


def one_of(names):
    """A wildcard constraint that matches these names only."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    assembly=one_of(ASSEMBLIES),
    backbone=one_of(config["backbones"]),
    source=one_of(SOURCES),
    inputs=one_of(config["inputs"]["sets"]),
    head=one_of(config["heads"]),
    loss=one_of(config["losses"]),
    figure=one_of(config["figures"]),
    shard=r"\d{3}",


def code(script, *rooms):
    """The library modules that `script` and the rooms it finds by name import: an edit there reruns the rule."""
    return settings.modules(SCRIPTS, script, rooms)


def as_json(value):
    """A param that compares equal whatever the order of the config's keys."""
    return json.dumps(value, sort_keys=True)


def resource(name):
    """Where a resource lies: the user's own file, or the place it is downloaded to."""
    return settings.resource_path(config["resources"][name], name)


def backbone_of(source):
    """The config section of a source's backbone."""
    return config["backbones"][SOURCES[source]["backbone"]]


def backbone_param(key, encode=as_json):
    """A param read from the wildcards' backbone, which a source names or which is a wildcard itself."""

    def value(wildcards):
        name = getattr(wildcards, "backbone", None) or SOURCES[wildcards.source]["backbone"]
        return encode(config["backbones"][name][key])

    return value


def shard_names(count):
    """The names of `count` shards: 000, 001, ..."""
    return [f"{shard:03d}" for shard in range(count)]


def feature_shards(wildcards):
    """The shards of a source's feature store: of genes if predicted, of tracks if measured."""
    source = SOURCES[wildcards.source]
    count = source["groups"] if source["kind"] == "measured" else backbone_of(wildcards.source)["shards"]
    return expand("<results>/features/{source}/{shard}.h5", source=wildcards.source, shard=shard_names(count))
