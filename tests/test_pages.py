"""Pages of tables: they parse, need no other file, and say what they were given."""

import math
import re
from html.parser import HTMLParser

import numpy as np

from browser import chromium
from chrom2expr.files import pages

VOID = {"meta", "wbr"}


class Reader(HTMLParser):
    """The cells of a page's tables, the classes of cells, and whether every tag is closed in its turn."""

    def __init__(self, text):
        super().__init__()
        self.open, self.cells, self.attributes = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")
            self.attributes.append(dict(attributes))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.cells[-1] += data


def written(folder, *tables, title="A <title>", text=("One & two",)):
    pages.write_page(folder / "page.html", title, text, tables)
    return (folder / "page.html").read_text(encoding="utf-8")


def test_a_page_holds_its_tables_and_nothing_is_taken_for_html(tmp_path):
    rows = [["<b>a</b>", 0.123456, "holds"], ['é & "x"', math.nan, "no"], [None, np.int64(22828), "holds"]]
    page = written(tmp_path, pages.Table("Some <caption>", ("name", "number", "verdict"), rows, {"holds": "good"}))
    read = Reader(page)
    assert not read.open
    assert read.cells == ["name", "number", "verdict", "<b>a</b>", "0.1235", "holds", 'é & "x"', "", "no", "", "22,828", "holds"]  # fmt: skip
    values = [own.get("data-value") for own in read.attributes[3:]]
    assert [value for value in values if value is not None] == ["0.123456", "", "22828.0"]
    assert ["good" in own.get("class", "") for own in read.attributes[5::3]] == [True, False, True]
    assert "A &lt;title&gt;" in page and "One &amp; two" in page and "Some &lt;caption&gt;" in page


def test_a_page_needs_no_other_file_and_sorts(tmp_path):
    page = written(tmp_path, pages.Table("T", ("a", "b"), [["x", 1]]), pages.Table("Empty", ("a",), []))
    assert not re.search(r"https?:|//|\b(src|href|import|url)\b\s*[=(]", page)
    assert page.count('<button type="button">') == 3 and page.count("<script>") == 1
    assert "aria-sort" in page and "@media print" in page


def test_what_columns_mean_stands_below_the_caption(tmp_path):
    page = written(tmp_path, pages.Table("T", ("a",), [["x"]], text=["a: <some> thing"]))
    assert "<caption>T<p>a: &lt;some&gt; thing</p>\n</caption>" in page and not Reader(page).open


def test_of_many_rows_only_those_in_view_are_laid_out(tmp_path):
    rows = [["x" * 30 if row % 4 else "", "y" * 500, row] for row in range(1000)]
    few, many = (written(tmp_path, pages.Table("T", ("a", "text", "number"), own)) for own in (rows[1:], rows))
    assert "<table>" in few
    assert '<table class="many" style="--columns: minmax(16ch, 30fr) minmax(16ch, 60fr) minmax(11ch, 11fr)">' in many
    assert Reader(many).cells[-1] == "999"


def test_marks_have_a_style(tmp_path):
    page = written(tmp_path, pages.Table("T", ("a",), [["x"]]))
    assert all(f".{mark} {{" in page for mark in pages.MARKS)


def test_a_text_keeps_its_lines_and_is_not_taken_for_html(tmp_path):
    page = written(tmp_path, pages.Listing("A <b>", "one\n  two & <i>", code=True), pages.Listing("B", "three"))
    assert '<h2>A &lt;b&gt;</h2>\n<pre class="code">one\n  two &amp; &lt;i&gt;</pre>' in page
    assert "<pre>three</pre>" in page and not Reader(page).open


def test_checksums_may_break(tmp_path):
    page = written(tmp_path, pages.Table("T", ("sha256",), [["0123456789abcdef" * 4]]))
    assert page.count("0123456789abcdef<wbr>") == 3 and Reader(page).cells[1] == "0123456789abcdef" * 4


def test_a_browser_sorts_a_table_and_shows_all_of_it(tmp_path):
    rows = [["b", 10.5, ""], ["a", 9, "x"], ["c", None, "y" * 30]]
    written(tmp_path, pages.Table("T", ("name", "number", "text"), rows), pages.Listing("L", "word " * 500))
    with chromium(width=700) as browser:
        browser.get((tmp_path / "page.html").as_uri())

        def column(number):
            return [cell.text for cell in browser.find_elements("css selector", f"tbody td:nth-child({number})")]

        name, number, _ = browser.find_elements("css selector", "th button")
        assert column(1) == ["b", "a", "c"]
        number.click()
        assert column(2) == ["9", "10.5", ""]
        number.click()
        assert column(2) == ["10.5", "9", ""]
        name.click()
        assert column(1) == ["a", "b", "c"]
        assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
