"""A headless Chromium without a network, where the machine has one, its driver and Selenium."""

import shutil
from contextlib import contextmanager

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
