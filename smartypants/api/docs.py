"""`/openapi.json` and `/docs`: Swagger UI from an installed package, so it works offline."""

from __future__ import annotations

import base64
import hashlib
from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from smartypants.errors import SetupError

_PACKAGE = "fastapi_swagger"  # carries Swagger UI's files; it is not imported

_SCRIPT = """
SwaggerUIBundle({
  url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null,
});
"""

_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>SmartyPants API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" href="data:,">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script>{_SCRIPT}</script>
</body>
</html>
"""

# Swagger UI sets styles on elements and shows images that it carries; nothing is from elsewhere.
_HASH = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; script-src 'self' 'sha256-{_HASH}'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_SHARED = {"Cache-Control": "no-cache"}  # the same for everybody; browsers ask whether it changed


def routes(openapi: bytes) -> list[BaseRoute]:
    folder = _folder()

    async def specification(request: Request) -> Response:
        return Response(openapi, headers=_SHARED, media_type="application/json")

    async def page(request: Request) -> Response:
        return HTMLResponse(_PAGE, headers=_SHARED | {"Content-Security-Policy": _POLICY})

    async def script(request: Request) -> Response:
        return _file(folder / "swagger-ui-bundle.js", "text/javascript")

    async def style(request: Request) -> Response:
        return _file(folder / "swagger-ui.css", "text/css")

    return [
        Route("/openapi.json", specification),
        Route("/docs", page),
        Route("/docs/swagger-ui-bundle.js", script),
        Route("/docs/swagger-ui.css", style),
    ]


def _file(path: Path, media_type: str) -> Response:
    return FileResponse(path, headers=_SHARED, media_type=media_type)


def _folder() -> Path:
    spec = find_spec(_PACKAGE)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(location) / "resources"
        if (folder / "swagger-ui-bundle.js").is_file():
            return folder
    raise SetupError("Swagger UI's files are not installed.", "Install fastapi-swagger.")
