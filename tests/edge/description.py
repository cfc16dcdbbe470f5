"""Holds answers against the OpenAPI file."""

from __future__ import annotations

import functools
import re
from typing import Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from werkzeug.test import TestResponse

from tests.support.project import ROOT

PATH = ROOT / "functions" / "openapi.yaml"


@functools.cache
def document() -> dict[str, Any]:
    """The whole OpenAPI file."""
    loaded: dict[str, Any] = yaml.safe_load(PATH.read_text())
    return loaded


def check(method: str, path: str, response: TestResponse) -> None:
    """Fail if this answer is not among those described for its path and method.

    A 404 or 405 of the routing itself is described nowhere, and only has to be a problem.
    """
    described = _responses(method, path)
    if described is None:
        assert response.status_code in {404, 405}
        described = {"404": {"$ref": "#/components/responses/NotFound"}}
        described["405"] = {"$ref": "#/components/responses/MethodNotAllowed"}
    answer = _resolved(described[str(response.status_code)])
    for name, header in answer.get("headers", {}).items():
        assert name in response.headers or not _resolved(header).get("required"), f"{name} is missing"
    media = answer["content"][response.mimetype]
    errors = [
        f"{e.json_path}: {e.message}" for e in _validator(media["schema"]).iter_errors(response.get_json())
    ]

    assert errors == []
    assert response.headers["Cache-Control"] == "no-store"


def _responses(method: str, path: str) -> dict[str, Any] | None:
    for template, item in document()["paths"].items():
        pattern = re.sub(r"\{\w+\}", "[^/]+", template)
        if re.fullmatch(pattern, path) and method.lower() in item:
            responses: dict[str, Any] = item[method.lower()]["responses"]
            return responses
    return None


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in node:
        return node
    target: Any = document()
    for part in node["$ref"].removeprefix("#/").split("/"):
        target = target[part]
    return _resolved(target)


@functools.cache
def _registry() -> Registry[Any]:
    empty: Registry[Any] = Registry()
    filled: Registry[Any] = empty.with_resource("urn:openapi", DRAFT202012.create_resource(document()))
    return filled


def _validator(schema: dict[str, Any]) -> Draft202012Validator:
    absolute = {"$ref": f"urn:openapi{schema['$ref']}"}
    return Draft202012Validator(absolute, registry=_registry(), format_checker=FormatChecker())
