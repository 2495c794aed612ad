"""Makes ultralytics run where torchvision's compiled operators cannot load.

The registry serves torch for CPU and torchvision for CUDA: its compiled part then does not load ("operator torchvision::nms does not
exist"), though nothing of it is needed but one operator. Imported for what it does, before ultralytics, in a training only.
"""

from __future__ import annotations

from typing import Any

import torch


def provide_missing_operators() -> bool:
    """Register torchvision's operators where they are missing, and return whether they were."""
    if _compiled_part_loads():
        return False
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # torchvision's import asks for it
    library.impl("nms", _nms, "CPU")
    _KEPT.append(library)
    import torchvision.extension

    torchvision.extension._has_ops = lambda: True  # noqa: SLF001 - the only place where it is asked
    return True


_KEPT: list[Any] = []  # torch forgets operators whose library is collected


def _compiled_part_loads() -> bool:
    try:
        import torchvision.ops

        torchvision.ops.nms(torch.zeros((0, 4)), torch.zeros(0), 0.5)
    except (ImportError, RuntimeError, NotImplementedError, OSError, AttributeError):
        return False
    return True


def _nms(dets: Any, scores: Any, iou_threshold: float) -> Any:
    """Ultralytics' own, in plain torch."""
    from ultralytics.utils.nms import TorchNMS

    return TorchNMS.nms(dets, scores, iou_threshold)
