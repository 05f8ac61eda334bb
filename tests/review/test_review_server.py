from __future__ import annotations

import http.client
import shutil
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from builders.synthetic_run import build_run

from auditor.manifest import write_manifest
from auditor.report.renderers.html import HtmlReport
from auditor.report.view.report_view import build_view
from auditor.review.server import ReviewServer
from auditor.review_log import ReviewDecision, read_log
from auditor.run_folder import RunFolder


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = build_run(tmp_path_factory.mktemp("runs") / "run")
    HtmlReport().render(build_view(run), run.path)
    write_manifest(run.path)
    return run


class Visit:
    """A server in a thread, and requests to it."""

    def __init__(self, run: RunFolder) -> None:
        self.made: list[ReviewDecision] = []
        self.server = ReviewServer(run.path, build_view(run), self.made.append)
        self.address = self.server.open()
        self.thread = threading.Thread(target=self.server.serve)
        self.thread.start()

    @property
    def finding(self) -> str:
        return self.server.view.findings[0].record.id

    def get(self, path: str, **headers: str) -> tuple[int, Mapping[str, str], str]:
        return self._request("GET", path, None, headers)

    def post(
        self, name: str, fields: Mapping[str, str], **headers: str
    ) -> tuple[int, Mapping[str, str], str]:
        sent = {"Origin": self.server.origin} | headers
        return self._request("POST", self.server.base + name, urlencode(fields), sent)

    def _request(
        self, method: str, path: str, body: str | None, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], str]:
        connection = http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=20)
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        connection.close()
        return answer.status, dict(answer.getheaders()), text


@pytest.fixture
def visit(reviewed: RunFolder, tmp_path: Path) -> Iterator[Visit]:
    visit = Visit(RunFolder.open(shutil.copytree(reviewed.path, tmp_path / "run")))
    yield visit
    visit.server.finish()
    visit.thread.join()


def _fields(visit: Visit, **changes: str) -> dict[str, str]:
    fields = {"finding": visit.finding, "choice": "mitigate", "reason": "we collect more images"}
    return fields | {"reviewer": "Ada Muster", "role": "QA"} | changes


def test_page_shows_each_finding_with_a_form_and_no_script(visit: Visit) -> None:
    status, headers, page = visit.get(visit.server.base)
    assert status == 200
    assert page.count('action="' + visit.server.base + 'decide"') == len(visit.server.view.findings)
    assert "<script" not in page
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_decision_is_stored_and_shown(visit: Visit) -> None:
    status, headers, _ = visit.post("decide", _fields(visit, reason="fewer <b>images</b>"))
    assert status == 303
    assert headers["Location"].startswith(visit.server.base + "#")
    log = read_log(visit.server.folder)
    assert log is not None
    assert log.current[visit.finding].choice == "mitigate"
    assert [one.reviewer for one in visit.made] == ["Ada Muster"]
    page = visit.get(visit.server.base)[2]
    assert "fewer &lt;b&gt;images&lt;/b&gt;" in page
    assert 'value="Ada Muster"' in page


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reason": " "}, "reason: expected a text"),
        ({"reviewer": ""}, "reviewer: expected a text"),
        ({"choice": "perhaps"}, "expected one of accept, mitigate, reject"),
        ({"finding": "<script>"}, "expected one of the findings of this run"),
    ],
)
def test_incomplete_decision_is_answered_with_the_reason(
    visit: Visit, changes: dict[str, str], message: str
) -> None:
    status, _, page = visit.post("decide", _fields(visit, **changes))
    assert status == 400
    assert message in page
    assert "<script>" not in page
    assert read_log(visit.server.folder) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "null"},  # a page in a sandbox, such as the report itself
        {"Origin": "http://example.org"},
        {"Host": "attacker.example:80"},
    ],
)
def test_other_pages_can_not_decide(visit: Visit, headers: dict[str, str]) -> None:
    assert visit.post("decide", _fields(visit), **headers)[0] == 403
    assert read_log(visit.server.folder) is None


def test_only_documents_of_the_run_are_sent(visit: Visit) -> None:
    base = visit.server.base
    status, headers, page = visit.get(base + "report.html")
    assert status == 200
    assert headers["Content-Security-Policy"].startswith("sandbox")
    assert "</html>" in page
    for name in ("audit.json", "../report.html", "%2e%2e/x.html", "nothing.html", "report.html/"):
        assert visit.get(base + name)[0] == 404
    assert visit.get("/")[0] == 404
    assert visit.get("/report.html")[0] == 404
    assert visit.get(base, Host="attacker.example")[0] == 404


def test_manifest_can_not_name_a_document_outside_of_the_run(visit: Visit) -> None:
    (visit.server.folder.parent / "secret.html").write_text("secret")
    path = visit.server.folder / "manifest.json"
    path.write_text(path.read_text().replace('"files":{', '"files":{"../secret.html":"0",', 1))
    path.write_text(path.read_text().replace('"files": {', '"files": {"../secret.html":"0",', 1))
    assert "secret.html" in path.read_text()
    assert visit.get(visit.server.base + "../secret.html")[0] == 404


@pytest.mark.parametrize("length", ["-1", "1000000", "x", ""])
def test_form_of_a_wrong_length_is_refused(visit: Visit, length: str) -> None:
    answer = visit.post("decide", {}, **{"Content-Length": length})
    assert answer[0] in {400, 413}
    assert read_log(visit.server.folder) is None


def test_review_ends_when_the_reviewer_finishes(visit: Visit) -> None:
    status, _, text = visit.post("finish", {})
    assert status == 200
    assert "finished" in text
    visit.thread.join(10)
    assert not visit.thread.is_alive()
