from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from builders.synthetic_run import Plan, build_run

from auditor.records import SampleGroup, SampleGroups, SampleRef
from auditor.report.renderers.html import HtmlReport
from auditor.report.view.report_view import build_view
from auditor.run_folder import RunFolder


class Page(HTMLParser):
    """Collects elements and texts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def render(run: RunFolder) -> Path:
    return HtmlReport().render(build_view(run), run.path)


@pytest.fixture(scope="module")
def text(run_folder: RunFolder) -> str:
    return render(run_folder).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_page_makes_no_request(page: Page, text: str) -> None:
    policy = next(
        one["content"] or ""
        for one in page.all("meta")
        if one.get("http-equiv") == "Content-Security-Policy"
    )
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert f"'sha256-{digest}'" in policy
    for _, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/jpeg;base64,"))
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)


def test_every_image_has_an_alternative_text(page: Page) -> None:
    alts = [one.get("alt") or "" for one in page.all("img")]
    assert all(alts)
    cams = [one for one in alts if one.startswith("Grad-CAM for")]
    assert cams
    assert all("the evidence concentrates" in one or "spread" in one for one in cams)


def test_verdict_precedes_findings_and_guided_maps_have_their_caveat(
    text: str,
) -> None:
    assert text.index("Does not pass</p>") < text.index('id="findings"')
    assert "In published tests, guided backpropagation hardly depends on what the network" in text
    assert "no shortcut" not in text.lower()


def test_ids_are_unique_and_links_have_targets(page: Page) -> None:
    addresses = [one["id"] for _, one in page.elements if one.get("id")]
    assert len(addresses) == len(set(addresses))
    targets = {(one.get("href") or "")[1:] for one in page.all("a")}
    assert targets <= set(addresses)


def test_every_failure_has_a_card_and_rendering_is_reproducible(
    run_folder: RunFolder, page: Page, text: str
) -> None:
    cards = [one["id"] for one in page.all("article") if one.get("class") == "card"]
    view = build_view(run_folder)
    assert cards == [one.anchor for one in view.failures]
    assert render(run_folder).read_text(encoding="utf-8") == text


def test_hostile_names_stay_text(hostile_run: RunFolder) -> None:
    text = render(hostile_run).read_text(encoding="utf-8")
    page = Page(text)
    assert text.count("<script") == 1
    assert "\u202e" not in text  # it would reverse the rest of the sentence
    assert any("<script>alert(1)</script>" in one for one in page.texts)
    assert any("{{ 7*7 }}" in one for one in page.texts)
    assert "pane pane-detail-predicted" not in {
        (one.get("class") or "") for one in page.all("figure")
    }
    assert "is not defined for this network" in text  # guided backpropagation
    assert "Guided Grad-CAM, predicted class" not in text


def test_tested_hypotheses_are_folded_away_and_not_among_the_findings(text: str) -> None:
    section = text[text.index('<section class="section" id="tested"') :]
    section = section[: section.index("</table>")]
    assert "63 hypotheses were tested without becoming a finding." in section
    assert section.count("<tr>") == 1 + 63
    assert "<details><summary>" in section
    assert "<img" not in section
    assert text.count('<article class="finding"') == 5


def test_power_of_the_gate_is_in_the_verdict_and_in_the_table_of_slices(text: str) -> None:
    opening = text[text.index('<header class="opening">') : text.index("</header>")]
    assert "<b>Power of the gate.</b> With these samples, a gap of" in opening
    table = text[text.index('<table id="slice-table">') :]
    assert "Blocked / not passed</th>" in table
    # A slice that is too small to be tested never stops an audit.
    assert "0\u202f% / 0\u202f%" in table


def test_values_compared_are_drawn_and_listed(text: str) -> None:
    assert "<h4>Values of cell compared</h4>" in text
    assert "Error rate by cell, all labels together" in text


def test_failures_that_may_be_the_datas_fault_are_marked(text: str) -> None:
    assert text.count("2 may be the data’s fault") == 1
    cards = re.findall(r'<article class="card".*?</article>', text, re.DOTALL)
    assert sum("label doubtful" in card for card in cards) == 2


def test_copies_are_shown_side_by_side_without_maps(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run", Plan(samples=220, side=24, drawn=6))
    result = run.read_result()
    one, other = list(dict.fromkeys(each.sample for each in result.explanations.failures))[:2]
    members = (SampleRef(sample=one, label="a"), SampleRef(sample=other, label="b"))
    part = SampleGroups(title="copies", groups=(SampleGroup(members=members, note="equal files"),))
    found = result.findings[0].model_copy(
        update={"kind": "data", "evidence": [part], "supporting": []}
    )
    run.write_result(result.model_copy(update={"findings": [found]}))
    text = render(run).read_text(encoding="utf-8")
    article = text[text.index('<article class="finding"') :]
    article = article[: article.index("</article>")]
    groups = article[article.index('<div class="groups">') :]
    alts = [attributes["alt"] or "" for attributes in Page(groups).all("img")]
    assert [alt.split(",")[0] for alt in alts] == [f"Audited image {one}", f"Audited image {other}"]
    assert "▲ Labels differ</b>; equal files." in groups
    assert "pane-cam" not in article
    assert "Units behind the evidence" not in article


def test_every_image_keeps_its_room_before_it_is_loaded(page: Page) -> None:
    assert all(one.get("width") and one.get("height") for one in page.all("img"))
