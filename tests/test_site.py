"""The documentation as a site: links that lead nowhere end its build, and its pages load nothing from elsewhere."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
INDEX = "# Start\n\n```{toctree}\nother\n../config/README\n```\n"
OTHER = """# Other

## A part

See [the start](index.md), [a key](../config/README.md#a-key), [a part](#a-part) and [a table](../config/rates.tsv).
It is $\\alpha_b$.
"""


def build(folder, output):
    """Do what `make site` does, with `folder` as the repository; returns the exit status and what is said."""
    [line] = re.findall(r"^\t\$\(BIN\)/python (-m sphinx .*) site$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    command = [sys.executable, *shlex.split(line), str(output)]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def repository(tmp_path):
    """One with two pages, and a third outside docs/."""
    docs, config = tmp_path / "repository/docs", tmp_path / "repository/config"
    docs.mkdir(parents=True)
    config.mkdir()
    shutil.copy(ROOT / "docs/conf.py", docs)
    shutil.copytree(ROOT / "docs/root", docs / "root")
    (docs / "index.md").write_text(INDEX)
    (docs / "other.md").write_text(OTHER)
    (config / "README.md").write_text("# Keys\n\n## A key\n\nSee [a part](../docs/other.md#a-part).\n")
    (config / "rates.tsv").write_text("rule\n")
    return docs.parent


def test_links_of_the_repository_work_in_the_site(repository, tmp_path):
    status, said = build(repository, tmp_path / "site")
    assert status == 0, said
    page = (tmp_path / "site/docs/other.html").read_text()
    assert 'href="../config/README.html#a-key"' in page and 'href="index.html"' in page and 'href="#a-part"' in page
    [table] = re.findall(r'href="(\S*rates\.tsv)"', page)
    assert (tmp_path / "site/docs" / table).read_text() == "rule\n"
    assert re.search(r"<math.*<msub><mi>.*</msub></mrow></math>", page)
    start = (tmp_path / "site/index.html").read_text()
    assert (tmp_path / "site" / re.findall(r"url=([^\"]+)", start)[0]).is_file()


def test_every_link_that_leads_nowhere_ends_the_build_and_so_does_a_page_that_no_list_names(repository, tmp_path):
    broken = ["gone.md", "../config/gone.tsv", "index.md#gone", "../config/README.md#gone", "#gone"]
    with (repository / "docs/other.md").open("a") as page:
        for number, link in enumerate(broken):
            page.write(f"\n[gone {number}]({link})\n")
    (repository / "docs/lost.md").write_text("# Lost\n")
    status, said = build(repository, tmp_path / "site")
    assert status
    lines = (repository / "docs/other.md").read_text().splitlines()
    told = {lines[int(line) - 1] for line in re.findall(r"docs/other\.md:(\d+): WARNING", said)}
    assert told == {f"[gone {number}]({link})" for number, link in enumerate(broken)}
    assert re.search(r"docs/lost\.md: WARNING", said)


@pytest.mark.slow
def test_the_site_builds_and_loads_nothing_from_elsewhere(tmp_path):
    status, said = build(ROOT, tmp_path)
    assert (status, said) == (0, "")
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        text = page.read_text()
        assert not re.findall(r"<(?:script|img|iframe|source)[^>]* src=\"(?:https?:)?//", text), page
        assert not re.findall(r"<link(?![^>]*rel=\"(?:canonical|author)\")[^>]* href=\"(?:https?:)?//", text), page
    for sheet in tmp_path.rglob("*.css"):
        assert not re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", sheet.read_text()), sheet
    assert "chrom2expr.losses.loss.Loss" in (tmp_path / "docs/api/contracts.html").read_text()
