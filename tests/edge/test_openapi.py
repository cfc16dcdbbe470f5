"""The OpenAPI file is valid, and complete."""

from __future__ import annotations

import openapi_spec_validator

from functions import api
from orchestrator.model.cause import Blame
from orchestrator.model.connection import MARKETPLACES, STREAMS
from orchestrator.model.run import Run, RunStatus, Task, TaskStatus
from orchestrator.model.state import Health
from orchestrator.operators import run_views
from orchestrator.operators.health import status_view
from orchestrator.runs import start
from tests.edge.description import document

ALWAYS = {"400", "401", "403", "405", "413", "500", "503"}


def test_document_is_valid() -> None:
    """The file is OpenAPI 3.1."""
    openapi_spec_validator.validate(document())

    assert document()["openapi"].startswith("3.1.")


def test_every_route_is_described_and_no_other() -> None:
    """Paths, methods and query parameters are those of the code."""
    described = {
        (method.upper(), path): {p["name"] for p in call.get("parameters", []) if p.get("in") == "query"}
        | {p["$ref"].rpartition("/")[2] for p in call.get("parameters", []) if "$ref" in p}
        for path, item in document()["paths"].items()
        for method, call in item.items()
        if method != "parameters"
    }
    routes = {
        (route.method, path): {name.replace("page_token", "PageToken") for name in route.parameters}
        for route in api.ROUTES
        for path in document()["paths"]
        if route.path.fullmatch(path.replace("{run_id}", "t-1"))
    }

    assert len(routes) == len(api.ROUTES)
    assert described == {("GET", "/"): set(), **routes}


def test_every_call_describes_what_can_happen_to_it() -> None:
    """Whatever the order of checks can answer is described for each call."""
    for path, item in document()["paths"].items():
        for method, call in item.items():
            # The sentence for browsers is checked for nothing.
            if method != "parameters" and path != "/":
                assert set(call["responses"]) >= ALWAYS


def test_words_are_the_models() -> None:
    """Enumerations and fields are those of the code."""
    schemas = document()["components"]["schemas"]

    assert schemas["RunStatus"]["enum"] == list(RunStatus)
    assert schemas["TaskStatus"]["enum"] == list(TaskStatus)
    assert schemas["Health"]["enum"] == list(Health)
    assert schemas["Marketplace"]["enum"] == list(MARKETPLACES)
    assert schemas["Stream"]["enum"] == list(STREAMS)
    assert schemas["Situation"]["enum"] == list(status_view.Situation)
    assert set(schemas["CauseGroup"]["properties"]["blame"]["enum"]) == set(Blame)
    assert set(schemas["Run"]["properties"]) == {"run_id", *Run.__struct_fields__}
    for name, kind in {
        "Task": Task,
        "Started": start.Started,
        "TriggerRequest": start.TriggerRequest,
        "RunPage": run_views.RunPage,
        "RunView": run_views.RunView,
        "Progress": run_views.Progress,
        "CauseGroup": status_view.CauseGroup,
        "Freshness": status_view.Freshness,
        "Status": status_view.StatusView,
    }.items():
        assert set(schemas[name]["properties"]) == set(kind.__struct_fields__), name
