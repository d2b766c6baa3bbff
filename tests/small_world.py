"""A small world in the real formats, and every script of the workflow run in it, one from what another left.

The two assemblies differ as the real ones do: what lies on a contig is moved, its middle is turned round, so that
genes there lie on the other strand of GRCh38, some of chr2 lies on a contig of its own, and a contig's end is lost.
Their contigs are equally long, so that no length tells one from the other: the wrong assembly must show in numbers.
"""

import csv
import gzip
import json
import shutil
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import h5py
import numpy as np
import pyarrow.parquet as pq
import pyBigWig
import torch
from matplotlib.image import imread
from snakemake.iocontainers import Namedlist

import small_enformer
from chrom2expr.backbones import beluga, enformer
from chrom2expr.backbones.backbone import write_checkpoint
from chrom2expr.genome import windows
from file_server import FileServer
from made_expecto import write_models
from small_records import write_data_set

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "workflow" / "scripts"
# Genes of each chromosome; chr14 is held out of Enformer's training, chr8 of Beluga's.
GENES = {"chr1": 10, "chr2": 8, "chr8": 8, "chr14": 10, "chrX": 2}
SPACING, MOVED = 400, 40
TISSUES = 5
FOLDS = ("train", "valid", "test")
ENFORMER_TRACKS = [*(f"ENCFF{number:03}" for number in range(4)), "CNhs01", "CNhs02"]
BELUGA_TRACKS = ["E001-DNase", "E001-H3K4me1", "E002-DNase", "E002-H3K4me3"]
# Its bigWig is nowhere.
MISSING_TRACK = "ENCFF003"
SIZES = {"channels": [4, 5, 6], "hidden": 5}
WINDOW = 320
# What a digest of the content or the version of a format would make differ, or keep alike, says nothing.
KEPT_OUT = {"checksums", "digest", "format", "version"}
# Columns and keys that repeat what was asked for.
POINT = {"learning_rate", "dropout", "penalty"}
ASKED = {"inputs", "loss", "device"}


class Of(NamedTuple):
    """An output of a step, run with some changes (see World.make)."""

    step: str
    name: str = ""
    changes: tuple[tuple[str, Any], ...] = ()


def of(step: str, name: str = "", **changes: Any) -> Of:
    """An output of a step; a change's place is written with `__` for its dots: params__seed=2."""
    return Of(step, name, tuple((place.replace("__", "."), value) for place, value in changes.items()))


class Raw(NamedTuple):
    """A file, or a folder, of the raw world."""

    name: str


@dataclass(frozen=True)
class Step:
    """One call of a script: what its rule gives it. An output's name is "" where the rule gives it none."""

    script: str
    input: Mapping[str, Any]
    params: Mapping[str, Any]
    output: Mapping[str, Any]
    resources: Mapping[str, Any]


@dataclass(frozen=True)
class Made:
    """What a step left: its outputs by name, and what its log says."""

    output: Mapping[str, Any]
    folder: Path
    log: str

    @cached_property
    def content(self) -> "Content":
        """All that the outputs hold."""
        found = Content({}, {})
        for name, paths in self.output.items():
            for number, path in enumerate(_files(paths)):
                _read(f"{name}[{number}]", path, str(self.folder), found)
        return found


class Refusal(Exception):
    """A script ended with an error; the text is that of its log."""


class World:
    """The raw files, and the steps run in them: each once for the same changes."""

    def __init__(self, folder: Path, steps: Mapping[str, Step]) -> None:
        self.folder, self.raw, self.steps = folder, folder / "raw", steps
        self.made: dict[str, Made] = {}
        self.raw.mkdir()
        write_raw(self.raw)
        server = FileServer(self.raw)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.address = server.url

    def make(self, step: str, changes: Mapping[str, Any] | None = None, again: bool = False) -> Made:
        """Run a step, and first those whose outputs it takes. Raises Refusal if it ends with an error.

        A change names its place: input.NAME, params.NAME, params.NAME.KEY in one of JSON, or resources.NAME.
        """
        name = repr((step, sorted((changes or {}).items())))
        if again or name not in self.made:
            made = self._run(changed(self.steps[step], changes or {}), self.folder / f"{len(self.made)}-{step}")
            if again:
                return made
            self.made[name] = made
        return self.made[name]

    def path(self, value: Any) -> Any:
        """Where a file lies, or each of a list."""
        if isinstance(value, list):
            return [path for one in value for path in _listed(self.path(one))]
        if isinstance(value, Raw):
            return str(self.raw / value.name)
        if isinstance(value, Of):
            return self.make(value.step, dict(value.changes)).output[value.name]
        return value

    def text(self, value: Any) -> Any:
        """A param, in which RAW stands for the raw folder, and HTTP for its address."""
        return value.replace("RAW", str(self.raw)).replace("HTTP", self.address) if isinstance(value, str) else value

    def _run(self, step: Step, folder: Path) -> Made:
        while folder.exists():
            folder = folder.with_name(f"{folder.name}+")
        folder.mkdir()
        output = {
            name: [str(folder / file) for file in files] if isinstance(files, list) else str(folder / files)
            for name, files in step.output.items()
        }
        log = folder / "log.txt"
        snakemake = SimpleNamespace(
            input=_named({name: self.path(value) for name, value in step.input.items()}, spread=True),
            output=_named(output, spread=True),
            params=_named({name: self.text(value) for name, value in step.params.items()}),
            resources=_named(
                {"mem_mb": 1000, "runtime": 10, **{key: self.text(value) for key, value in step.resources.items()}}
            ),
            wildcards=_named({}),
            threads=1,
            log=_named({"": str(log)}),
            config={},
            rule="",
        )
        for path in _listed(list(output.values())):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        try:
            small_enformer.run(step.script, snakemake)
        except SystemExit as stop:
            raise stop.__cause__ or Refusal(log.read_text()) from None
        return Made(output, folder, log.read_text())

    @contextmanager
    def swapped(self, base: Any, other: Any) -> Iterator[None]:
        """Put the content of other files, or of a folder's files, in the place of a step's input for a while."""
        places = [(Path(here), Path(there)) for here, there in zip(_files(base), _files(other), strict=True)]
        places = [(here, there) for here, there in places if here.read_bytes() != there.read_bytes()]
        assert places, "nothing would change"
        kept = [here.read_bytes() for here, _ in places]
        try:
            for here, there in places:
                here.write_bytes(there.read_bytes())
            yield
        finally:
            for (here, _), content in zip(places, kept, strict=True):
                here.write_bytes(content)


def changed(step: Step, changes: Mapping[str, Any]) -> Step:
    """The step with other inputs, params or resources."""
    parts = {part: dict(getattr(step, part)) for part in ("input", "params", "resources", "output")}
    for place, value in changes.items():
        part, name, *keys = place.split(".")
        assert name in parts[part], f"{step.script} has no {place}"
        if not keys:
            parts[part][name] = json.dumps(value) if part == "params" else value
            continue
        whole = json.loads(parts[part][name])
        inside = whole
        for key in keys[:-1]:
            inside = inside[key]
        inside[keys[-1]] = value
        parts[part][name] = json.dumps(whole)
    return Step(step.script, **parts)


def _named(values: Mapping[str, Any], spread: bool = False) -> Namedlist:
    """Snakemake's own container; with `spread` a list is several items under one name."""
    named = Namedlist()
    for name, value in values.items():
        start = len(named)
        several = spread and isinstance(value, list)
        named.extend(value if several else [value])
        if name:
            named._set_name(name, start, end=len(named) if several else None)
    return named


def _listed(paths: Any) -> list[str]:
    """Paths, and those in lists of them, one after another."""
    return [path for one in paths for path in _listed(one)] if isinstance(paths, list) else [paths]


def _files(paths: Any) -> list[Path]:
    """The files at these paths, and in the folders at them."""
    found = []
    for path in map(Path, _listed(paths)):
        found += sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return found


# --- what a step left, by content --------------------------------------------------------------------------------


class Content(NamedTuple):
    """`numbers` are results: arrays and texts by name. `descriptions` say where they come from, and what was asked."""

    numbers: dict[str, Any]
    descriptions: dict[str, Any]


def _read(name: str, path: Path, folder: str, found: Content) -> None:
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            found.descriptions.update({f"{name}@{key}": _plain(value) for key, value in file.attrs.items()})
            for key, dataset in file.items():
                if isinstance(dataset, h5py.Dataset) and key not in KEPT_OUT:
                    text = h5py.check_string_dtype(dataset.dtype)
                    found.numbers[f"{name}/{key}"] = dataset.asstr()[:].astype(str) if text else dataset[()]
    elif path.suffix in (".pt", ".pth", ".bin"):
        _flatten(name, torch.load(path, map_location="cpu", weights_only=True), found, named=False)
    elif path.suffix == ".json":
        _flatten(name, json.loads(path.read_text()), found, named=True)
    elif path.suffix == ".png":
        found.numbers[name] = imread(path)
    elif path.suffix == ".bw":
        with pyBigWig.open(str(path)) as file:
            for chrom in file.chroms():
                found.numbers[f"{name}/{chrom}"] = np.array(file.intervals(chrom) or [], dtype=np.float64)
    elif path.suffix == ".parquet":
        table = pq.read_table(path)
        found.descriptions[f"{name}@metadata"] = [str(table.schema.metadata)]
        for key in table.column_names:
            values = table[key].to_pylist()
            found.numbers[f"{name}/{key}"] = np.array(values) if isinstance((values or [0])[0], float) else values
    elif path.suffix == ".gz":
        found.numbers[name] = gzip.decompress(path.read_bytes()).decode()
    elif path.suffix == ".tsv":
        with open(path, newline="") as handle:
            # The empty line at its end says that a table is whole.
            rows = [row for row in csv.reader(handle, delimiter="\t") if row]
            for key, *values in zip(*rows, strict=True):
                of_run = key in POINT
                column = [value.replace(folder, "HERE") for value in values]
                (found.descriptions if of_run else found.numbers)[f"{name}/{key}"] = column
    else:
        found.numbers[name] = path.read_bytes()


def _flatten(name: str, value: Any, found: Content, named: bool, asked: bool = False) -> None:
    """Tensors are results; so are the numbers of a JSON file, but for what repeats the settings."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            if key not in KEPT_OUT:
                _flatten(f"{name}.{key}", one, found, named, asked or key in ASKED or key in POINT)
    elif isinstance(value, torch.Tensor):
        found.numbers[name] = value.float().numpy()
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        for number, one in enumerate(value):
            _flatten(f"{name}.{number}", one, found, named, asked)
    else:
        result = named and not asked and (isinstance(value, int | float) or value is None)
        (found.numbers if result else found.descriptions)[name] = [str(value)]


def _plain(value: Any) -> list[str]:
    return [str(one) for one in np.atleast_1d(value).tolist()]


def differing(one: Mapping[str, Any], other: Mapping[str, Any], rtol: float = 1e-5) -> list[str]:
    """The names under which two contents differ by more than rounding."""
    keys = sorted({*one, *other})
    return [key for key in keys if key not in one or key not in other or not _alike(one[key], other[key], rtol)]


def _alike(one: Any, other: Any, rtol: float) -> bool:
    if isinstance(one, list):
        return len(one) == len(other) and all(_same_word(*pair, rtol) for pair in zip(one, other, strict=True))
    if isinstance(one, np.ndarray) and one.dtype.kind == "f":
        tolerance = rtol * max(1e-3, float(np.nanmax(np.abs(one), initial=0))) if one.size else 0
        return one.shape == other.shape and np.allclose(one, other, rtol=rtol, atol=tolerance, equal_nan=True)
    return np.array_equal(one, other)


def _same_word(one: str, other: str, rtol: float) -> bool:
    """The same text, or numbers that rounding alone tells apart."""
    try:
        return one == other or abs(float(one) - float(other)) <= rtol * max(abs(float(one)), 1e-3)
    except ValueError:
        return False


# --- the raw files -----------------------------------------------------------------------------------------------


def write_raw(folder: Path) -> None:
    """Everything that the workflow starts from, and for much of it another one beside it."""
    random = np.random.default_rng(5)
    lengths = {chrom: count * SPACING + 600 for chrom, count in GENES.items()}
    old = {chrom: random.integers(0, 4, length, dtype=np.uint8) for chrom, length in lengths.items()}
    new = {chrom: _rearranged(encoded, random) for chrom, encoded in old.items()}
    _, turned = _middle(lengths["chr2"])
    new["chr2_alt"] = np.concatenate([old["chr2"][turned:], random.integers(0, 4, 100, dtype=np.uint8)])
    _write_fasta(folder / "grch37.fa", old)
    _write_fasta(folder / "grch38.fa", new)
    for name, genome in (("grch37_other.fa", old), ("grch38_other.fa", new)):
        # Half of the bases are others.
        other = {
            chrom: np.where(random.random(len(encoded)) < 0.5, encoded, 3 - encoded)
            for chrom, encoded in genome.items()
        }
        _write_fasta(folder / name, other)
    # All genes of chr1 have the sequence of the first.
    repeats = np.resize(old["chr1"][:SPACING], lengths["chr1"])
    _write_fasta(folder / "grch37_repeats.fa", {**old, "chr1": repeats})
    _write_fasta(folder / "grch38_longer.fa", {**new, "chr1": np.concatenate([new["chr1"], new["chr1"][:60]])})
    _write_fasta(folder / "grch38_shorter.fa", {**new, "chr14": new["chr14"][:900]})
    _write_chain(folder / "grch37ToGrch38.over.chain.gz", lengths)
    _write_chain(folder / "other.over.chain.gz", lengths, shift=7)
    _write_chain(folder / "longer.over.chain.gz", {**lengths, "chr1": lengths["chr1"] + 60})
    genes = _write_annotation(folder, lengths, random)
    _write_expression(folder, genes, random)
    _write_splits(folder, genes)
    _write_regions(folder)
    _write_tables(folder)
    for assembly, genome in (("grch37", old), ("grch38", new)):
        tracks = BELUGA_TRACKS if assembly == "grch37" else ENFORMER_TRACKS
        for kind in ("bigwigs", "bigwigs_other"):
            (folder / kind).mkdir(exist_ok=True)
            for track in tracks:
                if track != MISSING_TRACK:
                    _write_bigwig(folder / kind / f"{track}.bw", genome, random)
    _write_records(folder, new)
    for assembly, genome in (("grch37", old), ("grch38", new)):
        _write_variants(folder / f"variants_{assembly}.vcf", genome, random)
    _write_variants(folder / "variants_other.vcf", new, random)
    gene = next(gene["id"] for gene in genes[1:] if gene["seqnames"] == "chr14")
    pairs = [f"chr14_{at}\t{gene}\n" for at in range(10, lengths["chr14"] - 100, 30)]
    (folder / "pairs.tsv").write_text("variant_id\tgene_id\n" + "".join(pairs))
    _write_effects(folder, genes)
    _write_weights(folder)
    for seed, name in enumerate(("expecto", "expecto_other")):
        write_models(folder / name, [f"tissue {number}" for number in range(TISSUES)], tracks=4, seed=seed)
    shutil.copy(ROOT / "config" / "thesis_values.tsv", folder / "thesis_values.tsv")
    header, *rows = [row.split("\t") for row in (folder / "thesis_values.tsv").read_text().splitlines()]
    others = [[*row[:2], str(float(row[2]) / 2), *row[3:]] for row in rows]
    (folder / "thesis_other.tsv").write_text("".join("\t".join(row) + "\n" for row in (header, *others)))
    _write_statements(folder)
    _write_plan(folder)
    for name, text in (("a.txt", "first\n"), ("b.txt", "second\n")):
        (folder / name).write_text(text)
    with tarfile.open(folder / "both.tar", "w") as archive:
        for name in ("a.txt", "b.txt"):
            archive.add(folder / name, name)


def _middle(length: int) -> tuple[int, int]:
    """The part of a contig that is turned round in GRCh38."""
    return length // 4, length // 4 * 3


def _rearranged(encoded: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """GRCh38's contig: moved by MOVED bp, its middle turned round, its end lost."""
    start, end = _middle(len(encoded))
    moved = random.integers(0, 4, MOVED, dtype=np.uint8)
    turned = windows.reverse_complement(encoded[start:end])
    return np.concatenate([moved, encoded[:start], turned, encoded[end : len(encoded) - MOVED]])


def _write_chain(path: Path, lengths: Mapping[str, int], shift: int = 0) -> None:
    """The chains of `_rearranged`; with a `shift`, of genes that lie so much further on."""
    lines = []
    for chrom, length in lengths.items():
        start, end = _middle(length)
        size = length - MOVED - end
        last = (chrom, length, end + MOVED) if chrom != "chr2" else ("chr2_alt", size + 100 + MOVED, shift)
        for source, _, name, total, strand, first, bases in (
            (0, MOVED, chrom, length, "+", MOVED + shift, start - shift),
            (start, 0, chrom, length, "-", length - end - MOVED + shift, end - start - shift),
            (end, 0, last[0], last[1], "+", last[2] - (shift if chrom != "chr2" else 0), size),
        ):
            lines += [
                f"chain {bases} {chrom} {length} + {source} {source + bases} "
                f"{name} {total} {strand} {first} {first + bases} {len(lines) + 1}",
                f"{bases}",
                "",
            ]
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))


def _write_fasta(path: Path, genome: Mapping[str, np.ndarray]) -> None:
    with open(path, "w") as handle:
        for name, encoded in genome.items():
            bases = windows.decode(encoded)
            handle.write(f">{name}\n" + "".join(f"{bases[at : at + 60]}\n" for at in range(0, len(bases), 60)))


def _write_variants(path: Path, genome: Mapping[str, np.ndarray], random: np.random.Generator) -> None:
    """A change of one base, or one that is inserted or lost, every 30 bp; the first row has another REF."""
    rows = []
    for chrom, encoded in genome.items():
        for at in range(10, len(encoded) - 10, 30):
            ref, after = windows.decode(encoded[at : at + 2])
            other = random.choice([base for base in "ACGT" if base != ref])
            ref, alt = [(ref, other), (ref, other), (ref + after, ref), (ref, ref + other)][random.integers(4)]
            rows.append((chrom, at + 1, f"{chrom}_{at}", ref, alt, ".", ".", "."))
    _, _, _, ref, *_ = rows[0]
    rows[0] = (*rows[0][:3], "CATG"[("ACGT".index(ref[0]) + 1) % 4] + ref[1:], "T" * 5, *rows[0][5:])
    header = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    path.write_text(header + "".join("\t".join(map(str, row)) + "\n" for row in rows), encoding="ascii")


def _write_effects(folder: Path, genes: list[dict[str, Any]]) -> None:
    """Effects of the variants around the genes of chr1 in two tissues, and others in another table."""
    for name, seed in (("effects.tsv", 7), ("effects_other.tsv", 8)):
        random = np.random.default_rng(seed)
        rows = ["variant_id\tgene_id\ttissue\teffect\tkind"]
        for gene in genes:
            near = range(10, GENES["chr1"] * SPACING, 30) if gene["seqnames"] == "chr1" else ()
            for at in near:
                if abs(at - gene["CAGE_representative_TSS"]) < 200:
                    rows += [
                        f"chr1_{at}\t{gene['id']}\ttissue {tissue}\t{random.normal():.3f}\t{random.choice(['made', 'lost'])}"
                        for tissue in (1, 2)
                    ]
        (folder / name).write_text("\n".join(rows) + "\n")


def _write_annotation(folder: Path, lengths: Mapping[str, int], random: np.random.Generator) -> list[dict[str, Any]]:
    """ExPecto's gene table: one gene near each contig's start, one of type rRNA, one whose place GRCh38 lost."""
    genes = []
    for chrom, count in GENES.items():
        for number in range(count):
            tss = 21 if number == 0 else 300 + number * SPACING + int(random.integers(100))
            genes.append({"seqnames": chrom, "strand": "+-"[int(random.integers(2))], "CAGE_representative_TSS": tss})
    genes.append({"seqnames": "chr1", "strand": "+", "CAGE_representative_TSS": lengths["chr1"] - 10})
    for number, gene in enumerate(genes):
        gene |= {"id": f"ENSG{number:011}", "symbol": f"GENE{number}", "TSS": gene["CAGE_representative_TSS"] + 5}
        gene["type"] = "rRNA" if number == 3 else "protein_coding"
    _write_genes(folder / "geneanno.csv", genes)
    moved = [{**gene, "CAGE_representative_TSS": gene["CAGE_representative_TSS"] + 3} for gene in genes[:-1]]
    _write_genes(folder / "geneanno_moved.csv", [*moved, genes[-1]])
    _write_genes(folder / "geneanno_swapped.csv", [genes[1], genes[0], *genes[2:]])
    return genes


def _write_genes(path: Path, genes: list[dict[str, Any]]) -> None:
    with open(path, "w", newline="") as handle:
        writer = csv.DictWriter(
            handle, ["id", "symbol", "seqnames", "strand", "TSS", "CAGE_representative_TSS", "type"]
        )
        writer.writeheader()
        writer.writerows(genes)


def _write_expression(folder: Path, genes: list[dict[str, Any]], random: np.random.Generator) -> None:
    """RPKM that differs more between genes than between tissues; some 0, some missing."""
    level = random.normal(0, 2, (len(genes), 1))
    rpkm = np.exp(level + random.normal(0, 0.7, (len(genes), TISSUES)))
    rpkm[rpkm < 0.1] = 0
    rpkm[5, 1] = rpkm[12, 3] = rpkm[30, 0] = np.nan
    others = {"other": rpkm[:, ::-1] * 2, "fewer": rpkm[:, 1:], "flat": np.ones_like(rpkm)}
    for name, values in {"geneanno": rpkm, **others}.items():
        with open(folder / f"{name}.exp.csv", "w", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(["", *(f"tissue {number}" for number in range(values.shape[1]))])
            for number, row in enumerate(values, start=1):
                writer.writerow([number, *("" if np.isnan(value) else f"{value:.6g}" for value in row)])


def _write_splits(folder: Path, genes: list[dict[str, Any]]) -> None:
    """Splits of one's own, of the genes but for the last five, and families, pairs of neighbours or of every other."""
    for name, apart in (("families.tsv", 1), ("families_other.tsv", 2)):
        rows = [f"{gene['id']}\t{number // (2 * apart) * apart + number % apart}" for number, gene in enumerate(genes)]
        (folder / name).write_text("\n".join(["gene_id\tfamily", *rows]) + "\n")
    for name, shift in (("split.tsv", 0), ("split_other.tsv", 1)):
        words = ["train", "validation", "test", "train"]
        rows = [f"{gene['id']}\t{words[(number + shift) % 4]}" for number, gene in enumerate(genes[:-5])]
        (folder / name).write_text("\n".join(["gene_id\tsplit", *rows]) + "\n")


def _write_statements(folder: Path) -> None:
    """Statements that take everything that a table of reproduction is given; in the other table, a number is another."""
    run, tuned = "enformer_predicted/chromatin/{}/mse", "enformer_50kb/embedding/finetuned/mse"
    columns = ["id", "section", "claim", "rule", "metric", "metric_b", "a", "b", "pairs", "value", "margin", "reason"]
    rows = [
        ["above", metric, "", run.format("multi_cnn"), run.format("ridge"), "each", ""]
        for metric in ("cross_gene", "cross_celltype")
    ]
    rows += [["above", f"distal_{what}", "", tuned, "enformer_50kb", "each", ""] for what in ("attention", "bins")]
    counted = ("genes", "lifted_genes", "cell_types", "split:mine:test", "tracks:enformer:cage")
    for number in (*counted, "measured:enformer_experimental", "config:seed"):
        rows.append(["equals", number, "", "", "", "", "1"])
    for name, value in (("thesis_statements.tsv", "1"), ("thesis_statements_other.tsv", "2")):
        rows[-1][-1] = value
        lines = [columns, *([str(place), "here", "A claim", *row, "", ""] for place, row in enumerate(rows))]
        (folder / name).write_text("".join("\t".join(line) + "\n" for line in lines))


def _write_regions(folder: Path) -> None:
    """Short regions that a backbone was trained on or not, on three contigs; in the other file they lie elsewhere."""
    for name, moved in (("regions.bed", 0), ("regions_other.bed", 30)):
        rows = [
            (chrom, start + moved, start + moved + 12, ("train", "valid", "test")[start // 23 % 3])
            for chrom in ("chr1", "chr2", "chr8")
            for start in range(0, 3000, 23)
        ]
        (folder / name).write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))


def _write_plan(folder: Path) -> None:
    """A workflow of two jobs and one of three, the config that says which, and rates, of which one differs."""
    for name, runs in (("two.smk", "ab"), ("three.smk", "abc")):
        (folder / name).write_text(
            f'RUNS = expand("{folder}/planned/{{run}}", run=config.get("runs", {[*runs]}))\n'
            "rule all:\n    input: RUNS\n"
            f"rule evaluate_run:\n    output: '{folder}/planned/{{run}}'\n    resources: gpu=1\n    shell: 'false'\n"
        )
    (folder / "four.json").write_text('{"runs": ["a", "b", "c", "d"]}')
    rates = (ROOT / "config/rates.tsv").read_text()
    (folder / "rates.tsv").write_text(rates)
    (folder / "rates_other.tsv").write_text(rates.replace("\t3e-8\t0.5\t", "\t3e-8\t90\t"))


def _write_tables(folder: Path) -> None:
    """Basenji's and ExPecto's tables of tracks, and a lab's own; in the other of Basenji's a CAGE track is chromatin."""
    for name, scale, last in (("targets_human.txt", 1, "CAGE:two"), ("targets_other.txt", 3, "DNASE:two")):
        rows = ["index\tgenome\tidentifier\tfile\tclip\tscale\tsum_stat\tdescription"]
        for number, track in enumerate(ENFORMER_TRACKS):
            cage = track.startswith("CNhs")
            told = last if track == ENFORMER_TRACKS[-1] else "CAGE:one" if cage else f"DNASE:{number}"
            kind = f"{384 if cage else 2}\t{scale}\t{'sum' if cage else 'mean'}"
            rows.append(f"{number}\t0\t{track}\tfile{number}\t{kind}\t{told}")
        (folder / name).write_text("\n".join(rows) + "\n")
    lab = [
        "identifier\tclip\tscale\tsum_stat\tdescription",
        "CNhs01\t9\t2\tmean\tATAC:b",
        "ENCFF001\t9\t1\tmean\tATAC:a",
    ]
    (folder / "lab_tracks.txt").write_text("\n".join(lab) + "\n")
    for name, other in (("overrides.tsv", "ENCFF000"), ("overrides_other.tsv", "ENCFF002")):
        (folder / name).write_text(f"identifier\tbigwig\nENCFF001\tbigwigs_other/{other}.bw\n")
    for name, tracks in (("beluga.tsv", BELUGA_TRACKS), ("beluga_other.tsv", BELUGA_TRACKS[::-1])):
        rows = ["\tCell type\tAssay\tTreatment\tAssay type\tSource\t"]
        for number, track in enumerate(tracks, start=1):
            rows.append(f"{number}\tE\t{track}\t\tDNase\tRoadmap\t{track}.narrowPeak.gz")
        (folder / name).write_bytes("\r\n".join(rows).encode())


def _write_bigwig(path: Path, genome: Mapping[str, np.ndarray], random: np.random.Generator) -> None:
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader([(chrom, len(encoded)) for chrom, encoded in genome.items()], maxZooms=0)
        for chrom, encoded in genome.items():
            starts = np.flatnonzero(random.random(len(encoded) // 4) < 0.8) * 4
            file.addEntries(chrom, starts, values=random.gamma(0.5, 3, len(starts)), span=4)


def _write_records(folder: Path, genome: Mapping[str, np.ndarray]) -> None:
    """Basenji's preprocessed data of GRCh38, in bins of 8 bp, and others: neighbouring rows overlap or leave a gap."""
    random = np.random.default_rng(6)
    tracks = [track for track in ENFORMER_TRACKS if track != MISSING_TRACK]
    places = [(chrom, at) for chrom, bases in genome.items() for at in range(3, len(bases) - 320, 251)]
    order = random.permutation(len(places))
    rows = [(*places[index], fold) for number, fold in enumerate(FOLDS) for index in order[number::3]]
    for name in ("records", "records_other"):
        targets = [random.gamma(0.5, 3, (32, len(tracks))).astype(np.float16) for _ in rows]
        write_data_set(folder / name, genome, rows, targets, tracks, length=320, pool=8, crop=32, a_file=7)


def _write_weights(folder: Path) -> None:
    """Two small Enformers, one as wide as the published one's features want it, and two small Belugas."""
    for name, changes in (("enformer", {}), ("enformer_wide", {"dim": 192, "heads": 1})):
        network = small_enformer.network(output_heads={"human": len(ENFORMER_TRACKS)}, **changes)
        enformer.save(network, folder / name)
        if name == "enformer":
            _disturb(network)
            enformer.save(network, folder / "enformer_other")
    torch.manual_seed(0)
    network = beluga.Network(len(BELUGA_TRACKS), WINDOW, **SIZES)
    for parameter in network.parameters():
        parameter.data *= 3
    write_checkpoint(network.state_dict(), folder / "beluga.pth")
    _disturb(network)
    write_checkpoint(network.state_dict(), folder / "beluga_other.pth")


def _disturb(network: torch.nn.Module) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
