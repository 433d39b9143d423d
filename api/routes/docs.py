"""Swagger UI from files of our own, so that it works without a network."""

from __future__ import annotations

from pathlib import Path

import swagger_ui_bundle
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

# Nothing inline: the page's Content-Security-Policy allows scripts from here only.
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Cartulary API</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
<link rel="icon" href="/docs/assets/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
START = """window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  requestInterceptor: (request) => { request.headers["X-Requested-With"] = "cartulary"; return request; },
});
"""


def assets() -> Path:
    """Folder of Swagger UI's files, whatever its version."""
    vendor = Path(str(swagger_ui_bundle.__file__)).parent / "vendor"
    return max(vendor.glob("swagger-ui-*"))


def mount(app: FastAPI) -> None:
    """Serve /docs."""

    @app.get("/docs", include_in_schema=False)
    async def show_docs() -> Response:
        """Swagger UI."""
        return HTMLResponse(PAGE)

    @app.get("/docs/start.js", include_in_schema=False)
    async def start_docs() -> Response:
        """What starts Swagger UI."""
        return Response(START, media_type="text/javascript")

    app.mount("/docs/assets", StaticFiles(directory=assets()), name="docs_assets")
