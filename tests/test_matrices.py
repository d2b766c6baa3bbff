"""Matrices in the formats that people have, their units, and rows and genes that have no partner."""

import gzip

import h5py
import numpy as np
import pandas as pd
import polars
import pytest
from scipy import sparse

from chrom2expr.errors import InputError
from chrom2expr.genome import expression, matrices, targets, units

IDS = [f"ENSG0000000000{i}" for i in range(1, 5)]
SYMBOLS = ["TP53", "EGFR", "MYC", "SOX2"]
TISSUES = ["Lung", "Liver"]
VALUES = np.array([[0, 1.5], [3, np.nan], [0.25, 7], [9, 10.5]])


@pytest.fixture
def annotation():
    return pd.DataFrame({"gene_id": IDS, "symbol": SYMBOLS, "line": [2, 3, 4, 5]})


def gct(version="1.2", values=VALUES, ids=IDS):
    fields = [["" if np.isnan(value) else f"{value:g}" for value in row] for row in values]
    rows = [[f"{gene}.3", symbol, *row] for gene, symbol, row in zip(ids, SYMBOLS, fields)]
    header, sizes, above = ["Name", "Description", *TISSUES], ["4", "2"], []
    if version == "1.3":
        rows = [[row[0], "x", row[1], *row[2:]] for row in rows]
        header, sizes = ["id", "kind", "symbol", *TISSUES], ["4", "2", "2", "1"]
        above = [["sex", "", "", "f", "m"]]
    lines = [[f"#{version}"], sizes, header, *above, *rows]
    return "\n".join("\t".join(line) for line in lines) + "\n"


def write(path, form):
    frame = pd.DataFrame(VALUES, index=IDS, columns=TISSUES)
    if form.startswith("gct"):
        text = gct("1.3" if "1.3" in form else "1.2")
        path.write_bytes(gzip.compress(text.encode()) if "gz" in form else text.encode())
    elif form == "tsv":
        frame.to_csv(path, sep="\t")
    elif form == "parquet":
        polars.DataFrame({"gene": IDS, **{name: frame[name].to_numpy() for name in TISSUES}}).write_parquet(path)
    elif form == "parquet, names last":
        polars.DataFrame(
            {**{name: frame[name].astype("float32").to_numpy() for name in TISSUES}, "__index_level_0__": IDS}
        ).write_parquet(path)
    elif form == "parquet, index":
        polars.DataFrame({"": range(1, 5), **{name: frame[name].to_numpy() for name in TISSUES}}).write_parquet(path)


FORMS = ["tsv", "gct", "gct gz", "gct 1.3", "parquet", "parquet, names last", "parquet, index"]


@pytest.mark.parametrize("form", FORMS)
def test_every_format_gives_the_same_matrix(tmp_path, annotation, form):
    write(tmp_path / "matrix", form)
    found = expression.read_matrix(tmp_path / "matrix", annotation, "genes.csv")
    assert found.tissue == TISSUES
    np.testing.assert_array_equal(found.values, VALUES)


def test_what_is_wrong_with_a_gct_is_named(tmp_path):
    path, text = tmp_path / "m.gct", gct()
    for bad, message in (
        (text.replace("4\t2", "5\t2"), "line 2 tells of 5 rows and 2 columns, but there are 4"),
        (text.replace("4\t2", "4"), "line 2: not GCT"),
        (text.replace("EGFR\t3\t", "EGFR\t3"), r"line 5: 3 fields, but the header has 4"),
        (text.replace("10.5", "many"), "line 7, column 'Liver': 'many' is no number"),
        (text.replace("\tLiver", "\tLung"), "line 3: tissue 'Lung' is there 2 times, in columns 3, 4"),
    ):
        path.write_text(bad)
        with pytest.raises(InputError, match=rf"m\.gct(, |: ){message}"):
            matrices.read(path)


def test_what_is_wrong_with_a_parquet_is_named(tmp_path):
    path = tmp_path / "m.parquet"
    for columns, message in (
        ({"gene": IDS, "symbol": SYMBOLS, "a": [1.0] * 4}, "columns gene, symbol are text"),
        ({"gene": IDS}, "no tissues"),
        ({"a": [1.0] * 4, "b": [2.0] * 4}, "no column says what the rows are"),
        ({"gene": IDS, "a": [[1]] * 4}, "column 'a': holds List"),
        ({"gene": [], "a": []}, "no rows"),
    ):
        polars.DataFrame(
            columns,
            schema_overrides=({"gene": polars.String} if "gene" in columns else {})
            | ({} if columns.get("gene", True) else {"a": polars.Float64}),
        ).write_parquet(path)
        with pytest.raises(InputError, match=message):
            matrices.read(path)
    polars.DataFrame({"gene": IDS, "a": [1.0] * 4}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="m.parquet: damaged, or no Parquet file"):
        matrices.read(path)


# --- cells -------------------------------------------------------------------------------------------------------

CELLS, GENES = 60, 7
KINDS = ["T cell", "B cell", "rare"]


@pytest.fixture
def cells():
    rng = np.random.default_rng(3)
    counts = rng.poisson(0.7, (CELLS, GENES)).astype(np.float32)
    labels = rng.choice(KINDS, CELLS, p=[0.5, 0.45, 0.05]).astype(object)
    labels[:2] = "rare"
    labels[2] = None
    return counts, labels


def write_h5ad(path, counts, labels, layout, layer=None, categorical=True):
    """A file as AnnData writes it."""
    texts = h5py.string_dtype()
    with h5py.File(path, "w") as file:
        obs, var = file.create_group("obs"), file.create_group("var")
        obs.attrs["_index"], var.attrs["_index"] = "barcode", "_index"
        obs["barcode"] = np.array([f"c{cell}" for cell in range(CELLS)], dtype=texts)
        if categorical:
            kinds = sorted({label for label in labels if label})
            column = obs.create_group("cell_type")
            column["categories"] = np.array(kinds, dtype=texts)
            column["codes"] = np.array([kinds.index(label) if label else -1 for label in labels], dtype=np.int8)
        else:
            obs["cell_type"] = np.array([label or "" for label in labels], dtype=texts)
        var["_index"] = np.array([f"ENSG{gene:011}" for gene in range(GENES)], dtype=texts)
        var["name"] = np.array([f"G{gene}" for gene in range(GENES)], dtype=texts)
        name = f"layers/{layer}" if layer else "X"
        if layout == "dense":
            file[name] = counts
        else:
            matrix = (sparse.csr_matrix if layout == "csr" else sparse.csc_matrix)(counts)
            group = file.create_group(name)
            group.attrs["encoding-type"], group.attrs["shape"] = f"{layout}_matrix", matrix.shape
            for part in ("data", "indices", "indptr"):
                group[part] = getattr(matrix, part)


@pytest.mark.parametrize("layout", ["csr", "csc"])
@pytest.mark.parametrize("part", ["indices", "indptr"])
def test_a_damaged_index_of_cells_is_named(tmp_path, cells, layout, part):
    """scipy would add up what lies elsewhere in memory, or crash."""
    counts, labels = cells
    write_h5ad(tmp_path / "x.h5ad", counts, labels, layout)
    with h5py.File(tmp_path / "x.h5ad", "a") as file:
        file[f"X/{part}"][2] = 10**6
    with pytest.raises(InputError, match="x.h5ad: damaged, or no h5ad file"):
        matrices.read(tmp_path / "x.h5ad", {"key": "cell_type"})


@pytest.mark.parametrize("block", [4096, 5])
@pytest.mark.parametrize("pool", ["sum", "mean"])
@pytest.mark.parametrize("layout", ["dense", "csr", "csc"])
def test_cells_are_pooled_to_tissues(tmp_path, monkeypatch, capsys, cells, layout, pool, block):
    monkeypatch.setattr(matrices, "_BLOCK", block)
    counts, labels = cells
    write_h5ad(tmp_path / "x.h5ad", counts, labels, layout, layer="raw" if layout == "csr" else None)
    settings = {"key": "cell_type", "pool": pool, "minimum": 8, "symbols": "name"}
    settings["layer"] = "raw" if layout == "csr" else ""
    found = matrices.read(tmp_path / "x.h5ad", settings)
    expected = pd.DataFrame(counts).groupby(pd.Series(labels)).agg(pool).loc[["B cell", "T cell"]]
    assert found.tissue == ["B cell", "T cell"]
    np.testing.assert_allclose(found.values, expected.to_numpy().T, rtol=1e-6)
    assert found.name == [f"ENSG{gene:011}" for gene in range(GENES)]
    assert found.symbol == [f"G{gene}" for gene in range(GENES)]
    said = capsys.readouterr().out
    assert "left out rare: " in said and "left out cells without a tissue: 1 cells" in said


def test_labels_may_be_plain_text(tmp_path, cells):
    counts, labels = cells
    for categorical in (True, False):
        write_h5ad(tmp_path / f"{categorical}.h5ad", counts, labels, "csr", categorical=categorical)
    first, second = (matrices.read(tmp_path / f"{name}.h5ad", {"key": "cell_type"}) for name in (True, False))
    assert first.tissue == second.tissue == sorted(KINDS) and (first.values == second.values).all()


def test_what_is_wrong_with_an_h5ad_is_named(tmp_path, cells):
    write_h5ad(tmp_path / "x.h5ad", *cells, "csr", layer="raw")
    for settings, message in (
        ({}, "say in expression: cells: key"),
        ({"key": "tissue", "layer": "raw"}, "obs has no column tissue; there are barcode, cell_type"),
        ({"key": "cell_type"}, r"holds no X \(layers: none\)|holds no X"),
        ({"key": "cell_type", "layer": "counts"}, r"holds no layers/counts \(layers: raw\)"),
        ({"key": "cell_type", "layer": "raw", "symbols": "symbol"}, "var has no column symbol"),
        ({"key": "cell_type", "layer": "raw", "minimum": 100}, "no tissue of obs: cell_type has 100 cells or more"),
    ):
        with pytest.raises(InputError, match=message):
            matrices.read(tmp_path / "x.h5ad", settings)
    (tmp_path / "x.h5ad").write_bytes((tmp_path / "x.h5ad").read_bytes()[:700])
    with pytest.raises(InputError, match="x.h5ad: damaged, or no h5ad file"):
        matrices.read(tmp_path / "x.h5ad", {"key": "cell_type"})


# --- units -------------------------------------------------------------------------------------------------------


def checked(values, unit):
    values = np.asarray(values, dtype=float)
    places, tissues = [f"line {row + 2}" for row in range(len(values))], [f"t{c}" for c in range(values.shape[1])]
    units.check(values, unit, "m.csv", places, tissues)
    return units.normalised(values, unit, "m.csv", tissues)


RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(20, (700, 3)).astype(float)
TPM = RNG.random((700, 3)) * [1, 2, 3]
TPM *= 1e6 / TPM.sum(axis=0)


@pytest.mark.parametrize(
    "values, unit, message",
    [
        ([[1, -2]], "rpkm", r"m\.csv, line 2, column 't1': '-2' is not of RPKM"),
        ([[1, 2], [-0.5, 1]], "counts", r"line 3, column 't0': '-0.5' is not of counts"),
        ([[1, np.inf]], "tpm", "'inf' is not of TPM"),
        ([[1, -np.inf]], "log", "'-inf' is not a logarithm"),
        ([[1, 2000]], "log", "'2000' is no logarithm"),
        (COUNTS, "tpm", "all values are whole numbers, as counts are"),
        (COUNTS, "rpkm", "all values are whole numbers"),
        (COUNTS, "cpm", "all values are whole numbers"),
        (TPM * 2, "tpm", "column 't.': sums to 2,000,000"),
        (TPM * [1, 1, 1.5], "cpm", "column 't2': sums to 1,500,000, but CPM"),
        (TPM, "counts", "every column sums to a million"),
        ([[1, 0], [2, 0]], "counts", "column 't1': holds no counts"),
    ],
)
def test_a_matrix_that_contradicts_its_unit_is_named(values, unit, message):
    with pytest.raises(InputError, match=message):
        checked(values, unit)


@pytest.mark.parametrize(
    "values, unit",
    [(COUNTS, "counts"), (COUNTS + 0.25, "counts"), (TPM, "tpm"), (TPM[:300], "tpm"), (np.log(TPM), "log")],
)
def test_a_matrix_of_its_unit_passes(values, unit):
    checked(values, unit)


def test_what_is_odd_but_possible_is_told(capsys):
    checked(COUNTS, "counts")
    checked(TPM, "tpm")
    assert not capsys.readouterr().out
    checked(COUNTS + 0.25, "counts")
    assert "2,100 of 2,100 counts above 0 are not whole" in capsys.readouterr().out
    checked(TPM * [1, 1, 0.5], "tpm")
    assert "columns sum to 500,000 to 1,000,000 TPM; those of all genes sum to a million" in capsys.readouterr().out


def test_counts_become_counts_per_million_of_all_rows(tmp_path, annotation):
    rows = pd.DataFrame({"Lung": [1, 2, 3, 4, 990], "Liver": [5, np.nan, 0, 5, 90]}, index=[*IDS, "ENSG00000000077"])
    rows.to_csv(tmp_path / "m.csv")
    found = expression.read_matrix(tmp_path / "m.csv", annotation, "g", unit="counts", unmatched="skip")
    np.testing.assert_allclose(found.values, [[1e3, 5e4], [2e3, np.nan], [3e3, 0], [4e3, 5e4]])


@pytest.mark.parametrize("unit, label", [("tpm", "TPM"), ("counts", "CPM"), ("log", "the matrix's logarithm")])
def test_targets_say_what_they_are_made_of(tmp_path, annotation, unit, label):
    matrix = expression.Matrix(VALUES, TISSUES, unit)
    path = tmp_path / "expression.h5"
    expression.write_targets(path, matrix, annotation, annotation[1:], "m", pseudocount=0.5, missing="keep")
    found = targets.read_targets(path)
    assert found.unit == label and found.pseudocount == (0 if unit == "log" else 0.5)
    wanted = VALUES[1:] if unit == "log" else np.log(VALUES[1:] + 0.5)
    np.testing.assert_allclose(found.log_expression, wanted, rtol=1e-6)


# --- partners ----------------------------------------------------------------------------------------------------


def test_what_has_no_partner_is_left_out_and_counted(tmp_path, annotation, capsys):
    ids = [IDS[2], "ENSG00000000077", IDS[0], "ENSG00000000078"]
    pd.DataFrame({"Lung": [1.5, 2, 3, 4]}, index=ids).to_csv(tmp_path / "m.csv")
    with pytest.raises(InputError, match="ENSG00000000077 is not in g .2 such rows.*expression: unmatched: skip"):
        expression.read_matrix(tmp_path / "m.csv", annotation, "g")
    found = expression.read_matrix(tmp_path / "m.csv", annotation, "g", unmatched="skip")
    np.testing.assert_array_equal(found.values, [[3], [np.nan], [1.5], [np.nan]])
    said = capsys.readouterr().out
    assert f"2 of 4 genes of g have a row (not {IDS[1]}, {IDS[3]}); 2 rows are of other genes" in said
    assert "ENSG00000000077, ENSG00000000078" in said


@pytest.mark.parametrize("unmatched", ["error", "skip"])
def test_a_matrix_of_another_species_is_named_by_examples(tmp_path, annotation, unmatched):
    mouse = [f"ENSMUSG0000000000{i}" for i in range(1, 5)]
    pd.DataFrame({"Lung": [1.5, 2, 3, 4]}, index=mouse).to_csv(tmp_path / "m.csv")
    message = (
        f"not one row is a gene of g: the rows are called {mouse[0]}, {mouse[1]}, {mouse[2]}, .* genes ENSG.*species"
    )
    with pytest.raises(InputError, match=message):
        expression.read_matrix(tmp_path / "m.csv", annotation, "g", "gene_id", unmatched=unmatched)


@pytest.mark.parametrize("ids", ["auto", "symbol"])
def test_symbols_name_genes_where_they_are_unique(tmp_path, annotation, ids):
    pd.DataFrame({"Lung": [4, 3, 2, 1.5]}, index=SYMBOLS[::-1]).to_csv(tmp_path / "m.csv")
    found = expression.read_matrix(tmp_path / "m.csv", annotation, "g", ids)
    np.testing.assert_array_equal(found.values[:, 0], [1.5, 2, 3, 4])
    twice = annotation.assign(symbol=["TP53", "EGFR", "EGFR", "SOX2"])
    with pytest.raises(InputError, match="symbol (MYC|EGFR) is not in g"):
        expression.read_matrix(tmp_path / "m.csv", twice, "g", ids)
    found = expression.read_matrix(tmp_path / "m.csv", twice, "g", ids, unmatched="skip")
    np.testing.assert_array_equal(found.values[:, 0], [1.5, np.nan, np.nan, 4])


def test_a_gct_can_be_matched_by_its_symbols(tmp_path, annotation):
    (tmp_path / "m.gct").write_text(gct(ids=["a", "b", "c", "d"]))
    for ids in ("auto", "symbol"):
        found = expression.read_matrix(tmp_path / "m.gct", annotation, "g", ids)
        np.testing.assert_array_equal(found.values, VALUES)


def test_symbols_of_another_species_are_named_by_examples(tmp_path, annotation):
    pd.DataFrame({"Lung": [1.5, 2, 3, 4]}, index=["Trp53", "Egfr", "Myc", "Sox2"]).to_csv(tmp_path / "m.csv")
    message = (
        "not one row is a gene of g: the rows are called Trp53, Egfr, Myc, …, the genes TP53, EGFR, MYC, ….*species"
    )
    for unmatched in ("error", "skip"):
        with pytest.raises(InputError, match=message):
            expression.read_matrix(tmp_path / "m.csv", annotation, "g", "symbol", unmatched=unmatched)


# --- several rows a gene -----------------------------------------------------------------------------------------


@pytest.fixture
def starts():
    """A gene table with a row for each TSS: two of the first gene, three of the third."""
    genes = [0, 0, 1, 2, 2, 2, 3]
    return pd.DataFrame(
        {
            "gene_id": [f"{IDS[gene]}.7@ENST{row:011}.1" for row, gene in enumerate(genes)],
            "symbol": [SYMBOLS[gene] for gene in genes],
            "line": range(2, 9),
        }
    ), genes


@pytest.mark.parametrize("names, ids", [(IDS, "auto"), (IDS, "gene_id"), (SYMBOLS, "auto"), (SYMBOLS, "symbol")])
def test_all_rows_of_a_gene_have_its_values(tmp_path, starts, capsys, names, ids):
    table, genes = starts
    pd.DataFrame(VALUES[::-1], index=names[::-1], columns=TISSUES).to_csv(tmp_path / "m.csv")
    found = expression.read_matrix(tmp_path / "m.csv", table, "g", ids)
    np.testing.assert_array_equal(found.values, VALUES[genes])
    # Genes are counted, not their rows.
    pd.DataFrame(VALUES[1:], index=names[1:], columns=TISSUES).to_csv(tmp_path / "m.csv")
    found = expression.read_matrix(tmp_path / "m.csv", table, "g", ids, unmatched="skip")
    np.testing.assert_array_equal(found.values, np.where(np.equal(genes, 0)[:, None], np.nan, VALUES[genes]))
    assert f"3 of 4 genes of g have a row (not {IDS[0]}.7); 0 rows" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"no row for .* of g, line 2 \(1 such genes\)"):
        expression.read_matrix(tmp_path / "m.csv", table, "g", ids)


def test_a_running_index_names_no_gene_of_several_rows(tmp_path, starts):
    table, _ = starts
    pd.DataFrame(np.ones((7, 1)), index=range(1, 8), columns=["Lung"]).to_csv(tmp_path / "m.csv")
    for ids in ("auto", "index"):
        with pytest.raises(InputError, match="a running index names no gene where genes have several rows.*as in g"):
            expression.read_matrix(tmp_path / "m.csv", table, "g", ids)


def test_a_symbol_of_two_genes_names_neither_whatever_their_rows(tmp_path, starts):
    table, genes = starts
    table["symbol"] = [["A", "B", "B", "D"][gene] for gene in genes]
    pd.DataFrame({"Lung": [4, 3, 2.5]}, index=["A", "B", "D"]).to_csv(tmp_path / "m.csv")
    found = expression.read_matrix(tmp_path / "m.csv", table, "g", "symbol", unmatched="skip")
    np.testing.assert_array_equal(found.values[:, 0], [4, 4, np.nan, np.nan, np.nan, np.nan, 2.5])


def test_versions_that_tell_genes_apart_count_whatever_their_rows(tmp_path):
    ids = ["ENSG00000000001.1@T1", "ENSG00000000001.1@T2", "ENSG00000000001.2@T3"]
    table = pd.DataFrame({"gene_id": ids, "symbol": "", "line": [2, 3, 4]})
    pd.DataFrame({"Lung": [5, 6.5]}, index=["ENSG00000000001.2", "ENSG00000000001.1"]).to_csv(tmp_path / "m.csv")
    found = expression.read_matrix(tmp_path / "m.csv", table, "g")
    np.testing.assert_array_equal(found.values[:, 0], [6.5, 6.5, 5])


# --- few tissues -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tissues, said",
    [
        (["Lung"], "m.csv: has one tissue, Lung. Correlations across cell types are undefined"),
        (["Lung", "Liver"], "m.csv: has two tissues. Correlations across cell types are 1, -1 or undefined"),
        (["Lung", "Liver", "Skin"], ""),
    ],
)
def test_too_few_tissues_are_told_of(tmp_path, annotation, capfd, tissues, said):
    matrix = expression.Matrix(np.ones((4, len(tissues))), tissues)
    path = tmp_path / "expression.h5"
    expression.write_targets(path, matrix, annotation, annotation, "m.csv", pseudocount=1, missing="keep")
    assert targets.read_targets(path).log_expression.shape == (4, len(tissues))
    expression.check_tissues(matrix, "m.csv")
    told = capfd.readouterr().err
    assert said in told and ("Correlations" in told) == bool(said)
    if len(tissues) > 1:
        expression.check_tissues(matrix, "m.csv", ["a/b/c/d"])
        return
    with pytest.raises(InputError, match=r"the loss of a/b/c/d \(1 such runs of figures\) compares tissues"):
        expression.check_tissues(matrix, "m.csv", ["a/b/c/d"])
