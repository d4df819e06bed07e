"""Whatever the course's interface allows is answered as it says, to a student and to an instructor, and never by a failure."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from pellucid.server import make_app
from pellucid.server.course.who import COOKIE
from tests.server.courses import RIGHT, assignment, keyed

CHECKS: list[Any] = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 8
MADE_REAL = {"question": list(RIGHT), "option": ["a", "b"], "hash": [assignment().hash], "selected": [["a"], ["b", "c"]]}


def tried_on(operation: Any, cookie: str, statuses: set[int]) -> Any:
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
            for name in case.path_parameters or {}:
                case.path_parameters[name] = draw.draw(st.sampled_from(MADE_REAL["question"])) if name == "question" else 1
            for name in case.body if isinstance(case.body, dict) else ():
                if name in MADE_REAL:
                    case.body[name] = draw.draw(st.sampled_from(MADE_REAL[name]))
        response = case.call(headers={"host": "localhost", "cookie": cookie})
        case.validate_response(response, checks=CHECKS)
        statuses.add(response.status_code)

    return check


# subtle: schemathesis reads constants out of the code when it draws first; what that imports is checked by chance, by beartype
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.parametrize("role", ["student", "instructor"])
def test_no_request_that_the_interface_allows_makes_the_course_fail(tmp_path, role):
    course = keyed(tmp_path)
    course.set_state("open")
    member = next(one for one in course.members() if one.role == role)
    app = make_app(store=tmp_path / "lab", models=[], course=course)

    async def without_lifespan(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":  # which would end the course after the first request
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await app(scope, receive, send)

    schema = schemathesis.openapi.from_dict(app.openapi())
    schema.app = without_lifespan
    reached: dict[str, set[int]] = {}
    try:
        for found in schema.include(path_regex="^/api/course").get_all_operations():
            operation: Any = found.ok()  # pyright: ignore[reportAttributeAccessIssue]
            cookie = f"{COOKIE}={course.start_session(member.id)}"  # anew, since one of the operations ends it
            tried_on(operation, cookie, reached.setdefault(operation.label, set()))()
    finally:
        course.close()
        assert app.state.lab.close(20)
    assert len(reached) == 25
    for label, statuses in reached.items():
        staff = label not in {
            "GET /api/course", "POST /api/course/sessions", "DELETE /api/course/sessions", "POST /api/course/invitations",
                "POST /api/course/invitations/asked",
            "GET /api/course/questions", "GET /api/course/answers", "GET /api/course/history",
            "PUT /api/course/answers/{question}",
        }  # fmt: skip
        if role == "student" and staff:
            assert statuses == {403}, label
        elif label.startswith("GET") and (role == "instructor") == staff:
            assert 200 in statuses, label
