"""What one bin attends to in Enformer, by its plain enformer-pytorch network.

A module of its own beside the backbone: an edit here repeats no inference and no fine-tuning.
"""

import torch
from enformer_pytorch import Enformer as Network
from enformer_pytorch.modeling_enformer import Attention
from torch import Tensor

from chrom2expr.backbone import one_hot
from chrom2expr.enformer import positional_features


@torch.inference_mode()
def attend(network: Network, codes: Tensor, query: int) -> Tensor:
    """How much the bin `query` attends to every bin: (batch, bin) float32, averaged over layers and heads.

    Every row sums to one; its bins are all of the trunk's, before any are cropped, in genomic order. `network` is a
    plain one (`read`), which is put into eval mode; `codes` (batch, length) uint8 lie on its device. Of a layer's
    attention only this row is kept, so that memory is that of the trunk's forward.
    """
    network.eval()
    embedding = network.conv_tower(network.stem(one_hot(codes).transpose(1, 2))).transpose(1, 2)
    bins = embedding.shape[1]
    # Bin j is j - query away, which is row bins - 1 + j - query of the positions.
    distances = positional_features(network, bins)[bins - 1 - query : 2 * bins - 1 - query].to(codes.device)
    total = torch.zeros(embedding.shape[:2], device=codes.device)
    for layer in network.transformer:
        norm, attention, *_ = layer[0].fn
        total += _attention_row(attention, norm(embedding), distances, query)
        embedding = layer(embedding)
    return total / len(network.transformer)


def _attention_row(attention: Attention, embedding: Tensor, positions: Tensor, query: int) -> Tensor:
    """Attention weights (batch, bin) of one query in eval mode, averaged over the heads.

    embedding (batch, bin, width) is the layer's input; positions (bin, feature) are those of the bins' distances.
    """

    def by_head(features: Tensor) -> Tensor:
        return features.unflatten(-1, (attention.heads, -1))

    asked = by_head(attention.to_q(embedding[:, query])) * attention.scale  # (batch, head, feature)
    content = asked + attention.rel_content_bias[:, :, 0]
    position = asked + attention.rel_pos_bias[:, :, 0]
    logits = torch.einsum("bhf,bjhf->bhj", content, by_head(attention.to_k(embedding)))
    logits += torch.einsum("bhf,jhf->bhj", position, by_head(attention.to_rel_k(positions)))
    return logits.softmax(-1).mean(1)
