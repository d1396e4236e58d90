"""Paper as a way in: whatever is printed carries the code by which it is found again (pages.md, "On paper")."""

import io

import segno
from markupsafe import Markup

from services.portal.page import Page


def qr(page: Page, path: str, scale: int = 3) -> Markup:
    """An address of this portal as a QR code, `scale` points a module."""
    address = f"{page.request.url.scheme}://{page.request.headers.get('host', '')}{path}"
    out = io.BytesIO()
    segno.make(address, error="m").save(
        out, kind="svg", scale=scale, xmldecl=False, svgns=True, omitsize=False
    )
    return Markup(out.getvalue().decode())  # noqa: S704 -- made of squares only
