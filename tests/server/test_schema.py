"""Whatever the interface allows is answered as the interface says, and never by a failure of the server."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from pellucid.server import make_app
from tests.server.conftest import models, opened, question
from tests.server.test_jobs import finished

CHECKS: list[Any] = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
REAL = {
    "model": ["small", "tiny bert", "reader", "guesser"],
    "source": ["observation:0"],
    "name": ["book"],
    "kind": ["explain"],
}
EXAMPLES = 15


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """A store with a finished job, and its id."""
    store = tmp_path_factory.mktemp("lab")
    with opened(store) as client:
        id = client.post("/api/jobs", json=question("smoothgrad", options={"samples": 4})).json()["id"]
        assert finished(client, id)["state"] == "done"
    return store, id


def tried_on(operation: Any, id: str, statuses: set[int]) -> Any:
    """A check of what the operation answers to anything that its schema allows."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(case=operation.as_strategy(), real=st.booleans(), draw=st.data())
    def check(case: Any, real: bool, draw: Any) -> None:
        if real:  # what is there, so that more than the refusals is tried
            for name in ("id", "model", "source", "name"):
                if name in (case.path_parameters or {}):
                    case.path_parameters[name] = id if name == "id" else draw.draw(st.sampled_from(REAL[name]))
            if "model" in (case.query or {}):
                case.query["model"] = "small"
            if "source" in (case.query or {}):
                case.path_parameters["model"] = "small"
                case.query["source"] = draw.draw(st.sampled_from(REAL["source"]))
            if "image" in (case.query or {}):
                case.query["image"] = draw.draw(st.sampled_from([0, 0, 0, 1]))
            if isinstance(case.body, dict):
                for name in ("model", "source"):
                    if name in case.body:
                        case.body[name] = draw.draw(st.sampled_from(REAL[name]))
        response = case.call(headers={"host": "localhost"})
        # the schema of a stream is that of its events' data
        stream = operation.path.endswith("/events")
        case.validate_response(response, checks=[c for c in CHECKS if not (stream and c is response_schema_conformance)])
        statuses.add(response.status_code)

    return check


def test_no_request_that_the_interface_allows_makes_the_server_fail(known):
    store, id = known
    app = make_app(store=store, models=models(), queue=1000, seconds=0.5)

    async def without_lifespan(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":  # which would end the worker after the first request
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await app(scope, receive, send)

    schema = schemathesis.openapi.from_dict(app.openapi())
    schema.app = without_lifespan
    tried = 0
    try:
        for found in schema.get_all_operations():
            operation: Any = found.ok()  # pyright: ignore[reportAttributeAccessIssue]
            statuses: set[int] = set()

            tried_on(operation, id, statuses)()
            tried += 1
            assert statuses, operation.label
            if operation.method == "get" and "{name}" not in operation.path:
                assert 200 in statuses, operation.label
    finally:
        assert app.state.lab.close(20)
    assert tried > 25
