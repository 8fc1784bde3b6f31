"""schemathesis makes requests from the OpenAPI description: none may break the server, and replies are as described."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.server.serving import Server

EXAMPLES = 12
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
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
    tried = {fuzz(result.ok()) for result in described.get_all_operations()}
    paths = described.raw_schema["paths"]
    assert tried == {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}


def fuzz(operation: Any) -> str:
    """Requests of one operation, right and wrong ones."""

    @LIMITS
    @given(case=operation.as_strategy())
    def requests(case: Any) -> None:
        case.validate_response(case.call(timeout=60), checks=CHECKS)

    requests()
    return str(operation.label)


def test_the_description_has_an_example_of_everything(server: Server) -> None:
    with server.client() as client:
        described = client.get("/openapi.json").json()
    schemas = described["components"]["schemas"]

    def shown(content: dict[str, Any]) -> bool:
        schema = content.get("schema", {})
        schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        binary = schema.get("format") == "binary" or "files" in schema.get("properties", {})
        return binary or "example" in content or "example" in schema

    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            contents = list(operation.get("requestBody", {}).get("content", {}).values())
            for status, reply in operation["responses"].items():
                contents += reply.get("content", {}).values()
                assert status not in ("429", "503") or "Retry-After" in reply["headers"], where
            assert all(shown(content) for content in contents), where
            for one in operation.get("parameters", []):
                assert {"default", "examples"} & set(one["schema"]) or not one["required"], f"{where} {one['name']}"
                assert one.get("description") or one["schema"].get("default") is not None or one["name"] == "id"
    assert described["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def test_the_library_is_whole_afterwards(server: Server) -> None:
    with server.client() as client:
        assert client.get("/v1/items").json()["total"] >= 7
