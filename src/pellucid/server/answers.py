"""How the lab answers: JSON that was checked against its model, or why not."""

import json
from collections.abc import Mapping
from typing import Any

from fastapi import Response
from pydantic import BaseModel

PROBLEM = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
# subtle: by reference, since a model would be described as of the type of the route's own answer, a picture or a stream
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"content": PROBLEM, "description": why}
    for status, why in {
        400: "Not a request that can be read", 401: "No token", 403: "From another site", 404: "Not there",
        413: "Too large", 415: "Not JSON", 421: "Asked for under another name", 422: "Not what is wanted here",
        503: "Busy; see Retry-After", 507: "The disk is full",
    }.items()
}  # fmt: skip


def said(
    model: type[BaseModel], value: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer, checked against its model, with null for what is not finite."""
    content = model.model_validate(value).model_dump_json(exclude_unset=True)
    return Response(content, status, headers, "application/json")


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None, **more: str) -> Response:
    """Why not, and what else there is to know about it."""
    # subtle: in ASCII, since what was given may hold half of a surrogate pair, which has no other spelling
    return Response(json.dumps({"detail": detail, **more}), status, headers, "application/json")
