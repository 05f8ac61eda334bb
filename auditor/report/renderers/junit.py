"""Findings as JUnit XML, so that a continuous-integration system shows each as a test."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree as ET

from auditor.phrasing.glossary import SEVERITY_NAMES, verdict_name
from auditor.records import CriterionResult, Verdict
from auditor.registry import Options, plugin
from auditor.report import NamesOfData
from auditor.report.view.findings import FindingView
from auditor.report.view.report_view import ReportView
from auditor.report.view.summary import VerdictText
from auditor.report.view.supporting import full_statement

FILE = "junit.xml"

_UNTESTABLE: Verdict = "untestable"
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@plugin("renderer", "junit")
class JunitXml(NamesOfData, Options):
    """One test for each finding: failed if it reaches the gate's severity, else passed with its text."""

    files: ClassVar[tuple[str, ...]] = (FILE,)

    def render(self, view: ReportView, folder: Path) -> Path:
        """Writes ``junit.xml``.

        Args:
            view: everything that is shown.
            folder: the run folder.
        """
        suite = ET.Element("testsuite", name=_text(view.name), timestamp=view.created)
        for one in view.findings:
            suite.append(_case(one))
        for check, reason in view.skipped:
            case = ET.SubElement(
                suite, "testcase", classname=f"auditor.{_text(check)}", name="not done"
            )
            ET.SubElement(case, "skipped", message=_text(reason))
        suite.extend(_criterion(one) for one in view.criteria)
        suite.append(_outcome(view.verdict))
        for element, attribute in (("failure", "failures"), ("error", "errors"), ("skipped",) * 2):
            suite.set(attribute, str(len(list(suite.iter(element)))))
        suite.set("tests", str(len(suite)))
        suites = ET.Element("testsuites")
        suites.append(suite)
        path = folder / FILE
        ET.indent(suites)
        ET.ElementTree(suites).write(path, encoding="utf-8", xml_declaration=True)
        return path


def _outcome(verdict: VerdictText) -> ET.Element:
    """The outcome of the audit: an error where it cannot be judged."""
    case = ET.Element("testcase", classname="auditor", name="outcome")
    element = {"fails": "failure", "undecided": "error"}.get(verdict.state)
    if element is not None:
        found = ET.SubElement(case, element, type=verdict.headline, message=_text(verdict.reason))
        found.text = _text("\n".join(one.text for one in verdict.reasons))
    return case


def _criterion(criterion: CriterionResult) -> ET.Element:
    """A missed criterion fails, and an undecided one is an error, if they block the gate."""
    case = ET.Element("testcase", classname="auditor.criteria", name=_text(criterion.name))
    element = {"missed": "failure", "undecided": "error"}.get(criterion.state)
    text = criterion.statement
    if criterion.why is not None:
        text += f"\nReason for the limit: {criterion.why}"
    if element is None:
        ET.SubElement(case, "system-out").text = _text(text)
    elif not criterion.blocking:
        ET.SubElement(case, "skipped", message=_text(f"{criterion.state}: {text}"))
    else:
        found = ET.SubElement(
            case, element, type=criterion.state, message=_text(criterion.statement)
        )
        found.text = _text(text)
    return case


def _case(finding: FindingView) -> ET.Element:
    record = finding.record
    case = ET.Element(
        "testcase", classname=f"auditor.{_text(record.check)}", name=_text(record.title)
    )
    text = "\n".join(
        (
            f"{SEVERITY_NAMES[record.severity]}, {verdict_name(record).lower()}",
            full_statement(record),
            f"What to do next: {record.action}",
            f"Limits of this finding: {record.limits}",
            f"Samples: {', '.join(record.samples)}",
        )
    )
    if finding.blocks:
        failure = ET.SubElement(case, "failure", type=record.severity, message=_text(record.title))
        failure.text = _text(text)
    elif record.verdict == _UNTESTABLE:
        ET.SubElement(case, "skipped", message=_text(full_statement(record)))
    else:
        ET.SubElement(case, "system-out").text = _text(text)
    return case


def _text(raw: str) -> str:
    """A text without the characters that XML 1.0 cannot represent."""
    return _NOT_XML.sub("�", raw)
