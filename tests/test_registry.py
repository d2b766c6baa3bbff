"""Names in the config find classes, of chrom2expr, of installed packages and of files, without importing them."""

import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from chrom2expr import registry
from chrom2expr.errors import InputError

KINDS = [(kind, name) for kind in registry.OWN for name in registry.OWN[kind]]
CLASS = "class {name}:\n    declares = {declares}\n"


@pytest.fixture(autouse=True)
def forget():
    yield
    registry.find.cache_clear()


def write(folder, text, name="mine.py"):
    (folder / name).write_text(text)
    return f"{folder / name}:Mine"


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_what_a_class_declares_is_read_as_it_is_executed(kind, name):
    entry = registry.find(kind, name)
    executed = entry.load().declares
    if "like" not in executed.get("schema", {}):
        assert executed == entry.declares
    assert {**executed, "schema": None} == {**entry.declares, "schema": None}
    assert entry.load().__doc__


def test_declared_keys_are_described():
    for kind, name in KINDS:

        def described(rules, where):
            for key, inner in rules.get("properties", {}).items():
                if "properties" in inner or "$ref" in inner or inner.get("type") == "object":
                    described(inner, f"{where}.{key}")
                else:
                    assert inner["description"].endswith("."), f"{where}.{key}"

        described(registry.find(kind, name).declares.get("schema", {}), f"{kind}.{name}")


def test_a_schema_is_added_to_that_of_another_class():
    cnn, single = (registry.find("heads", name).declares["schema"]["properties"] for name in ("cnn", "single_cnn"))
    assert single["settings"]["properties"].keys() - cnn["settings"]["properties"].keys() == {"bundle"}
    assert single["grid"] == cnn["grid"] and single["batch_size"] == cnn["batch_size"]


def test_nothing_is_imported_to_find_a_file_of_ones_own(tmp_path):
    name = write(
        tmp_path, "import not_installed_anywhere\n" + CLASS.format(name="Mine", declares="{'api': 1, 'takes': 'store'}")
    )
    entry = registry.find("heads", name)
    assert entry.declares == {"api": 1, "takes": "store"}
    with pytest.raises(InputError, match="mine.py cannot be imported .*not_installed_anywhere"):
        entry.load()


def test_an_installed_package_brings_a_class(tmp_path, monkeypatch):
    (tmp_path / "labs_models").mkdir()
    (tmp_path / "labs_models" / "__init__.py").write_text("")
    write(tmp_path / "labs_models", "raise SystemError\n" + CLASS.format(name="Mine", declares="{'api': 1}"))
    monkeypatch.syspath_prepend(tmp_path)
    points = [EntryPoint("mine", "labs_models.mine:Mine", "chrom2expr.heads")]
    monkeypatch.setattr(registry, "_installed", lambda: EntryPoints(points))
    assert registry.find("heads", "mine").path == tmp_path / "labs_models" / "mine.py"
    assert registry.names("heads")[-1] == "mine" and "mine" not in registry.names("losses")
    assert "labs_models.mine" not in sys.modules
    points.append(EntryPoint("ridge", "labs_models.mine:Mine", "chrom2expr.heads"))
    registry.find.cache_clear()
    with pytest.raises(InputError, match="an installed package brings heads ridge, a name of chrom2expr's own"):
        registry.find("heads", "ridge")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no class Mine"),
        ("class Mine:\n    pass\n", "line 1: Mine has no dictionary `declares`"),
        (
            "SIZE = 3\n" + CLASS.format(name="Mine", declares="{'api': SIZE}"),
            "line 3: declares must be written out in full",
        ),
        (CLASS.format(name="Mine", declares="{'api': 99}"), "Mine was written for version 99"),
        (CLASS.format(name="Mine", declares="{}"), "Mine declares no api: add 'api': 1"),
        (
            CLASS.format(name="Mine", declares="{'api': 1, 'take': 'store'}"),
            "declares take, which means nothing for heads; .* takes",
        ),
        ("class Mine:\n    declares = {'api': 1\n", r"mine\.py, line 2: .*never closed"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        registry.find("heads", write(tmp_path, text))


@pytest.mark.parametrize("name", ["rigde", ":Mine", ""])
def test_an_unknown_name_is_answered_with_the_known_ones(name):
    with pytest.raises(InputError, match=f"there is no {name} among heads; there are cnn, .*ridge"):
        registry.find("heads", name)


def test_a_file_that_is_not_there_or_without_its_class_is_said(tmp_path):
    with pytest.raises(InputError, match="heads: there is no file nowhere.py"):
        registry.find("heads", "nowhere.py:Mine")
    with pytest.raises(InputError, match="name its class too, lab.py:Class"):
        registry.find("heads", "lab.py")


def test_a_name_that_several_packages_bring_is_refused(monkeypatch):
    points = tuple(EntryPoint("mine", f"{package}.mine:Mine", "chrom2expr.heads") for package in ("one", "other"))
    monkeypatch.setattr(registry, "_brought", lambda kind: points)
    with pytest.raises(InputError, match="several installed packages bring heads mine"):
        registry.find("heads", "mine")
