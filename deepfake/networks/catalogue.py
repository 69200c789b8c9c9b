"""The networks that can be trained, by name: an entry each. Imports no Keras.

A new network is an entry here, its builder, and a recipe in ``training.recipe``.
"""

from __future__ import annotations

from dataclasses import dataclass

from deepfake.errors import UserError


class ArchitectureError(UserError):
    """A network cannot be built as asked."""


@dataclass(frozen=True)
class Architecture:
    """What the rest of the program must know of a network.

    Attributes:
        name: in recipes and cards.
        builder: ``module:function``; called with ``size`` (pixels or None for any), ``weights`` and ``fused``
            (as ``architectures.build``), it returns a Keras model.
        outputs: 1 for a logit of Fake, 2 for a softmax in the order Fake, Real.
        fixed_size: whether the size of its input must be known to build it.
        imagenet: whether it can start from ImageNet.
        weight_files: endings of files of weights that it can start from.
        from_detectors: whether it can start from a published detector.
        bfloat16: whether ``mixed_bfloat16`` pays on a processor that multiplies bfloat16 itself; the
            gradients of depthwise convolutions lose more by it than all else gains.
    """

    name: str
    builder: str
    outputs: int = 1
    fixed_size: bool = False
    imagenet: bool = False
    weight_files: tuple[str, ...] = ()
    from_detectors: bool = True
    bfloat16: bool = True

    def names_detector(self, weights: str | None) -> bool:
        """Whether what training starts from is a detector's name, not ImageNet or a file."""
        if weights in (None, "none") or not self.from_detectors:
            return False
        return not (self.imagenet and (weights == "imagenet" or str(weights).endswith(self.weight_files)))


_ENTRIES = (
    Architecture(
        "resnet50",
        "deepfake.networks.architectures:resnet50",
        outputs=2,
        fixed_size=True,
        imagenet=True,
        weight_files=(".h5",),
        from_detectors=False,
    ),
    Architecture("compact", "deepfake.networks.architectures:compact_network"),
    Architecture(
        "efficientnet_lite0",
        "deepfake.networks.architectures:efficientnet_network",
        imagenet=True,
        weight_files=(".pth",),
        bfloat16=False,
    ),
)
ARCHITECTURES = {entry.name: entry for entry in _ENTRIES}


def architecture(name: str) -> Architecture:
    """The entry of that name.

    Raises:
        ArchitectureError: code ``unknown_architecture``.
    """
    if name not in ARCHITECTURES:
        raise ArchitectureError(
            "unknown_architecture", f"Unknown network '{name}'. Expected one of: {', '.join(ARCHITECTURES)}."
        )
    return ARCHITECTURES[name]
