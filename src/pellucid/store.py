"""One record per Request: the attribution with the pixels and the network's fingerprint, as safetensors with a JSON header."""

import errno
import json
import os
import platform
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from pellucid.attribution import Attribution, read_record
from pellucid.inputs.image import Images, from_pixels
from pellucid.inputs.photograph import recall, remember
from pellucid.request import Request

SUFFIX = ".safetensors"


@final
@dataclass(frozen=True, eq=False)
class Record:
    """Everything that is needed to look at an explanation again, and to run it again."""

    request: Request
    attribution: Attribution
    inputs: Images
    fingerprint: str
    """SHA-256 of the network's weights and of how it reads a picture."""
    environment: Mapping[str, str] = field(default_factory=lambda: environment())
    evidence: tuple[Mapping[str, Any], ...] = ()
    """How far each map can be trusted, as `trust` found it (`Evidence.to_json`); empty where nobody asked."""

    def to_bytes(self) -> bytes:
        tensors, header = self.attribution.parts()
        images = self.inputs
        tensors["inputs.pixels"] = images.pixels
        # subtle: features are left out when the pixels give them back bit by bit, which is so for every picture that was read
        if not torch.equal(from_pixels(images.pixels, images.mean, images.std), images.features):
            tensors["inputs.features"] = images.features.contiguous()
        handed_in = [v for v in self.request.options.values() if isinstance(v, str) and v.startswith("sha256:")]
        assets = {name: recall(name) for name in handed_in}
        tensors |= {f"assets.{name}": _as_tensor(value) for name, value in assets.items()}
        header |= {
            "request": self.request.model_dump(mode="json"),
            "inputs": {k: getattr(images, k) for k in ("names", "sources", "mean", "std")},
            "assets": {name: isinstance(value, Tensor) for name, value in assets.items()},
            "fingerprint": self.fingerprint,
            "environment": dict(self.environment),
            "evidence": [dict(one) for one in self.evidence],
        }
        return save(tensors, {"pellucid": json.dumps(header)})

    @classmethod
    def from_bytes(cls, record: bytes | str | Path) -> "Record":
        """The record in these bytes or at this path; ValueError for anything else. Nothing in it is executed."""
        tensors, header = read_record(record)
        if "request" not in header:
            raise ValueError("this record holds an attribution alone, without the request and the pixels it was made from")
        read = {k: tuple(v) for k, v in header["inputs"].items()}
        pixels = tensors["inputs.pixels"]
        features = tensors.get("inputs.features", from_pixels(pixels, read["mean"], read["std"]))
        for name, was_tensor in header["assets"].items():
            value = tensors[f"assets.{name}"]
            if remember(value if was_tensor else value.numpy()) != name:
                raise ValueError(f"the record is damaged: {name[:23]}... does not match its own checksum")
        attribution = Attribution.from_parts(tensors, header)
        images = Images(features, pixels, **read)
        request, evidence = Request(**header["request"]), tuple(header.get("evidence", ()))
        return cls(request, attribution, images, header["fingerprint"], header["environment"], evidence)

    def write(self, path: str | Path) -> Path:
        """The record at `path`, whole or not at all."""
        return write_whole(Path(path), self.to_bytes())


@final
class Store:
    """A folder with one record per request, found again by the request's key."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def path(self, request: Request) -> Path:
        return self.folder / f"{request.key}{SUFFIX}"

    def get(self, request: Request) -> Record | None:
        """The record of an equal request, if there is one."""
        path = self.path(request)
        return Record.from_bytes(path) if path.is_file() else None

    def put(self, record: Record) -> Path:
        return record.write(self.path(record.request))

    def __iter__(self) -> Iterator[Path]:
        yield from sorted(self.folder.glob(f"*{SUFFIX}"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def write_whole(path: Path, data: bytes, mode: int = 0o644) -> Path:
    """`data` at `path`, under a temporary name first: a killed process or a full disk leaves what was there before.

    `mode` says who may read it; everybody, unless it is private.
    OSError with the reason and the room that is needed when it cannot be written.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)  # a temporary file is private
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = f"the disk is full; {len(data) / 1e6:.1f} MB are needed" if full else error.strerror
        raise OSError(error.errno, f"cannot write {str(path)!r}: {reason}. What was there before is unchanged") from error
    return path


def environment() -> dict[str, str]:
    """What besides the request decides the last bits of a result."""
    return {
        "pellucid": version("pellucid"),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": str(torch.get_num_threads()),
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }


def _as_tensor(value: Any) -> Tensor:
    return torch.from_numpy(np.array(value)) if not isinstance(value, Tensor) else value.detach().cpu().contiguous()
