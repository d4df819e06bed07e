"""What an encoder of transformers lacks in a process that it came to as a pickle."""

from contextlib import suppress

import torch
from torch import nn
from transformers import PreTrainedModel


def make_known(module: nn.Module) -> None:
    """Has transformers know the classes of these modules: what of a module can be looked at (attention weights, hidden states)
    it notes where one is made, and unpickling makes none. So one of each is made, without weights, and thrown away."""
    kinds = {type(sub): sub for sub in module.modules() if isinstance(sub, PreTrainedModel)}
    for kind, sub in kinds.items():
        with suppress(Exception), torch.device("meta"):  # whatever: somebody's class; it then gives no attention, which is said
            kind(sub.config)
