"""An encoder with random weights in place of what it learned: what the scores of tokens must not survive.

Adebayo, Gilmer, Muelly, Goodfellow, Hardt and Kim, Sanity checks for saliency maps, NeurIPS 2018, https://arxiv.org/abs/1810.03292
"""

import copy
from dataclasses import replace

import torch

from pellucid.inputs.baselines import draw_seed
from pellucid.models.randomized import redraw
from pellucid.models.text import TextEncoder


def randomized_encoder(encoder: TextEncoder, seed: int) -> TextEncoder:
    """The encoder with the weights of every layer redrawn, its embeddings and its head among them; the caller's stays as it is.

    As for classifiers of images, weights are normal with mean 0 and their own mean square, biases and factors of normalisation
    are shuffled, and a tensor that two layers share stays shared. Every block of these encoders ends in a layer norm, which
    sets the scale again, so that none has to be measured on inputs.
    """
    drawn: set[int] = set()
    with torch.inference_mode(False), torch.no_grad():
        module = copy.deepcopy(encoder.module)
        for number, sub in enumerate(module.modules()):
            if list(sub.parameters(recurse=False)):
                redraw(sub, draw_seed(seed, number), drawn)
    return replace(encoder, module=module, name=f"{encoder.name} with weights drawn from seed {seed}")
