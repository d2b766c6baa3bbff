"""The command `chrom2expr`: what a user asks beside the workflow.

A command imports what it needs when it is called: `--help` and `--version` need no package but this one.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from chrom2expr import __version__
from chrom2expr.errors import InputError, SystemTrouble
from chrom2expr.job import Stopped, stopped_by_signals

# By these a folder is known as the workflow's.
BASE, SNAKEFILE, LIBRARY = Path("config/config.yaml"), Path("Snakefile"), Path("workflow/scripts/chrom2expr")
# What jobs take, as far as it was measured.
RATES = Path("config/rates.tsv")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, or those that it was called with; returns its exit status.

    0: done; 1: something that the user can mend is wrong, and was said; 2: the command was not understood;
    128 and a signal's number, so 130 after Ctrl-C: it was asked to end.
    """
    asked = _parser().parse_args(arguments)
    try:
        return asked.run(asked)
    except (InputError, SystemTrouble) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; run it again, and it goes on.", file=sys.stderr)
        return 130
    except Stopped as stop:
        print(stop, file=sys.stderr)
        return int(stop.code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="chrom2expr",
        description="Predict gene expression from DNA. The workflow itself is run by snakemake, in its folder.",
    )
    parser.add_argument("--version", action="version", version=f"chrom2expr {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    init = commands.add_parser(
        "init",
        help="write a config for files of your own",
        description="Write a config for a genome, a gene table, a matrix and a folder of bigWigs of your own, with "
        "comments, and say what it takes for granted. The files are read, and what is wrong with them is said.",
        epilog="Example: chrom2expr init mine.yaml --genome mm39.fa --genes gencode.vM35.gtf.gz --expression tpm.tsv "
        "--unit tpm --bigwigs bigwigs/",
    )
    init.add_argument("config", metavar="CONFIG", type=Path, help="the file to write, which must not be there")
    init.add_argument("--genome", metavar="FASTA", type=Path, required=True, help="the genome, unpacked")
    init.add_argument(
        "--genes", metavar="FILE", type=Path, required=True, help="the genes: GTF, GFF3, BED or a table of TSSs"
    )
    init.add_argument(
        "--expression", metavar="FILE", type=Path, required=True, help="the matrix: text, GCT, Parquet, h5ad"
    )
    init.add_argument(
        "--unit", choices=["rpkm", "tpm", "cpm", "counts", "log"], required=True, help="what the matrix's numbers are"
    )
    init.add_argument(
        "--cells", metavar="COLUMN", default="", help="of an h5ad: the column of obs that says each cell's tissue"
    )
    init.add_argument("--bigwigs", metavar="FOLDER", type=Path, required=True, help="each file of it is a track")
    init.add_argument("--name", help="of the run, its assembly and its figure (the config's own, without .yaml)")
    init.add_argument(
        "--window", metavar="BP", type=int, default=114_688, help="so much around each TSS, in bins of 128 bp (114688)"
    )
    init.set_defaults(run=_init)
    example = commands.add_parser(
        "example",
        help="write a small simulated genome as a lab has its own",
        description="Write a simulated genome, its genes, an expression matrix and bigWigs, in the formats that people "
        "have: a GTF and a GCT (human), or a GFF3 and an h5ad of single cells (fly). The tutorial works on them.",
        epilog="Example: chrom2expr example mydata",
    )
    example.add_argument("folder", metavar="FOLDER", type=Path, help="a new folder")
    example.add_argument("--species", choices=["human", "fly"], default="human", help="which of the two (human)")
    example.set_defaults(run=_example)
    check = commands.add_parser(
        "check",
        help="say what is wrong with a config, or what it means",
        description=f"Say what is wrong with a config, or which runs it means. In the workflow's folder {BASE} comes "
        "first, as with snakemake, and it also says which jobs are still to be run.",
        epilog="Example: chrom2expr check mine.yaml",
    )
    check.add_argument(
        "configs", metavar="CONFIG", nargs="+", type=Path, help="a YAML file; each is laid over those before it"
    )
    check.set_defaults(run=_check)
    plan = commands.add_parser(
        "plan",
        help="say what a run takes: jobs, downloads, disk, hours",
        description="Say what a run takes before it is begun, and what of it is still to do: jobs, downloads, disk at "
        "the peak, hours of CPU and GPU, and the time until it is done. Warns where the disk is too small.",
        epilog="Example: chrom2expr plan mine.yaml --cores 16 -o plan.html",
    )
    _add_configs(plan)
    plan.add_argument(
        "--targets", metavar="TARGET", nargs="+", default=[], help="files or rules, as for snakemake (all figures)"
    )
    plan.add_argument("--cores", metavar="N", type=int, default=os.cpu_count() or 1, help="so many cores (all)")
    plan.add_argument(
        "--gpus", metavar="N", type=int, help="so many jobs on GPUs at a time (1; with allow_cpu: true one a core)"
    )
    plan.add_argument("-o", "--output", metavar="HTML", type=Path, help="also write a page, which needs no other file")
    plan.set_defaults(run=_plan)
    fetch = commands.add_parser(
        "fetch",
        help="download ahead what a config needs, where the network is",
        description="Download what a config needs and verify what is there, as the workflow would by itself: on a "
        "login node, say, if compute nodes have no network. Runs in the workflow's folder; broken off, it goes on.",
        epilog="Example: chrom2expr fetch mine.yaml --bigwigs beluga_experimental",
    )
    _add_configs(fetch)
    fetch.add_argument(
        "--bigwigs",
        metavar="SOURCE",
        nargs="+",
        default=[],
        help="also the bigWigs of these measured sources, all groups at once, which may be terabytes",
    )
    fetch.add_argument("--jobs", metavar="N", type=int, default=4, help="so many files at a time (4)")
    fetch.set_defaults(run=_fetch)
    clean = commands.add_parser(
        "clean",
        help="list what can be fetched again, or drop it",
        description="List the downloads of a config with their sizes, or drop them. Results stay, and so does the "
        "record of the checksums that they have to have when they come again.",
        epilog="Example: chrom2expr clean --drop",
    )
    _add_configs(clean)
    clean.add_argument("--drop", action="store_true", help="delete what is listed")
    clean.set_defaults(run=_clean)
    _add_predict(commands)
    _add_variants(commands)
    expecto = commands.add_parser(
        "expecto",
        help="ExPecto's effects of variants, from its own files",
        description="Compute the effects of variants on expression that ExPecto's predict.py gives, without xgboost, "
        "from what its chromatin.py leaves and its models' text dumps. Positions are 1-based, on GRCh37.",
        epilog="Example, with ExPecto's own: chrom2expr expecto --vcf example.vcf --genes "
        "example.vcf.bed.sorted.bed.closestgene --effects 'example.vcf.shift_{shift}.diff.h5' --models "
        "resources/modellist -o effects.tsv",
    )
    expecto.add_argument(
        "--vcf", metavar="FILE", type=Path, required=True, help="the variants, as chromatin.py read them"
    )
    expecto.add_argument(
        "--genes",
        metavar="CLOSESTGENE",
        type=Path,
        required=True,
        help="the gene of each variant: chromosome and position in columns 1 and 3; strand, gene and TSS - variant in "
        "the last three",
    )
    expecto.add_argument(
        "--effects",
        metavar="PATTERN",
        required=True,
        help="chromatin.py's files, with {shift} where their names have -800, -600, ..., 800",
    )
    expecto.add_argument("--models", metavar="MODELLIST", type=Path, required=True, help="the list of the models")
    expecto.add_argument("-o", "--output", metavar="TSV", type=Path, required=True, help="the file to write")
    expecto.set_defaults(run=_expecto)
    return parser


def _add_predict(commands: Any) -> None:
    predict = commands.add_parser(
        "predict",
        help="predict expression of new sequences by a trained run",
        description="Predict expression in every tissue by a trained run: of the genes of a file and a genome, or of "
        "windows in a FASTA. Works in any folder.",
        epilog="Example: chrom2expr predict results/models/enformer_predicted/chromatin/multi_cnn/mse --genes "
        "genes.gtf.gz --genome hg38.fa -o expression.parquet",
    )
    predict.add_argument(
        "-o", "--output", metavar="FILE", type=Path, required=True, help="what to write: .tsv, .tsv.gz, .parquet, .h5ad"
    )
    given = predict.add_mutually_exclusive_group(required=True)
    given.add_argument("--genes", metavar="FILE", type=Path, help="GTF, GFF3, BED, or a table of TSSs")
    given.add_argument(
        "--fasta",
        metavar="FILE",
        type=Path,
        help="a window a record, forward strand: of the run's length, or longer with tss=POSITION (1-based) and "
        "strand=+ or - after its name",
    )
    predict.add_argument("--genome", metavar="FASTA", type=Path, help="with --genes: the genome, unpacked")
    predict.add_argument(
        "--tss-of",
        choices=["canonical", "most_upstream", "all"],
        default="canonical",
        help="with --genes: which transcript's TSS is a gene's (canonical)",
    )
    predict.add_argument(
        "--tss", metavar="TABLE", type=Path, help="with --fasta: a table with tabs and the columns name, tss, strand"
    )
    _add_use(predict)
    predict.set_defaults(run=_predict)


def _add_use(command: argparse.ArgumentParser) -> None:
    """Which run is used, and how it is loaded and computed."""
    command.add_argument(
        "folder", metavar="RUN", type=Path, help="a run's folder, results/models/SOURCE/INPUTS/HEAD/LOSS"
    )
    command.add_argument(
        "--weights", metavar="FILE", type=Path, help="the backbone's, if they lie elsewhere than when the run was made"
    )
    command.add_argument(
        "--batch-size", metavar="N", type=int, default=1, help="windows at a time (1, which a CPU likes; more on a GPU)"
    )
    command.add_argument("--allow-cpu", action="store_true", help="compute on the CPU where a GPU cannot be used")


def _add_variants(commands: Any) -> None:
    variants = commands.add_parser(
        "variants",
        help="score variants by a trained run: what they do to expression",
        description="Predict what each variant of a VCF does to the expression of every gene whose window holds it, in "
        "every tissue, by a trained run. Works in any folder; for many variants let the workflow do it, in several "
        "jobs (config: variants).",
        epilog="Example: chrom2expr variants results/models/beluga_predicted/chromatin/ridge/mse --vcf mine.vcf.gz "
        "--genome hg19.fa --genes genes.gtf.gz -o effects.parquet",
    )
    variants.add_argument(
        "--vcf", metavar="FILE", type=Path, required=True, help="VCF, as it is or packed by bgzip, or BCF"
    )
    variants.add_argument(
        "--genome", metavar="FASTA", type=Path, required=True, help="the genome of the run's assembly, unpacked"
    )
    variants.add_argument(
        "--genes",
        metavar="FILE",
        type=Path,
        required=True,
        help="GTF, GFF3, BED, or a table of TSSs",
    )
    variants.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        required=True,
        help="a row for each variant, gene and tissue: .parquet; beside it .tsv.gz, a row for each variant and gene",
    )
    variants.add_argument(
        "--annotate", action="store_true", help="also write the VCF with its effects beside it, .vcf.gz and .vcf.gz.tbi"
    )
    variants.add_argument(
        "--pairs", metavar="TABLE", type=Path, help="only these: a table with tabs, with variant_id and gene_id"
    )
    variants.add_argument(
        "--lift",
        metavar=("CHAIN", "FASTA"),
        nargs=2,
        type=Path,
        help="the variants are of another assembly: the chain from it to the run's, and its genome",
    )
    variants.add_argument(
        "--ref-mismatch", choices=["error", "skip"], default="error", help="a row whose REF is not the genome's (error)"
    )
    _add_use(variants)
    variants.set_defaults(run=_variants)


def _add_configs(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "configs", metavar="CONFIG", nargs="*", type=Path, help=f"a YAML file to be laid over {BASE}, as for check"
    )


def _read_here(asked: argparse.Namespace) -> tuple[list[Path], dict[str, Any]]:
    """The config files, the workflow's first, and the config. Raises InputError in any folder but the workflow's."""
    from chrom2expr.config import overlays, schema

    if not _in_checkout():
        raise InputError(f"work in the workflow's folder: there is no {BASE} with a {SNAKEFILE} in {Path.cwd()}")
    files = _with_base(asked.configs)
    return files, schema.checked(overlays.read(files))


def _with_base(configs: Sequence[Path]) -> list[Path]:
    """The configs, below them the base that they name, or the workflow's own, unless that is the first of them."""
    from chrom2expr.config import overlays

    config = overlays.read(configs)
    base = Path(overlays.base_of(config))
    wanted = "base" in config or _in_checkout()
    return [base, *configs] if wanted and [*configs[:1]] != [base] else [*configs]


def _in_checkout() -> bool:
    return all(path.exists() for path in (BASE, SNAKEFILE, LIBRARY))


def _init(asked: argparse.Namespace) -> int:
    from chrom2expr.config import draft
    from chrom2expr.files.whole import whole_file

    if not _in_checkout():
        raise InputError(f"work in the workflow's folder, a clone of chrom2expr: {Path.cwd()} has no {BASE}")
    if asked.config.exists():
        raise InputError(f"{asked.config}: is there already; name another file, or move it away")
    files = draft.Files(asked.genome, asked.genes, asked.expression, asked.unit, asked.bigwigs, asked.cells)
    text, assumed = draft.draft(files, asked.name or asked.config.stem, asked.config, asked.window)
    with whole_file(asked.config) as partial:
        partial.write_text(text, encoding="utf-8")
    print(f"\nWrote {asked.config}. {draft.assumptions(assumed)}\n")
    print(f"Read it, then: chrom2expr check {asked.config}")
    return 0


def _example(asked: argparse.Namespace) -> int:
    from chrom2expr.simulation import lab_files

    for path in lab_files.write(asked.folder, asked.species):
        print(path)
    return 0


def _plan(asked: argparse.Namespace) -> int:
    if asked.cores < 1 or (asked.gpus or 0) < 0:
        raise InputError("--cores must be 1 or more, and --gpus 0 or more")
    _, config = _read_here(asked)
    gpus = (asked.cores if config["allow_cpu"] else 1) if asked.gpus is None else asked.gpus

    from chrom2expr.config import folds
    from chrom2expr.planning import bill, jobs

    # The base is left to the Snakefile, as in a run: laid over in another order, jobs would seem to have changed.
    planned = jobs.planned(SNAKEFILE, asked.configs, {}, asked.targets, asked.cores)
    found = bill.draw_up(folds.spread(config), planned, RATES, asked.cores, gpus)
    print("\n".join(bill.summary(found)))
    if asked.output:
        bill.write(asked.output, found)
        print(f"Wrote {asked.output}")
    return 0


def _expecto(asked: argparse.Namespace) -> int:
    from chrom2expr.application import expecto

    _refuse_to_write_over([asked.output], [asked.vcf, asked.genes, asked.models])
    variants, tissues = expecto.write_effects(asked.vcf, asked.genes, asked.effects, asked.models, asked.output)
    print(f"Wrote {asked.output}: the effects of {variants:,} variants in {tissues} tissues.")
    return 0


def _fetch(asked: argparse.Namespace) -> int:
    from chrom2expr.config import downloads

    if asked.jobs < 1:
        raise InputError("--jobs must be 1 or more")
    files, config = _read_here(asked)
    groups = [target for source in asked.bigwigs for target in downloads.group_targets(config, source)]
    for line in downloads.report(config):
        print(line, flush=True)
    planned = downloads.planned(config)
    targets = [*(str(download.path) for download in planned), *groups]
    logs = {f"{download.name}/{download.path.name}": download.log for download in planned}
    status = downloads.fetch(targets, files, asked.jobs, logs, keep=bool(groups)) if targets else 0
    print("Everything is there." if status == 0 else "Not all could be fetched; what came is kept, so run it again.")
    return int(status != 0)


def _clean(asked: argparse.Namespace) -> int:
    from chrom2expr.config import downloads

    _, config = _read_here(asked)
    found = downloads.refetchable(config)
    for path, size in found:
        print(f"{size / 1e6:12,.1f} MB  {path}")
    total = f"{sum(size for _, size in found) / 1e6:,.1f} MB in all"
    if not found:
        print("There is nothing that could be fetched again.")
    elif asked.drop:
        downloads.drop([path for path, _ in found])
        print(f"Dropped, {total}. Fetch it again before the next run (chrom2expr fetch): then no result is made again.")
    else:
        print(f"{total}; chrom2expr clean --drop deletes it.")
    return 0


def _check(asked: argparse.Namespace) -> int:
    from chrom2expr.config import audited, overlays, schema

    checkout = _in_checkout()
    files = _with_base(asked.configs)
    config = schema.checked(overlays.read(files))
    print(f"{' < '.join(map(str, files))}: nothing is wrong\n")
    for warning in audited.warnings(config):
        print(f"Warning: {warning}\n")
    print(_runs(config))
    if not checkout:
        print("\nIn the workflow's folder this also says which jobs are to be run.")
        return 0
    status, planned = _planned(files)
    print(f"\n{planned}")
    return status


def _predict(asked: argparse.Namespace) -> int:
    for option, wants in (("genome", "genes"), ("tss", "fasta")):
        if getattr(asked, option) and not getattr(asked, wants):
            raise InputError(f"--{option} goes with --{wants}")
    if asked.genes and not asked.genome:
        raise InputError("--genes needs the genome that they lie on: --genome FASTA")
    if asked.batch_size < 1:
        raise InputError("--batch-size must be 1 or more")
    for path in (asked.genes, asked.genome, asked.fasta, asked.tss):
        if path and not path.is_file():
            raise InputError(f"{path}: there is no such file")
    _refuse_to_write_over([asked.output], [asked.genes, asked.fasta, asked.tss])
    from chrom2expr.application import expression_files, new_sequences, prediction, window_fasta
    from chrom2expr.application.trained_run import load_run
    from chrom2expr.backbones.device import choose_device
    from chrom2expr.genome.sequences import temporarily_indexed

    expression_files.check_name(asked.output)
    run = load_run(asked.folder, asked.weights)
    with stopped_by_signals(), ExitStack() as opened:
        if asked.fasta:
            sequences = window_fasta.of_fasta(asked.fasta, run.geometry, asked.tss)
        else:
            genome, sha256 = opened.enter_context(temporarily_indexed(asked.genome))
            _warn_of_other(asked.genome, sha256, run)
            sequences = new_sequences.of_genes(asked.genes, genome, run.geometry, run.assembly, asked.tss_of)
        found = prediction.predict(run.to(choose_device(asked.allow_cpu)), sequences, asked.batch_size)
    expression_files.write(asked.output, found)
    count, tissues = len(found.genes), len(found.tissue)
    print(f"Wrote {asked.output}: {found.about['values']} of {count:,} genes in {tissues:,} tissues")
    return 0


def _warn_of_other(genome: Path, sha256: str, run: Any) -> None:
    if sha256 != run.genome_sha256:
        print(
            f"Warning: {genome} is not the genome that the run was made with ({run.assembly}): its SHA-256 is "
            f"{sha256}, that one's {run.genome_sha256}",
            file=sys.stderr,
        )


def _refuse_to_write_over(written: Sequence[Path], read: Sequence[Path | None]) -> None:
    given = [one for one in read if one and one.exists()]
    if same := [path for path in written if path.exists() and any(map(path.samefile, given))]:
        raise InputError(f"{same[0]}: would be written over, and it is read: give --output another name")


def _variants(asked: argparse.Namespace) -> int:
    if asked.batch_size < 1:
        raise InputError("--batch-size must be 1 or more")
    if asked.output.suffix != ".parquet":
        raise InputError(f"{asked.output}: the name must end in .parquet (a .tsv.gz comes beside it)")
    for path in (asked.vcf, asked.genome, asked.genes, asked.pairs, *(asked.lift or ())):
        if path and not path.is_file():
            raise InputError(f"{path}: there is no such file")
    written = [asked.output, asked.output.with_suffix(".tsv.gz"), asked.output.with_suffix(".vcf.gz")]
    written = written if asked.annotate else written[:2]
    _refuse_to_write_over(written, [asked.vcf, asked.genes, asked.pairs])
    from chrom2expr.application import annotated_vcf, effect_files, new_sequences
    from chrom2expr.application.scoring import Question, score
    from chrom2expr.application.trained_run import load_run
    from chrom2expr.backbones.device import choose_device
    from chrom2expr.genome.liftover import read_chain
    from chrom2expr.genome.sequences import temporarily_indexed

    run = load_run(asked.folder, asked.weights)
    if asked.annotate:
        annotated_vcf.check(asked.vcf)
    with stopped_by_signals(), ExitStack() as opened:
        genome, sha256 = opened.enter_context(temporarily_indexed(asked.genome))
        _warn_of_other(asked.genome, sha256, run)
        chain = source = None
        if asked.lift:
            chain = read_chain(asked.lift[0], "the variants'", run.assembly)
            source, _ = opened.enter_context(temporarily_indexed(asked.lift[1]))
        found = new_sequences.of_genes(asked.genes, genome, run.geometry, run.assembly, "canonical").genes
        genes = found[["gene_id", "chrom", "strand"]].assign(tss=found["tss"] - 1)
        asked.output.parent.mkdir(parents=True, exist_ok=True)
        whole = Path(
            opened.enter_context(TemporaryDirectory(prefix="chrom2expr-", dir=asked.output.parent)), "all.parquet"
        )
        question = Question(asked.vcf, genome, genes, asked.pairs, chain, source, asked.ref_mismatch)
        score(run, whole, question, size=asked.batch_size, device=choose_device(asked.allow_cpu))
        pairs = effect_files.join([whole], *written[:2])
        if asked.annotate:
            annotated_vcf.annotate(asked.vcf, *written)
    names = " and ".join(map(str, written))
    print(f"Wrote {names}: effects of {pairs:,} pairs of a variant and a gene")
    return 0


def _runs(config: Mapping[str, Any]) -> str:
    """The figures with their runs, each run with its folder below results/models/."""
    from chrom2expr.config import runs

    lines, distinct = [], set()
    for figure, section in config["figures"].items():
        found = [run["run"] for run in runs.figure_runs(config, figure)]
        distinct |= {*found}
        lines += [f"{figure} ({section['kind']})", *(f"  {run}" for run in found)]
    head = f"{len(config['figures'])} figures of {len(distinct)} runs (source/inputs/head/loss, in results/models/):"
    return "\n".join([head, "", *lines])


def _planned(files: Sequence[Path]) -> tuple[int, str]:
    """The exit status of a dry run of all figures, and the table of its jobs, or what went wrong."""
    command = [sys.executable, "-m", "snakemake", "-s", str(SNAKEFILE), "-n", "--quiet", "rules"]
    command += ["--configfile", *map(str, files)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    said = done.stdout + done.stderr
    if done.returncode:
        return 1, f"snakemake -n failed:\n{said.strip()}"
    table = re.search(r"^Job stats:\n(.*?^total.*?)$", said, re.MULTILINE | re.DOTALL)
    return 0, f"Jobs to be run:\n{table[1]}" if table else "No job is to be run: all figures are there."


if __name__ == "__main__":
    sys.exit(main())
