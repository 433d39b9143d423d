"""What Swagger and OpenAPI show: examples, problems and formats of each route."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.errors import PROBLEM_JSON, Problem
from api.formats import Format

SCOPES = {
    "submit": "hand in requests and nothing else",
    "intake": "hand in letters, data files and requests",
    "read": "read gold and the live state",
    "review": "see letters and decide about them",
    "exact": "see the exact positions of requests",
    "admin": "everything",
}

DESCRIPTION = (
    "Letters, files and requests come in; coverage, requests on a map and quality go out.\n\n"
    "Every call needs a key in the header `X-API-Key` (made with `cartulary keys create`) or the portal's session. "
    "A key has scopes and 100 requests in 60 seconds: see the headers `RateLimit-*`. "
    "Lists are pages: follow `next_cursor` until it is null; `Accept: text/csv` gives the whole list. "
    "Errors are `application/problem+json` (RFC 9457).\n\n" + "\n".join(f"- scope `{name}`: {meaning}" for name, meaning in SCOPES.items())
)

TITLES = {
    401: ("No key, or one that is not known", "Send a key in the header X-API-Key; make one with: cartulary keys create."),
    403: ("The key lacks the scope", "This needs the scope read, which the key does not have."),
    404: ("It does not exist", "There is no area with the code 9999."),
    406: ("Not in this format", "/v1/areas can be had as json, csv, geojson, not as xml."),
    409: ("It contradicts something accepted before", "This Idempotency-Key was used for another request: use a new one."),
    410: ("It is over", "This upload link was used already: ask for a new one with POST /v1/upload-sessions."),
    413: ("The file is too large", "The file is larger than 50,000,000 bytes, the limit here: split it."),
    422: ("A parameter is wrong", "query.limit: Input should be greater than or equal to 1"),
    429: ("More than 100 requests in 60 seconds", "100 requests in 60 seconds are used up: try again in 12 seconds."),
    503: ("A store is down; Retry-After says when to try again", "The warehouse did not answer this request; try again in a few seconds."),
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI answers for these statuses, each with an example."""
    return {
        status: {
            "description": TITLES[status][0],
            "content": {
                PROBLEM_JSON: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "example": {
                        "type": "about:blank",
                        "title": TITLES[status][0],
                        "status": status,
                        "detail": TITLES[status][1],
                        "instance": "/v1/…",
                        "request_id": "5f0c4f7be9a84dd2a1c63f3d3a0b7a4e",
                    },
                }
            },
        }
        for status in statuses
    }


def answers(
    example: object,
    *statuses: int,
    status: int = 200,
    formats: tuple[Format, ...] = (Format.json,),
    description: str = "The answer",
) -> dict[int | str, dict[str, Any]]:
    """OpenAPI answers of a route: an example of success in each format, and the problems that every route and this one can have."""
    content: dict[str, Any] = {"application/json": {"example": example}}
    rows = example.get("items") if isinstance(example, dict) else None
    if Format.csv in formats and isinstance(rows, list):
        names = ",".join(f'"{name}"' for name in rows[0])
        content["text/csv"] = {"schema": {"type": "string"}, "example": names}
    if Format.geojson in formats and isinstance(rows, list):
        feature = {"type": "Feature", "id": "…", "geometry": {"type": "Point", "coordinates": [9.52, 47.14]}, "properties": rows[0]}
        collection = {"type": "FeatureCollection", "next_cursor": None, "features": [feature]}
        content["application/geo+json"] = {"schema": {"type": "object"}, "example": collection}
    return {status: {"description": description, "content": content}, **problems(401, 403, 422, 429, 503, *statuses)}


def raw(media_type: str, example: str, description: str, *statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI answers of a route that answers with something else than JSON."""
    kind = {"type": "string", "format": "binary"} if media_type.startswith("image/") else {"type": "string"}
    return {200: {"description": description, "content": {media_type: {"schema": kind, "example": example}}}, **problems(*statuses)}


def listed(item: dict[str, Any], *formats: Format, next_cursor: str | None = None) -> dict[int | str, dict[str, Any]]:
    """OpenAPI answers of a list with this example row."""
    return answers(
        {"items": [item], "next_cursor": next_cursor}, *([406] if formats else []), formats=(Format.json, *formats), description="One page"
    )


def _as_3_0(node: Any) -> Any:
    """JSON Schema of 2020 as OpenAPI 3.0 writes it: the newest Swagger UI on PyPI (4.15) reads nothing newer."""
    if isinstance(node, list):
        return [_as_3_0(part) for part in node]
    if not isinstance(node, dict):
        return node
    node = {key: value if key == "example" else _as_3_0(value) for key, value in node.items()}
    choices = node.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        rest = [choice for choice in choices if choice != {"type": "null"}]
        del node["anyOf"]
        node.update(rest[0] if len(rest) == 1 and "$ref" not in rest[0] else {"allOf": rest} if len(rest) == 1 else {"anyOf": rest})
        node["nullable"] = True
    if isinstance(node.get("examples"), list):
        node["example"] = node.pop("examples")[0]
    if "const" in node:
        node["enum"] = [node.pop("const")]
    for bound, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(node.get(bound), (int, float)) and not isinstance(node.get(bound), bool):
            node[limit], node[bound] = node[bound], True
    return node


def _offer_nothing_first(parameter: dict[str, Any]) -> None:
    """Let Swagger's form begin with an optional parameter left out, not with its example: the first try then finds something."""
    example = parameter.pop("example", parameter["schema"].pop("example", None))
    if example is not None:
        nothing = {"summary": "not given", "value": parameter["schema"].get("default", "")}
        parameter["examples"] = {"nothing": nothing, "example": {"summary": "for example", "value": example}}


def openapi(app: FastAPI) -> dict[str, Any]:
    """The description of all routes, made once."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes, openapi_version="3.0.3")
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = Problem.model_json_schema()
        schemas.pop("HTTPValidationError", None)
        schemas.pop("ValidationError", None)
        app.openapi_schema = _as_3_0(schema)
        for operation in (operation for path in app.openapi_schema["paths"].values() for operation in path.values()):
            for parameter in operation.get("parameters", []):
                if not parameter["required"]:
                    _offer_nothing_first(parameter)
    return app.openapi_schema
