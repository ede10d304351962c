"""`/openapi.json` and `/docs`: Swagger UI from an installed package, so it works offline."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from smartypants.errors import SetupError

_PACKAGE = "fastapi_swagger"  # carries Swagger UI's files; it is not imported

_PAGE = """<!doctype html>
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
<script>
SwaggerUIBundle({
  url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null,
});
</script>
</body>
</html>
"""


def routes(openapi: bytes) -> list[BaseRoute]:
    folder = _folder()

    async def specification(request: Request) -> Response:
        return Response(openapi, media_type="application/json")

    async def page(request: Request) -> Response:
        return HTMLResponse(_PAGE)

    async def script(request: Request) -> Response:
        return FileResponse(folder / "swagger-ui-bundle.js", media_type="text/javascript")

    async def style(request: Request) -> Response:
        return FileResponse(folder / "swagger-ui.css", media_type="text/css")

    return [
        Route("/openapi.json", specification),
        Route("/docs", page),
        Route("/docs/swagger-ui-bundle.js", script),
        Route("/docs/swagger-ui.css", style),
    ]


def _folder() -> Path:
    spec = find_spec(_PACKAGE)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(location) / "resources"
        if (folder / "swagger-ui-bundle.js").is_file():
            return folder
    raise SetupError("Swagger UI's files are not installed.", "Install fastapi-swagger.")
