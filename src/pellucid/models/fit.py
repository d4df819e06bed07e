"""Whether a network and what is said of it go together: told by the arguments, and by one pass over an empty picture."""

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn

from pellucid.models.finite import all_finite

NEARLY = 1e-3
"""How far the softmax of a thousand classes may be from 1 in float16."""

_WITHOUT = "torch::autograd::WarnNotImplemented"
"""What torch puts in place of an operation's gradient that it does not have: it warns, and goes on as if it were zero."""


def sequence(name: str, value: Any, example: str) -> tuple[Any, ...]:
    """The values as a tuple; TypeError for a single one, with what would do."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"{name}={value!r} is one {type(value).__name__}; expected {example}")
    return tuple(value)


def check_module(module: Any) -> None:
    """TypeError for what is no module, or is one that torch.export made; ValueError for one made in inference mode."""
    parts = module.modules() if isinstance(module, nn.Module) else ()
    exported = any(isinstance(sub, fx.GraphModule) and "eval" in vars(sub) for sub in parts)  # which then raises
    if exported or type(module).__name__ == "ExportedProgram":
        raise TypeError(
            "what torch.export made of a network has no evaluation mode and no layers to look at; give the torch.nn.Module "
            "that it was made of"
        )
    if not isinstance(module, nn.Module):
        raise TypeError(f"module is a {type(module).__name__}; expected a torch.nn.Module from images to logits")
    if not torch.is_inference_mode_enabled():  # within, all but gradients can be had
        check_gradients(module)


def check_gradients(module: nn.Module) -> None:
    """ValueError for a network made in inference mode, through whose weights there are no gradients."""
    if any(parameter.is_inference() for parameter in module.parameters() if not nn.parameter.is_lazy(parameter)):
        raise ValueError(
            "the network was made within torch.inference_mode(), and its weights take no part in gradients; make it outside, "
            "or give copy.deepcopy(module), made outside"
        )


def label_names(labels: Any) -> tuple[str, ...]:
    """The names of the classes in order; of a dictionary, such as `id2label` of transformers, in the order of its numbers.

    TypeError for what is no name, and for a dictionary whose keys are not 0, 1, 2 and so on.
    """
    if isinstance(labels, Mapping):
        by_number = {str(key): name for key, name in labels.items()}
        missing = [n for n in range(len(by_number)) if str(n) not in by_number]
        if missing:
            raise TypeError(
                f"labels is a dictionary without {missing[0]} among its keys; expected names in the order of the logits, or "
                f"a dictionary from 0 to {len(by_number) - 1} to names"
            )
        labels = [by_number[str(n)] for n in range(len(by_number))]
    names = sequence("labels", labels, "a list of names in the order of the logits")
    for number, name in enumerate(names):
        if not isinstance(name, str):
            raise TypeError(
                f"labels[{number}] is {name!r}; expected a name. Without labels, classes are called by their numbers"
            )
    return names


def count_classes(run: Callable[[Tensor], Any], read: Callable[[Any], Tensor], channels: int, size: tuple[int, int]) -> int:
    """How many classes the network tells apart: it is shown an empty picture of that size.

    ValueError where it cannot read one, with what was tried, and for a single logit. Warns of probabilities for logits.
    """
    empty = torch.zeros(1, channels, *size)
    try:
        output = run(empty)
    except Exception as error:  # whatever a network makes of a shape that it was not built for
        values = "value" if channels == 1 else "values"
        raise ValueError(
            f"the network cannot read {' x '.join(map(str, empty.shape))} (batch x channel x height x width), which is what "
            f"size={size} and {channels} {values} of mean say that it reads: give size=(height, width) as it was trained, and "
            "mean and std with one value per channel, 3 for colour or 1 for grey. It says: "
            f"{type(error).__name__}: {error}"
        ) from error
    logits = read(output)
    if logits.shape[1] == 1:
        raise ValueError(
            "the network gives one logit an image, and an explanation is of one class among two or more. If z is that logit "
            "(before any sigmoid), wrap the network so that it returns torch.cat([-z, z], 1) / 2: the second class then has "
            "the probability sigmoid(z)"
        )
    # subtle: an empty picture may by chance give such numbers, so noise is asked too, and only then
    if _probabilities(logits) and _probabilities(
        read(run(torch.rand(empty.shape, generator=torch.Generator().manual_seed(0))))
    ):
        warnings.warn(
            "the network's answers lie in [0, 1] and sum to 1, so it seems to end in a softmax; they are taken for logits, and "
            "every probability will be wrong. Give the network without its softmax, or wrap it to return the logarithm of "
            "what it returns now",
            UserWarning,
            stacklevel=4,  # who made the classifier
        )
    elif _from_sigmoid(logits):
        warnings.warn(
            "the network ends in a sigmoid; its answers are taken for logits, of which a softmax makes probabilities, and "
            "every probability will be wrong. Give the network without its sigmoid; where several classes may be right at "
            "once, also wrap it to return torch.stack([-z, z], 1) / 2 for the logit z of the class to explain: the second "
            "class then has the probability sigmoid(z)",
            UserWarning,
            stacklevel=4,  # who made the classifier
        )
    return logits.shape[1]


def gradient(values: Float[Tensor, " batch"], leaf: Float[Tensor, "batch ..."], otherwise: str) -> Float[Tensor, "batch ..."]:
    """Of the values by the leaf that they were computed from. ValueError where there is none, which is not one of 0;
    `otherwise` names methods that need none."""
    found = None
    if values.requires_grad:
        check_differentiable(values, otherwise)
        (found,) = torch.autograd.grad(values.sum(), leaf, allow_unused=True)
    if found is None:
        raise ValueError(
            "the network gives no gradient: its forward pass runs under torch.no_grad() or detaches its values. Take that out, "
            f"or explain by a method that needs no gradient: {otherwise}"
        )
    return found


def check_differentiable(values: Float[Tensor, " batch"], otherwise: str) -> None:
    """ValueError where torch would leave a part of their gradient out."""
    ahead = [values.grad_fn]
    met = {*ahead}
    while ahead:
        if (node := ahead.pop()) is None:
            continue
        if node.name() == _WITHOUT:
            raise ValueError(
                "the network gives no gradient: torch has none for one of its operations, as for those of quantized layers. "
                "Give the network as it was before it was quantized, or explain by a method that needs no gradient: "
                + otherwise
            )
        further = {one for one, _ in node.next_functions} - met
        met |= further
        ahead += further


def _probabilities(rows: Tensor) -> bool:
    within = all_finite(rows) and bool(((rows >= 0) & (rows <= 1)).all())
    return within and bool(((rows.sum(1) - 1).abs() < NEARLY).all())


def _from_sigmoid(rows: Tensor) -> bool:
    """Whether the last step is a sigmoid; of what was computed without gradients it cannot be told."""
    node = rows.grad_fn
    if node is not None and node.name().startswith("ToCopy"):  # a network in another number format
        node = node.next_functions[0][0]
    return node is not None and node.name().startswith("Sigmoid")
