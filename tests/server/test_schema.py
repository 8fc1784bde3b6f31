"""schemathesis makes requests from the OpenAPI description: none may break the server, and replies are as described."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from tests.server.serving import Server

EXAMPLES = 12
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]
LIMITS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def test_no_request_breaks_the_server(server: Server) -> None:
    described = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    tried = [fuzz(result.ok()) for result in described.get_all_operations()]
    assert len(tried) == 15


def fuzz(operation: Any) -> str:
    """Requests of one operation, right and wrong ones."""

    @LIMITS
    @given(case=operation.as_strategy())
    def requests(case: Any) -> None:
        case.validate_response(case.call(timeout=60), checks=CHECKS)

    requests()
    return str(operation.label)


def test_the_library_is_whole_afterwards(server: Server) -> None:
    with server.client() as client:
        assert client.get("/v1/items").json()["total"] >= 7
