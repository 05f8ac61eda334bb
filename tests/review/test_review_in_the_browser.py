from __future__ import annotations

import threading
from pathlib import Path

import pytest
from builders.browser_visits import CHROMIUM
from builders.synthetic_run import build_run
from playwright.sync_api import Browser

from auditor.report.view.report_view import build_view
from auditor.review.server import ReviewServer
from auditor.review_log import read_log

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


def test_reviewer_decides_and_finishes_in_the_browser(browser: Browser, tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    server = ReviewServer(run.path, build_view(run), lambda _: None)
    address = server.open()
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        page = browser.new_page()
        page.goto(address)
        page.locator("input[value=reject]").first.check()
        page.locator("textarea").first.fill("the gap is too large")
        page.locator("input[name=reviewer]").first.fill("Ada Muster")
        page.get_by_role("button", name="Store the decision").first.click()
        page.locator(".past").wait_for()
        assert "the gap is too large" in page.locator(".past").inner_text()
        page.get_by_role("button", name="Finish the review").click()
        page.get_by_text("The review is finished").wait_for()
        page.close()
    finally:
        server.finish()
        thread.join()
    log = read_log(run.path)
    assert log is not None
    assert [(one.choice, one.reviewer) for one in log.decisions] == [("reject", "Ada Muster")]
