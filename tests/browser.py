"""Pages in a headless Chromium without a network, where the machine has one, its driver and Selenium."""

import shutil
from contextlib import contextmanager
from html.parser import HTMLParser

import pytest


@contextmanager
def chromium(width=1500, height=950):
    """A driver of Selenium's; the test that asks for it is skipped where anything is missing."""
    webdriver = pytest.importorskip("selenium.webdriver")
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and driver):
        pytest.skip("no chromium, or no chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    # No name is found: what a page asks of another host fails.
    asked = (
        "--headless=new",
        "--no-sandbox",
        f"--window-size={width},{height}",
        "--host-resolver-rules=MAP * ~NOTFOUND",
    )
    for argument in asked:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.chrome.service.Service(driver))
    browser.implicitly_wait(10)
    try:
        yield browser
    finally:
        browser.quit()


class Report:
    """Snakemake's report, open in a browser; results are called by their label, as a user finds them."""

    def __init__(self, browser, path):
        self.browser, self.address = browser, path.as_uri()

    def labels(self, category):
        """Open a category; the labels of its results."""
        self.browser.get(self.address)
        self.browser.find_element("link text", category).click()
        return [cell.text for cell in self.browser.find_elements("css selector", "#app tbody tr td:first-child")]

    def show(self, label):
        """Click the eye of a result of the open category."""
        self._buttons(label)[0].click()

    def caption(self, label):
        """Click the i of a result of the open category; what the report says of it."""
        self._buttons(label)[1].click()
        return self.browser.find_element("css selector", "#app .prose-invert").text

    def image(self):
        """The width in pixels of the image that is shown, 0 if it cannot be."""
        shown = self.browser.find_element("css selector", "#app img[src^='data:image/png']")
        return self.browser.execute_async_script(
            "const [image, done] = arguments; image.decode().then(() => done(image.naturalWidth), () => done(0))", shown
        )

    @contextmanager
    def page(self):
        """The page that is shown, to look for elements in."""
        self.browser.switch_to.frame(self.browser.find_element("css selector", "#app iframe"))
        try:
            yield self.browser
        finally:
            self.browser.switch_to.default_content()

    def _buttons(self, label):
        rows = self.browser.find_elements("css selector", "#app tbody tr")
        [row] = [row for row in rows if row.find_element("css selector", "td:first-child").text == label]
        return row.find_elements("css selector", "a")


class Links(HTMLParser):
    """What a page's own tags ask for: `found`, the values of src and href."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("src", "href")]
