"""A predictor in a file: numbers and names only, so that reading one runs nothing that is in it."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np

from optimizer.cells import Spans
from optimizer.features import Basis, Scale
from optimizer.operation_models import LogModel, YieldModel
from optimizer.pooled_regression import PooledFit, Spread
from optimizer.predicting import OperationModel, Predictor
from optimizer.support import Support
from plant.errors import Rejected
from plant.products import FeatureDefinition, FeatureKind, ProductTable

FORMAT: Final = "leadhand predictor/1"
_KINDS: Final[dict[str, Any]] = {
    kind.__name__: kind
    for kind in (
        Basis,
        FeatureDefinition,
        LogModel,
        OperationModel,
        PooledFit,
        Predictor,
        ProductTable,
        Scale,
        Spans,
        Spread,
        Support,
        YieldModel,
    )
}


def predictor_bytes(predictor: Predictor) -> bytes:
    """Return a predictor as bytes; the same predictor gives the same."""
    columns: dict[str, Any] = {}
    tree = {"format": FORMAT, "predictor": _told(predictor, columns)}
    columns["tree"] = np.frombuffer(json.dumps(tree).encode(), np.uint8)
    written = io.BytesIO()
    np.savez_compressed(written, **columns)
    return written.getvalue()


def predictor_of(content: bytes) -> Predictor:
    """Return the predictor that the bytes hold. Raises Rejected where they hold none."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as columns:
            tree = json.loads(bytes(columns["tree"]))
            if tree["format"] != FORMAT:
                raise Rejected(f"this is no {FORMAT}; train anew")
            found = _read(tree["predictor"], columns)
    except (ValueError, KeyError, TypeError, OSError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise Rejected(f"this is no predictor: {error}") from error
    if not isinstance(found, Predictor):
        raise Rejected("this is no predictor")
    return found


def save(predictor: Predictor, path: Path) -> None:
    """Write a predictor; a file that is there is replaced in one step."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(predictor_bytes(predictor))
    part.replace(path)


def load(path: Path) -> Predictor:
    """Return the predictor of a file."""
    return predictor_of(path.read_bytes())


def _told(value: Any, columns: dict[str, Any]) -> Any:
    if isinstance(value, np.ndarray):
        name = f"c{len(columns)}"
        columns[name] = value
        return {"column": name}
    if is_dataclass(value) and not isinstance(value, type):
        told = {f.name: _told(getattr(value, f.name), columns) for f in fields(value) if f.init}
        return {"kind": type(value).__name__, "of": told}
    if isinstance(value, slice):
        return {"slice": [value.start, value.stop]}
    if isinstance(value, Mapping):
        return {"by": [[key, _told(of, columns)] for key, of in value.items()]}
    if isinstance(value, frozenset):
        return {"set": sorted(value)}
    if isinstance(value, tuple):
        return {"all": [_told(one, columns) for one in value]}
    if isinstance(value, FeatureKind):
        return {"feature": value.value}
    if value is None or (isinstance(value, (str, int, float)) and not isinstance(value, StrEnum)):
        return value
    raise TypeError(f"a predictor's file cannot hold a {type(value).__name__}")


def _read(told: Any, columns: Any) -> Any:
    if not isinstance(told, dict):
        return told
    if "column" in told:
        return columns[told["column"]]
    if "kind" in told:
        return _KINDS[told["kind"]](**{name: _read(of, columns) for name, of in told["of"].items()})
    if "slice" in told:
        return slice(*told["slice"])
    if "by" in told:
        return {key: _read(of, columns) for key, of in told["by"]}
    if "set" in told:
        return frozenset(told["set"])
    if "feature" in told:
        return FeatureKind(told["feature"])
    return tuple(_read(one, columns) for one in told["all"])
