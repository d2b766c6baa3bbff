"""The expression matrix: how its rows find their genes, what is legal in it, and the targets."""

import h5py
import numpy as np
import pandas as pd
import pytest

from chrom2expr.errors import InputError
from chrom2expr.genome import expression, targets

TISSUES = ["Lung", "Liver, left", "Skin"]
VALUES = np.array([[0, 1.5, 2], [3, np.nan, 5e-3], [0.25, 7, 8], [9, 10, 11]])


@pytest.fixture
def annotation():
    ids = [f"ENSG0000000000{i}" for i in range(1, 5)]
    return pd.DataFrame({"gene_id": ids, "line": [2, 3, 4, 5]})


def save(path, rows, index, name=""):
    pd.DataFrame(rows, index=index, columns=TISSUES).to_csv(path, index_label=name)
    return path


def read(path, annotation, ids="auto"):
    return expression.read_matrix(path, annotation, "genes.csv", ids)


def test_a_running_index_follows_the_gene_table(tmp_path, annotation):
    matrix = read(save(tmp_path / "exp.csv", VALUES, range(1, 5)), annotation)
    assert matrix.tissue == TISSUES
    np.testing.assert_array_equal(matrix.values, VALUES)


def test_gene_ids_are_matched_whatever_their_order(tmp_path, annotation):
    order = [2, 0, 3, 1]
    path = save(tmp_path / "exp.csv", VALUES[order], annotation["gene_id"].iloc[order], "gene")
    np.testing.assert_array_equal(read(path, annotation).values, VALUES)


@pytest.mark.parametrize("versions", [[".1", ".12", ".3", ".4"], [".5_2", ".12_14", ".1_1", ".4"]])
def test_versions_are_ignored(tmp_path, annotation, versions):
    versioned = annotation["gene_id"] + versions
    path = save(tmp_path / "exp.csv", VALUES[::-1], versioned[::-1], "gene")
    np.testing.assert_array_equal(read(path, annotation).values, VALUES)
    path = save(tmp_path / "exp.csv", VALUES[::-1], annotation["gene_id"][::-1], "gene")
    np.testing.assert_array_equal(read(path, annotation.assign(gene_id=versioned)).values, VALUES)


def test_a_gene_of_both_pseudoautosomal_regions_is_two(tmp_path, annotation):
    table = annotation.assign(gene_id=["ENSG00000000001.3", "ENSG00000000001.3_PAR_Y", "ENSG00000000003", "G"])
    ids = ["ENSG00000000001.4_1", "ENSG00000000001.4_PAR_Y", "ENSG00000000003.9", "G"]
    path = save(tmp_path / "exp.csv", VALUES[::-1], ids[::-1], "gene")
    np.testing.assert_array_equal(read(path, table).values, VALUES)


def test_versions_count_where_they_tell_genes_apart(tmp_path, annotation):
    ids = ["ENSG00000000001.1", "ENSG00000000001.2", "ENSG00000000003", "ENSG00000000004"]
    path = save(tmp_path / "exp.csv", VALUES[::-1], ids[::-1], "gene")
    np.testing.assert_array_equal(read(path, annotation.assign(gene_id=ids)).values, VALUES)


def numbered(ids):
    """A gene table whose ids are numbers (Entrez)."""
    return pd.DataFrame({"gene_id": [str(gene) for gene in ids], "line": range(2, 2 + len(ids))})


def test_numbers_that_are_gene_ids_are_matched_by_id(tmp_path):
    ids = [7157, 672, 1956, 4609]
    path = save(tmp_path / "exp.csv", VALUES[::-1], ids[::-1], "gene")
    np.testing.assert_array_equal(read(path, numbered(ids)).values, VALUES)


def test_a_running_index_is_one_whatever_numbers_the_gene_ids_are(tmp_path):
    path = save(tmp_path / "exp.csv", VALUES, range(1, 5))
    np.testing.assert_array_equal(read(path, numbered([4, 3, 2, 9])).values, VALUES)
    # Both readings, in the same order.
    np.testing.assert_array_equal(read(path, numbered([1, 2, 3, 4])).values, VALUES)


def test_numbers_that_can_be_both_ask_for_a_declaration(tmp_path):
    path = save(tmp_path / "exp.csv", VALUES, range(1, 5))
    genes = numbered([1, 3, 2, 4])
    with pytest.raises(InputError, match=r"genes.csv, line 3, gene 3, would be line 3 .* or line 4.*expression: ids"):
        read(path, genes)
    np.testing.assert_array_equal(read(path, genes, "index").values, VALUES)
    np.testing.assert_array_equal(read(path, genes, "gene_id").values, VALUES[[0, 2, 1, 3]])


@pytest.mark.parametrize(
    "names, ids, declared, words",
    [
        ([1, 2, 3, 4], None, "gene_id", "not one row is a gene of genes.csv: .* 1, 2, 3, .* expression: ids: gene_id"),
        (None, [7, 5, 6, 8], "index", "line 2: the running index is '7' .* expression: ids: index"),
        ("abcd", "abcd", "index", "line 2: the running index is 'a' .* expression: ids: index"),
        # Neither reading: the likelier one's problem.
        ([7, 5, 6, 9], [7, 5, 6, 8], "auto", "line 5: gene id 9 is not in genes.csv"),
        ([7, 5, 6, 5], [7, 5, 6, 8], "auto", "line 5: gene id 5 is already on line 3"),
        ([91, 92, 93, 94], [7, 5, 6, 8], "auto", "not one row is a gene of genes.csv: the rows are called 91, 92, 93"),
        ([1, 2, 4, 3], [7, 5, 6, 8], "auto", "line 4: the running index is '4' where 3"),
        ([1, 2, "", 4], None, "auto", "line 4: the running index is '' where 3"),
        ([91, 92, 93, 94], None, "auto", "line 2: the running index is '91' where 1"),
    ],
)
def test_numbers_that_fit_neither_or_not_what_is_declared(tmp_path, annotation, names, ids, declared, words):
    path = save(tmp_path / "exp.csv", VALUES, list(names or ids))
    with pytest.raises(InputError, match=rf"exp\.csv(, |: ){words}"):
        read(path, annotation if ids is None else numbered(ids), declared)


@pytest.mark.parametrize("word", ["", "NA", "nan", "NaN"])
def test_missing_values_are_kept(tmp_path, annotation, word):
    path = tmp_path / "exp.csv"
    path.write_text(f"id,A,B\n1,1,{word}\n2,{word},2\n3,3,3\n4,4,4\n")
    np.testing.assert_array_equal(read(path, annotation).values, [[1, np.nan], [np.nan, 2], [3, 3], [4, 4]])


@pytest.mark.parametrize(
    "text, words",
    [
        ("id,A,B\n1,1,1\n2,2,2\n3,3,-0.5\n4,4,4\n", ["line 4", "'B'", "'-0.5'"]),
        ("id,A,B\n1,1,1\n2,2,2\n3,NA,high\n4,4,4\n", ["line 4", "'B'", "'high'"]),
        ("id,A,B\n1,1,1\n2,2,2\n3,inf,3\n4,4,4\n", ["line 4", "'A'", "'inf'"]),
        ("id,A,B\n1,1,1\n2,2,2\n3,3\n4,4,4\n", ["line 4", "2 fields", "3"]),
        ("id,A,B\n1,1,1\n2,2,2\n3,3,3\n", ["3 rows", "genes.csv", "4 genes"]),
        ("id,A,B\n1,1,1\n2,2,2\n3,3,3\n4,4,4\n5,5,5\n", ["5 rows", "genes.csv", "4 genes"]),
        ("id,A,B\n1,1,1\n3,2,2\n2,3,3\n4,4,4\n", ["line 3", "index is '3'", "genes.csv"]),
        ("id,A,B,A\n1,1,1,1\n", ["line 1", "'A'", "columns 2, 4"]),
        ("id,A,,B\n1,1,1,1\n", ["line 1", "column 3"]),
        ("id\n1\n", ["line 1", "no tissues"]),
        ("", ["is empty"]),
        ("id,A\n", ["no rows"]),
    ],
)
def test_bad_matrices_are_refused_by_row_and_column(tmp_path, annotation, text, words):
    path = tmp_path / "exp.csv"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read(path, annotation)
    for word in ["exp.csv", *words]:
        assert word in str(error.value)


@pytest.mark.parametrize(
    "replace, words",
    [
        ({3: "ENSG00000000001"}, ["line 5", "ENSG00000000001", "line 2"]),
        ({3: "ENSG00000000001.7"}, ["line 5", "ENSG00000000001", "line 2"]),
        ({1: "ENSG00000000009"}, ["line 3", "ENSG00000000009", "not in genes.csv"]),
        ({1: ""}, ["line 3", "missing"]),
        ({3: None}, ["no row", "ENSG00000000004", "genes.csv, line 5"]),
    ],
)
def test_ids_that_disagree_with_the_gene_table_are_refused(tmp_path, annotation, replace, words):
    ids = [replace.get(row, gene_id) for row, gene_id in enumerate(annotation["gene_id"])]
    keep = [gene_id is not None for gene_id in ids]
    path = save(tmp_path / "exp.csv", VALUES[keep], [gene_id for gene_id in ids if gene_id is not None], "gene")
    with pytest.raises(InputError) as error:
        read(path, annotation)
    for word in ["exp.csv", *words]:
        assert word in str(error.value)


def test_a_binary_file_is_refused(tmp_path, annotation):
    path = tmp_path / "exp.csv"
    path.write_bytes(b"\x89HDF\r\n\x1a\n\xff\xfe")
    with pytest.raises(InputError, match="exp.csv"):
        read(path, annotation)


def write(tmp_path, annotation, genes, **settings):
    path = tmp_path / "expression.h5"
    settings = {"pseudocount": 1e-4, "missing": "keep"} | settings
    expression.write_targets(path, expression.Matrix(VALUES, TISSUES), annotation, genes, "exp.csv", **settings)
    with h5py.File(path) as store:
        return {name: store[name][()] for name in store if name != "checksums"} | dict(store.attrs)


def test_targets_are_log_expression_of_the_kept_genes(tmp_path, annotation):
    stored = write(tmp_path, annotation, annotation.iloc[[0, 1, 3]])
    assert stored["log_expression"].dtype == np.float32
    np.testing.assert_allclose(stored["log_expression"], np.log(VALUES[[0, 1, 3]] + 1e-4), rtol=1e-6)
    assert [name.decode() for name in stored["tissue"]] == TISSUES
    assert [name.decode() for name in stored["gene_id"]] == annotation["gene_id"].iloc[[0, 1, 3]].tolist()
    assert stored["pseudocount"] == 1e-4


@pytest.mark.parametrize(
    "table, expected",
    [
        ({"Lung": 1, "Liver, left": 0.1, "Skin": 0.01}, [1, 0.1, 0.01]),
        ({"Skin": 0.5, "default": 0.01}, [0.01, 0.01, 0.5]),
    ],
)
def test_a_pseudocount_for_each_tissue(tmp_path, annotation, table, expected):
    stored = write(tmp_path, annotation, annotation, pseudocount=table)
    np.testing.assert_allclose(stored["log_expression"], np.log(VALUES + expected), rtol=1e-6)
    np.testing.assert_array_equal(stored["pseudocount"], expected)


@pytest.mark.parametrize(
    "pseudocount, words",
    [
        ({"Lung": 1, "Skin": 1}, "Liver, left"),
        ({"Brain": 1, "default": 1}, "Brain"),
        ({"Lung": 0, "default": 1}, "Lung"),
        (0, "above 0"),
        (-1, "above 0"),
    ],
)
def test_bad_pseudocounts_are_refused_by_key(tmp_path, annotation, pseudocount, words):
    with pytest.raises(InputError, match="expression: pseudocount") as error:
        write(tmp_path, annotation, annotation, pseudocount=pseudocount)
    assert words in str(error.value)
    assert not (tmp_path / "expression.h5").exists()


def test_missing_values_can_be_made_an_error(tmp_path, annotation):
    with pytest.raises(InputError, match=r"exp\.csv: no value for gene ENSG00000000002 in column 'Liver, left'"):
        write(tmp_path, annotation, annotation, missing="error")
    # A missing value of a gene that is not kept does no harm.
    write(tmp_path, annotation, annotation.iloc[[0, 2]], missing="error")


def test_a_gene_that_the_table_lacks_is_refused(tmp_path, annotation):
    genes = annotation.assign(gene_id=[*annotation["gene_id"][:3], "ENSG00000000009"])
    with pytest.raises(InputError, match=r"exp\.csv: gene ENSG00000000009 \(1 such genes\) is not in the gene table"):
        write(tmp_path, annotation, genes)
    assert not (tmp_path / "expression.h5").exists()


def test_targets_come_back_as_they_were_written(tmp_path, annotation):
    write(tmp_path, annotation, annotation, pseudocount={"Skin": 0.5, "default": 0.01})
    found = targets.read_targets(tmp_path / "expression.h5")
    np.testing.assert_array_equal(found.log_expression, np.log(VALUES + [0.01, 0.01, 0.5]).astype(np.float32))
    assert found.gene_id.tolist() == annotation["gene_id"].tolist() and found.tissue.tolist() == TISSUES
    assert found.pseudocount.tolist() == [0.01, 0.01, 0.5]
    write(tmp_path, annotation, annotation)
    assert targets.read_targets(tmp_path / "expression.h5").pseudocount == 1e-4
