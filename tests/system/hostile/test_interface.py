"""The HTTP interface against its OpenAPI file: schemathesis' requests, valid and not, of every caller."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.openapi import from_path
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from orchestrator.model.run import RunStatus
from orchestrator.ports import Update
from tests.edge import description
from tests.edge.conftest import SECRET, Stage
from tests.support import issuer
from tests.support.examples import examples

pytestmark = pytest.mark.long

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
CALLERS: Mapping[str, Mapping[str, str]] = {
    "nobody": {},
    "junk": {"Authorization": "Bearer junk"},
    "operator": {"Authorization": f"Bearer {issuer.token(email=issuer.OPERATOR)}"},
    "scheduler": {"Authorization": f"Bearer {issuer.token()}", "x-scheduler-secret": SECRET},
}


@functools.cache
def _operations() -> dict[str, APIOperation[Any, Any, Any, Any]]:
    found: list[Any] = list(from_path(description.PATH).get_all_operations())
    return {each.ok().label: each.ok() for each in found}


def _runs(stage: Stage) -> list[str]:
    """A run that is open, one that is over, and one of which something failed."""
    stage.connect("a", "b")
    made = []
    for minute, status in enumerate([None, RunStatus.SUCCEEDED, RunStatus.FAILED]):
        answer = stage.tick({"X-CloudScheduler-ScheduleTime": f"2026-11-23T0{minute}:00:00Z"})
        made.append(answer.get_json()["run_id"])
        if status is not None:
            stage.store.commit([Update(f"runs/{made[-1]}", {"status": status.value})])
    return made


@pytest.mark.hypothesis
@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("label", _operations())
def test_an_answer_is_always_one_that_is_described(stage: Stage, label: str, caller: str) -> None:
    """No request, valid or not, is answered with a 5xx or with what the OpenAPI file does not say."""
    operation, runs = _operations()[label], _runs(stage)
    valid = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    invalid = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    answered: set[int] = set()

    @examples(15, any_health=True)
    @given(case=valid | invalid, run_id=st.sampled_from([None, *runs]))
    def check(case: Case[Any], run_id: str | None) -> None:
        if run_id is not None and "run_id" in case.path_parameters:
            case.path_parameters["run_id"] = run_id
        response = case.call(app=stage.client.application, headers=dict(CALLERS[caller]))
        case.validate_response(response, checks=CHECKS)
        answered.add(response.status_code)

    check()

    if label == "GET /":
        assert answered == {200}, "the sentence for browsers is for everybody"
    elif caller == ("scheduler" if "scheduler" in label else "operator"):
        assert answered & {200, 202, 409}
    else:
        assert answered <= {401, 403, 404, 405}
