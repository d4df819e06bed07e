"""Watching the operations of a pass."""

from torch.utils._python_dispatch import TorchDispatchMode


class Operations(TorchDispatchMode):
    """Sees every operation on its way, without torch's compiler: to keep that away from here torch would load it first, which
    takes a second and 50 MB."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False
