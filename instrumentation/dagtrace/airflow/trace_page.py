"""
The page behind the tab *Trace* of a run in Airflow 3.1 and later: a way out of Airflow's UI to the run's trace.

The UI shows it in a frame, where most tracing UIs refuse to be shown and from where a link may not open a window. So it
is a page of its own, of Airflow's own origin, with a link that opens beside Airflow; asked for outside a frame, it
redirects. Who may see the run may see the page, as with any view of the API server. It leads nowhere but to the
template's place, with nothing in the URL but the trace id.
"""

from __future__ import annotations

import secrets
from html import escape
from typing import TYPE_CHECKING, Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from dagtrace.airflow.compat import ui
from dagtrace.airflow.plugin import NoTraceError, url_of
from dagtrace.telemetry.guard import guarded


if TYPE_CHECKING:
    from collections.abc import Mapping

_HEADERS: Mapping[str, str] = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
"""A run that is cleared starts a new trace: its link changes."""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Trace</title>
<style nonce="{nonce}">body {{ font: 1rem sans-serif; margin: 2rem; color: #888 }} a {{ color: #017cee }}</style>
</head><body>{body}
<script nonce="{nonce}">
// A frame without allow-popups opens no window; the page around it, which is Airflow's, does.
const link = document.querySelector("a");
if (link && window.parent !== window) link.addEventListener("click", (event) => {{
  try {{
    const outside = window.parent.document.createElement("a");
    outside.href = link.href; outside.target = "_blank"; outside.rel = "noopener";
    outside.click();
    event.preventDefault();
  }} catch {{ /* the link opens in the frame */ }}
}});
</script></body></html>
"""


def app() -> Any:
    """Return the application to mount below the API server's."""
    found = FastAPI(title="dagtrace", openapi_url=None)
    found.get("/run/{dag_id}/{run_id:path}", dependencies=[Depends(ui.may_see_run())])(_show)
    return found


def _show(request: Request, dag_id: str, run_id: str) -> Response:
    """Show the way to a run's trace, or go it at once."""
    return _answer(request, dag_id, run_id) or _page("<p>dagtrace could not read the run; its log says why.</p>", 500)


@guarded
def _answer(request: Request, dag_id: str, run_id: str) -> Response:
    try:
        url = url_of(dag_id, run_id)
    except NoTraceError as error:
        return _page(f"<p>{escape(str(error))}</p>", 404)
    if request.headers.get("sec-fetch-dest") == "iframe":
        return _page(f'<p><a href="{escape(url)}">Open the trace of this run</a></p>', 200)
    return RedirectResponse(url, 302, _HEADERS)


def _page(body: str, status: int) -> Response:
    nonce = secrets.token_urlsafe(16)
    policy = f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; frame-ancestors 'self'"
    return HTMLResponse(_PAGE.format(nonce=nonce, body=body), status, {**_HEADERS, "Content-Security-Policy": policy})
