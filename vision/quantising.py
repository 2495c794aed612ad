"""Makes an exported detector count in 8 bits: half the time and half the file, for boxes that are as good (its sheet's figures are of it).

The range of every layer's values is measured on pictures the model learned from. Weights keep to 7 of their 8 bits, so that processors
without VNNI, whose 16-bit sums would overflow, give the same boxes. The first and the last convolutions stay exact, and so does what makes
boxes of the last channels: that costs no time that could be measured.
It needs ``onnx``, of the extra ``train``; what it makes runs without.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from vision.frames import Pixels
from vision.onnx_models import planes_of

_LAYER: Final = re.compile(r"^/model\.(\d+)/(.*)")
_BRANCH: Final = re.compile(r"^(?:one2one_)?(cv\d)\.\d/(?:one2one_)?\1\.\d\.[01]/")
"""The convolutions of a YOLO's last layer but their last ones; all else there makes boxes of channels."""


def in_eight_bits(whole: Any, pictures: Iterable[Pixels]) -> Any:
    """Return an ONNX model, as ``onnx`` holds it, that gives nearly the same in 8 bits; its ranges are those of some hundred pictures."""
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    told = {one.key: one.value for one in whole.metadata_props}
    entry = whole.graph.input[0]
    size_px = int(entry.type.tensor_type.shape.dim[2].dim_value)
    with tempfile.TemporaryDirectory() as folder:
        exact, ready, small = (str(Path(folder) / name) for name in ("exact.onnx", "ready.onnx", "small.onnx"))
        onnx.save(whole, exact)
        quant_pre_process(exact, ready, skip_symbolic_shape=True)
        quantize_static(
            ready,
            small,
            _Ranges(entry.name, size_px, iter(pictures)),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            nodes_to_exclude=_exact_nodes(onnx.load(ready)),
            calibrate_method=CalibrationMethod.MinMax,
        )
        made = onnx.load(small)
    del made.metadata_props[:]
    onnx.helper.set_model_props(made, told)
    return made


def _exact_nodes(model: Any) -> list[str]:
    """Return the names of the nodes of the first layer, of those that make boxes, and of those that make the features of a picture."""
    found = {node.name: _LAYER.match(node.name) for node in model.graph.node}
    last = max((int(one[1]) for one in found.values() if one), default=-1)
    return [
        name
        for name, one in found.items()
        if name.startswith("features_") or (one and (int(one[1]) == 0 or (int(one[1]) == last and not _BRANCH.match(one[2]))))
    ]


class _Ranges:
    """Gives pictures to the measuring of ranges, as ``onnxruntime.quantization`` asks for them."""

    def __init__(self, entry: str, size_px: int, pictures: Iterator[Pixels]) -> None:
        self._entry = entry
        self._size_px = size_px
        self._pictures = pictures

    def get_next(self) -> dict[str, Any] | None:
        """Return the next picture, None at the end."""
        pixels = next(self._pictures, None)
        return None if pixels is None else {self._entry: planes_of(pixels, self._size_px)[0]}
