"""The methods text of a report: what was done for its figures, told from the config that did it, and what to cite.

A sentence is there if what it says was done; what the config has beside that is not mentioned.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chrom2expr import __version__, registry
from chrom2expr.config import audited, folds, resources, runs
from chrom2expr.files.pages import Listing, write_page
from chrom2expr.reporting import models
from chrom2expr.reporting.references import cite, numbered
from chrom2expr.reporting.scope import Scope, scope
from chrom2expr.reporting.wording import enumerated, listed, settings

Config = Mapping[str, Any]

_UNITS = {
    "rpkm": "Expression is in RPKM",
    "tpm": "Expression is in TPM",
    "cpm": "Expression is in counts per million",
    "log": "The matrix of expression holds logarithms, which were taken as they are",
}
_COUNTS_TO = {"cpm": "Counts became counts per million", "tpm": "Counts became TPM by the lengths of the genes' exons"}
_TSS = {
    "canonical": "each gene's canonical transcript where the gene table has transcripts",
    "most_upstream": "each gene's most upstream transcript where the gene table has transcripts",
    "all": "every transcript, each a gene of its own",
}
_TRACKS = {"chromatin": "chromatin tracks", "cage": "CAGE tracks", "all": "all tracks", "embedding": "the embedding"}
_METRICS = {
    "cross_gene": "in each tissue, the Spearman correlation of predicted and measured expression over the test genes",
    "cross_celltype": "for each test gene, the Spearman correlation of predicted and measured expression over the "
    "tissues",
}


def write(path: str | Path, config: Config, name: str, versions: Mapping[str, str]) -> None:
    """Write the page of the methods text of the report `name` (see scope), with these packages' versions."""
    paragraphs, papers = numbered(list(text(config, scope(config, name), versions)))
    about = ["Ready to paste. It says what was done for the figures of this report, by the config that did it."]
    parts = [Listing("Methods", "\n\n".join(paragraphs)), Listing("References", "\n".join(papers))]
    write_page(path, "Methods", about, parts)


def text(config: Config, found: Scope, versions: Mapping[str, str]) -> Iterator[str]:
    """The paragraphs, with marks for what is cited (see references); `versions` of torch and snakemake."""
    scored = [figure for figure in found.figures if runs.takes(config, figure) == "scores"]
    parts = {
        "Data": _simulation(config, found) if "simulation" in config else (),
        "Genes and expression": _genes(config),
        "Splits": _splits(config, found) if found.runs else (),
        "Sequence models and tracks": _sources(config, found),
        "Models of expression": _heads(config, found),
        "Losses": _losses(config, found),
        "Evaluation": _evaluation(config, scored) if scored else (),
        "Leakage": _leakage(config, scored) if scored else (),
        "Attention": _attention(config, found),
        "Effects of variants": _variants(config, found),
        "Software": _software(found, versions),
    }
    for title, sentences in parts.items():
        if said := " ".join(sentences):
            yield f"{title}. {said}"


def _simulation(config: Config, found: Scope) -> Iterator[str]:
    genome = config["simulation"]["genome"]
    genes = enumerated(f"{count:,} on {name}" for name, count in genome["genes"].items())
    yield (
        f"All data are simulated: a genome with genes ({genes}), {genome['gene_spacing']:,} bp apart, whose "
        f"expression in {genome['tissues']} tissues of {genome['lineages']} lineages follows from motifs planted in "
        f"promoters and "
        "enhancers, and tracks that show them."
    )
    used = {config["sources"][source].get("backbone") for source in found.sources if _computed(config, source)}
    for name, training in config["simulation"]["backbones"].items():
        if name in used:
            yield (
                f"In place of the published weights, a small {config['backbones'][name]['label']} was trained on the "
                f"measured tracks of {config['sources'][training['train_on']]['label']} for {training['epochs']} "
                f"epochs (learning rate {training['learning_rate']:g}, {training['batch_size']} genes a step, shifts "
                f"of up to "
                f"{training['shift']} bp; {settings(training['network'])})."
            )


def _genes(config: Config) -> Iterator[str]:
    genes, expression = config["genes"], config["expression"]
    yield (
        f"Genes and their transcription start sites (TSSs) on {genes['assembly']} are those of "
        f"{_file(config, 'gene_annotation')}"
        f" ({_TSS[genes['tss']]})."
    )
    if genes["only_types"]:
        yield f"Only genes of the types {enumerated(genes['only_types'])} took part."
    left_out = [
        *([f"genes of the types {enumerated(genes['exclude_types'])}"] if genes["exclude_types"] else []),
        *([f"genes on {enumerated(genes['exclude_chromosomes'])}"] if genes["exclude_chromosomes"] else []),
    ]
    if left_out:
        yield f"Left out were {enumerated(left_out)}."
    for assembly in runs.lifted_to(config):
        chain = config["assemblies"][genes["assembly"]]["lift_to"][assembly]
        moved = "; genes that lift to another contig than their chromosome were left out too"
        yield (
            f"TSSs were lifted over to {assembly} by the chain {_file(config, chain)} {cite('liftover')}, and genes "
            f"that do not lift left out{moved if genes['contigs'] == 'primary' else ''}."
        )
    unit = expression["unit"]
    source = _file(config, "gene_expression")
    yield f"{_COUNTS_TO[expression['counts_to']] if unit == 'counts' else _UNITS[unit]} ({source})."
    if expression["cells"]["key"]:
        cells = expression["cells"]
        yield (
            f"Cells were pooled to tissues by {cells['key']} (their {cells['pool']}); tissues of fewer than "
            f"{cells['minimum']} cells were left out."
        )
    if unit != "log":
        yield f"Models predict ln(expression + p) with the pseudocount {_pseudocount(expression['pseudocount'])}."
    if expression["missing"] == "keep":
        yield "Missing values were left out of losses and scores."


def _splits(config: Config, found: Scope) -> Iterator[str]:
    for name in dict.fromkeys(config["sources"][run["source"]]["split"] for run in found.runs):
        split = config["splits"][name]
        if "held_out" in split:
            said = f"the genes of {enumerated(split['held_out'])} were halved at random into validation and test genes"
        elif "test" in split:
            said = (
                f"the genes of {enumerated(split['validation'])} are for validation and those of "
                f"{enumerated(split['test'])} for test"
            )
        elif folds.has_folds(split):
            said = (
                f"chromosomes were dealt out to {split['folds']} groups of about as many genes, each of which is for "
                "test once, when the next is for validation; test genes of all folds are scored together"
            )
        elif "families" in split:
            said = _families(split["families"])
        else:
            said = f"genes are divided by {Path(split['file']).name}"
        yield f"In the split {name}, {said}; the other genes are for training."
    yield f"Random choices follow from the seed {config['seed']}."


def _families(section: Config) -> str:
    alike = []
    if "table" in section:
        alike.append(f"one family in {Path(section['table']).name}")
    if section["shared"]:
        alike.append(
            f"sharing more than {section['shared']:g} of the 31-mers in {section['window']:,} bp around the TSS"
        )
    return (
        f"genes that hang together ({enumerated(alike, 'or')}) are in one part, {section['validation']:g} of all "
        f"genes for validation and {section['test']:g} for test"
    )


def _sources(config: Config, found: Scope) -> Iterator[str]:
    for name in found.sources:
        source = config["sources"][name]
        lent = runs.layout(config, name)
        backbone = config["backbones"].get(source.get("backbone", ""), {})
        at = f"{_window(source.get('geometry') or lent['geometry'])} on {lent['assembly']}"
        kind = {"measured": _measured, "predicted": _predicted, "embedded": _embedded}[source["kind"]]
        split = f" (split {source['split']})" if any(run["source"] == name for run in found.runs) else ""
        yield f"{source['label']}{split}: {kind(config, name, backbone)}, in {at}."


def _measured(config: Config, name: str, backbone: Config) -> str:
    source = config["sources"][name]
    if source["from"] == "tfrecords":
        return f"measured tracks, the means of the bins of Basenji2's preprocessed data {cite('basenji2')}"
    hosts = sorted({urlsplit(place).hostname or "" for place in source["bigwigs"].values() if "://" in place})
    return f"measured tracks, binned from bigWigs {f'of {enumerated(hosts)}' if hosts else 'of our own'}"


def _predicted(config: Config, name: str, backbone: Config) -> str:
    return f"tracks that {_network(config, backbone, backbone['settings'])} predicts from DNA{_read(backbone)}"


def _embedded(config: Config, name: str, backbone: Config) -> str:
    source = config["sources"][name]
    network = _network(config, backbone, source["settings"])
    return f"the embedding of the {source['bins']} central bins by {network}{_read(backbone)}"


def _read(backbone: Config) -> str:
    """How a backbone reads DNA, where that is not as it does by itself."""
    strands = ", averaged over both strands" if backbone["reverse_complement"] else ""
    precision = {"fp32": ", computed in float32", "bf16": ", computed in bfloat16"}.get(backbone["precision"], "")
    return strands + precision


def _network(config: Config, backbone: Config, own: Config) -> str:
    papers = {"enformer": cite("enformer"), "beluga": cite("expecto")}.get(
        backbone["type"], f"(type {backbone['type']})"
    )
    known = f"; {settings(own)}" if own else ""
    return f"{backbone['label']} {papers} (weights: {_file(config, backbone['weights'])}{known})"


def _heads(config: Config, found: Scope) -> Iterator[str]:
    for name in dict.fromkeys(run["head"] for run in found.runs):
        head = config["heads"][name]
        fitted = [run for run in found.runs if run["head"] == name]
        yield f"{head['label']} ({name}): {models.described(head)} {_fitted(config, head, fitted)}"


def _fitted(config: Config, head: Config, fitted: Sequence[Mapping[str, str]]) -> str:
    """What a head was fitted to, and with which losses: each combination that was, and no other."""
    losses: dict[str, list[str]] = {}
    for run in fitted:
        given = f"{config['sources'][run['source']]['label']} ({_given(config['inputs'][run['inputs']])})"
        losses.setdefault(given, []).append(config["losses"][run["loss"]]["label"])
    alike: dict[str, list[str]] = {}
    for given, labels in losses.items():
        alike.setdefault(enumerated(labels), []).append(given)
    said = "; ".join(f"{enumerated(given)} with the loss {labels}" for labels, given in alike.items())
    return f"It was fitted to {said}{_features(config, head, fitted)}."


def _given(inputs: Config) -> str:
    bins = f"{inputs['bins']} central bins of " if inputs["bins"] else ""
    turned = "" if inputs["orientation"] == "gene" else " in the direction of the genome"
    return f"{bins}{_TRACKS[inputs['tracks']]}{turned}"


def _features(config: Config, head: Config, fitted: Sequence[Mapping[str, str]]) -> str:
    """What a head is given in place of tracks bin by bin."""
    if head["features"] == "spatial_basis":
        return f", given the sums of each track over the bins with the ten spatial weights of ExPecto {cite('expecto')}"
    if head["features"] == "central_means":
        bins = enumerated(dict.fromkeys(str(runs.layout(config, run["source"])["central_bins"]) for run in fitted))
        return f", given the mean of each track over the {bins} bins at the TSS"
    return "" if head["features"] in ("store", "sequences") else f", given what {head['features']} makes of the tracks"


def _losses(config: Config, found: Scope) -> Iterator[str]:
    used = dict.fromkeys(run["loss"] for run in found.runs)
    weighted = {name: config["losses"][name] for name in used if config["losses"][name]["type"] == "hybrid"}
    if any(loss["alpha"] for loss in weighted.values()):
        yield (
            "The loss of a gene is L = α (1 − r) + β MSE, where r is the Pearson correlation of predicted and measured "
            f"expression over the tissues, and MSE the mean squared error {cite('thesis')}; it is averaged over genes."
        )
    elif weighted:
        yield "The loss is the mean squared error, times β."
    for name in used:
        loss = config["losses"][name]
        own = {key: value for key, value in loss.items() if key not in ("type", "label")}
        kind = "" if name in weighted else f"type {loss['type']}, "
        yield f"{loss['label']}: {kind}{settings(own, alpha='α', beta='β')}."


def _evaluation(config: Config, scored: Sequence[str]) -> Iterator[str]:
    yield "Models were scored on the test genes."
    for name, metric in config["metrics"].items():
        own = {key: value for key, value in metric.items() if key != "type"}
        kind = registry.find("metrics", metric["type"]).declares
        said = _METRICS.get(metric["type"], kind.get("quantity", metric["type"]))
        yield f"{name}: {said}{f' ({settings(own)})' if own else ''}."
    yield (
        "Scores are means over these, with their standard errors, and 95 % intervals from a bootstrap "
        f"{cite('bootstrap')} over the test genes ({config['bootstrap_resamples']:,} resamples). Runs with the same "
        f"test genes were compared in pairs by Wilcoxon's signed-rank test {cite('wilcoxon')}, without a correction "
        f"for the "
        "number of comparisons. The baseline predicts every gene the training genes' mean in each tissue."
    )
    if config["compare_with_thesis"]:
        yield f"The scores are set beside those of the thesis {cite('thesis')}."


def _leakage(config: Config, scored: Sequence[str]) -> Iterator[str]:
    sampled = config["leakage"]["sampled"]
    compared = {0: "about 2,000 of each window", 1: "all of them"}.get(sampled, f"one in {sampled:,}")
    yield (
        "A test gene counts as leaking if its window overlaps that of a training gene, if it has the TSS of one, or if "
        f"more than {config['leakage']['shared']:g} of the 31-mers of its window ({compared} compared) are in that "
        f"of one."
    )
    for name in dict.fromkeys(config["sources"][source].get("backbone") for source in audited.sources(config, scored)):
        computed = [source for source in audited.sources(config, scored) if _computed(config, source)]
        if name and any(config["sources"][source].get("backbone") == name for source in computed):
            backbone = config["backbones"][name]
            yield f"{backbone['label']} was trained {_trained_on(backbone.get('trained_on', {}))}."


def _trained_on(section: Config) -> str:
    if "all_but" in section:
        return f"on all chromosomes but {enumerated(section['all_but'])}"
    if "regions" in section:
        return f"on {enumerated(section.get('folds', ['train']))} of {Path(section['regions']).name}"
    return "on what is not known here"


def _attention(config: Config, found: Scope) -> Iterator[str]:
    shown = [config["figures"][name] for name in found.figures if runs.takes(config, name) == "attention"]
    if shown:
        yield (
            "Attention is that of the TSS's bin to all bins, averaged over layers and heads and over the test genes, "
            "before and after fine-tuning."
        )
    for distal in dict.fromkeys(
        (figure["distal_bins"], listed(figure["thresholds"]))
        for figure in shown
        if figure["kind"] == "distal_attention"
    ):
        yield f"Bins more than {distal[0]} from it with more than {distal[1]} of its attention were counted."


def _variants(config: Config, found: Scope) -> Iterator[str]:
    for name in found.variants:
        section = config["variants"][name]
        pairs = f"of the pairs in {Path(section['pairs']).name}" if "pairs" in section else "whose window holds it"
        on = f" on {section['assembly']}" if "assembly" in section else ""
        yield (
            f"The effect of each variant of {Path(section['vcf']).name}{on} on every gene {pairs} is the prediction "
            f"for the alternative allele minus that for the reference."
        )
        if section["ref_mismatch"] == "skip":
            yield "Variants whose reference allele is not the genome's were left out."
        if "truth" in section:
            yield (
                f"Effects were compared with those of {Path(section['truth']).name} by Spearman correlation, with 95 % "
                f"intervals from a bootstrap over variants ({config['bootstrap_resamples']:,} resamples)."
            )


def _software(found: Scope, versions: Mapping[str, str]) -> Iterator[str]:
    ran = f"The workflow is chrom2expr {__version__}, run by Snakemake {versions['snakemake']} {cite('snakemake')}"
    yield f"{ran}, after {cite('thesis')}."
    if found.runs:
        yield f"Models were fitted with PyTorch {versions['torch']} {cite('pytorch')}."


def _computed(config: Config, source: str) -> bool:
    """Whether a backbone computed a source, and did not only lend its bins."""
    return config["sources"][source]["kind"] != "measured"


def _window(geometry: Config) -> str:
    bins = f"{geometry['bins']:,} bins of {geometry['bin_size']:,} bp"
    if "window" in geometry:
        return f"{bins} around the TSS, each in the middle of a window of {geometry['window']:,} bp"
    return f"{bins} in {geometry['sequence_length']:,} bp around the TSS"


def _pseudocount(value: float | Mapping[str, float]) -> str:
    if not isinstance(value, Mapping):
        return f"p = {value:g}"
    return f"p = {enumerated(f'{number:g} ({name})' for name, number in value.items())}"


def _file(config: Config, name: str) -> str:
    """The name of a resource's file, or of the folder of its files."""
    section = config["resources"][name]
    path = resources.resource_path(section, name)
    return Path(path).name if isinstance(path, str) else Path(path[0]).parent.name
