"""What was asked: one frozen JSON value that serves as HTTP body, batch row, cache key, course recipe and replayable record."""

import hashlib
import json

from pydantic import BaseModel, ConfigDict, Field

from pellucid.registry import OptionValue


class Request(BaseModel):
    """A question to a model: which method explains which target on which source, with which options."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str = Field(description="A name of the catalog, a path, or the fingerprint of a network made in Python.")
    source: tuple[str, ...] = Field(
        description="Paths, `observation:0` to `observation:9`, or `sha256:...` of what was handed in; in a batch of "
        "texts a text, or a question and its context."
    )
    target: tuple[int, ...] | None = Field(default=None, description="Class of each image; none means the predicted one.")
    against: int | None = Field(default=None, description="The class that the target is set against.")
    method: str
    options: dict[str, OptionValue] = Field(default_factory=dict, description="Without the seed.")
    seed: int | None = None

    @property
    def key(self) -> str:
        """SHA-256 of the canonical JSON: equal requests have equal keys, whatever the order of their options."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()
