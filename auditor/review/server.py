"""A server for one reviewer on this machine: it shows the report and stores decisions.

It listens on the loopback address only, and answers only below an address with a random part. The report
runs in the browser's sandbox, so that a script in an altered report can't decide anything.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from auditor.errors import UsageError
from auditor.manifest import read_manifest, sha256
from auditor.report.view.report_view import ReportView
from auditor.review.page import POLICY, review_page
from auditor.review_log import ReviewDecision, add_decision, read_log

_LARGEST = 64 * 1024
"""Bytes of a form."""
_HTML = "text/html; charset=utf-8"
_TYPES = {".html": _HTML, ".pdf": "application/pdf"}
"""Documents that are served."""
_SANDBOX = "sandbox allow-scripts allow-popups allow-downloads"


@dataclass
class ReviewServer:
    """Serves one run until the reviewer finishes.

    Attributes:
        folder: the run folder.
        view: what its report shows.
        on_decision: called with each stored decision.
        token: random part of the address.
    """

    folder: Path
    view: ReportView
    on_decision: Callable[[ReviewDecision], None]
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def __post_init__(self) -> None:
        self._server: ThreadingHTTPServer | None = None
        self._deciding = threading.Lock()

    def open(self, port: int = 0) -> str:
        """Starts to listen.

        Args:
            port: of the loopback address; 0 lets the system choose.

        Returns:
            The address of the page.

        Raises:
            OSError: the port is in use.
        """
        handler = type("Handler", (_Handler,), {"review": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        return f"{self.origin}{self.base}"

    @property
    def base(self) -> str:
        """Path below which everything is."""
        return f"/{self.token}/"

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        if self._server is None:
            raise RuntimeError("the server is not open")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def serve(self) -> None:
        """Answers requests until the reviewer finishes or interrupts."""
        if self._server is None:
            raise RuntimeError("the server is not open")
        with self._server as server:
            server.serve_forever()

    def finish(self) -> None:
        """Ends ``serve``; called from another thread."""
        if self._server is not None:
            self._server.shutdown()

    def page(self, error: str = "") -> str:
        """The page with the decisions so far."""
        return review_page(self.view, self.folder, read_log(self.folder), self.base, error)

    def document(self, name: str) -> Path | None:
        """A document of the run by its path below the folder; None if it is not listed, or was changed."""
        path = (self.folder / name).resolve()
        digest = read_manifest(self.folder).files.get(name)
        if digest is None or path.suffix not in _TYPES or not path.is_relative_to(self.folder):
            return None
        return path if path.is_file() and sha256(path) == digest else None

    def decide(self, form: dict[str, str]) -> str:
        """Stores the decision of a form.

        Returns:
            Address of the finding on the page.

        Raises:
            UsageError: the decision is incomplete, or the finding unknown.
        """
        anchors = {one.record.id: one.anchor for one in self.view.findings}
        finding = form.get("finding", "")
        if finding not in anchors:
            raise UsageError(f"expected one of the findings of this run; got {finding!r}")
        with self._deciding:
            made = add_decision(
                self.folder,
                finding,
                form.get("choice", ""),
                reason=form.get("reason", ""),
                reviewer=form.get("reviewer", ""),
                role=form.get("role", ""),
            )
        self.on_decision(made)
        return f"{self.base}#{anchors[finding]}"


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    review: ReviewServer
    timeout = 30  # a connection that sends nothing does not block the reviewer for ever

    def do_GET(self) -> None:
        """Sends the page, or a document of the run."""
        name = self._requested()
        if name == "":
            self._send(self.review.page().encode(), _HTML, POLICY)
            return
        document = None if name is None else self.review.document(name)
        if document is None:
            self.send_error(
                HTTPStatus.NOT_FOUND, "no document of this run, or changed since the audit"
            )
        else:
            self._send(document.read_bytes(), _TYPES[document.suffix], _SANDBOX)

    def do_POST(self) -> None:
        """Stores a decision, or ends the review."""
        name = self._requested()
        length = self.headers.get("Content-Length", "")
        if name not in {"decide", "finish"} or self.headers.get("Origin") != self.review.origin:
            self.send_error(HTTPStatus.FORBIDDEN)
        elif not (length.isdecimal() and int(length) <= _LARGEST):
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        elif name == "finish":
            self._send(b"The review is finished; this page can be closed.", "text/plain", POLICY)
            self.review.finish()
        else:
            self._decide(self.rfile.read(int(length)).decode("utf-8", "replace"))

    def _decide(self, body: str) -> None:
        form = {key: values[-1] for key, values in parse_qs(body).items()}
        try:
            place = self.review.decide(form)
        except UsageError as error:
            page = self.review.page(str(error)).encode()
            self._send(page, _HTML, POLICY, HTTPStatus.BAD_REQUEST)
            return
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", place)
        self.end_headers()

    def _requested(self) -> str | None:
        """What is asked for below the secret address; None for anything else.

        The name of the host is compared too: a page elsewhere may let its own name point here.
        """
        path = unquote(urlsplit(self.path).path)
        given = self.headers.get("Host", "")
        if f"http://{given}" != self.review.origin or not path.startswith(self.review.base):
            return None
        return path.removeprefix(self.review.base)

    def _send(
        self, body: bytes, kind: str, policy: str, status: HTTPStatus = HTTPStatus.OK
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "same-origin")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Requests are not printed."""
