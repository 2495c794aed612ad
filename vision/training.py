"""The only importer of ultralytics: a detector trained on labelled pictures, and written as ONNX.

It needs the extra ``train`` (torch, 1.5 GB); nothing else in Leadhand does. It makes no connection, and loads a ``.pt`` file, which may run
code when it is read, only when its hash is on the list below or it was written by the same training.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from plant.errors import Rejected, Unavailable
from vision.frames import Pixels
from vision.labelled import label_path, read_truth, truth_line
from vision.quantising import in_eight_bits

KNOWN_STARTS: Final = MappingProxyType(
    {
        # Scanned: its pickle names classes of torch, ultralytics and collections only.
        "da0017f0857ab5446ca30559b64e41fefbcadc25ca7f08878aad12ee874966c7": "YOLOv8n from COCO (smartrail 0.1.1), AGPL-3.0",
    }
)
"""The ``.pt`` files that may be read, by sha256."""

START_PACKAGE: Final = "smartrail-obstacle-detector"
"""Holds the first of them; installed without what it depends on."""


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """What a training is made from. The same plan on the same machine gives the same model."""

    pictures: tuple[Path, ...]
    """Each under a folder ``images``, its label file under ``labels`` beside it, in YOLO's form."""
    classes: tuple[str, ...]
    size_px: int = 320
    epochs: int = 30
    batch: int = 16
    frozen: int = 0
    """How many of the first layers stay as they start."""
    rate: float = 0.001
    mosaic: float = 0.5
    """Share of pictures put together from four, in the first third of the epochs."""
    flip_up_down: float = 0.0
    threads: int = 1
    seed: int = 1
    start: Path | None = None
    """A ``.pt`` file; None begins with random weights, which need many more epochs."""
    trusted_sha256: str = ""
    """Hash of a start that is not on the list of known ones and is trusted all the same, e.g. because it was trained here."""

    def key(self) -> str:
        """Return what tells this plan from another, 16 hexadecimal digits."""
        names = [f"{path.name}:{_sha256(path)}:{_sha256(label_path(path))}" for path in self.pictures]
        rest = {name: getattr(self, name) for name in self.__slots__ if name not in {"pictures", "start", "threads", "trusted_sha256"}}
        rest["start"] = _sha256(self.start) if self.start else ""
        return hashlib.sha256(json.dumps([names, rest], default=str).encode()).hexdigest()[:16]


def train_installed() -> bool:
    """Return whether the extra ``train`` is there."""
    try:
        importlib.metadata.version("torch")
        importlib.metadata.version("ultralytics-opencv-headless")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def installed_start() -> Path | None:
    """Return the weights that a training starts from by default, or None where their package is not installed."""
    try:
        files = importlib.metadata.files(START_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in files if file.name == "best.pt"), None)


def train_detector(plan: TrainPlan, work: Path, told: Callable[[int, float], None] = lambda _epoch, _loss: None) -> Path:
    """Return the ``.pt`` file of a trained detector. Killed at any point, the same call goes on after the last whole epoch.

    ``work`` is the folder that keeps what lies between; ``told`` hears epoch and loss. Raises Unavailable without the extra ``train``, and
    Rejected for a start that is not on the list, and when pictures would be left out.
    """
    if plan.start is not None:
        allow(plan.start, plan.trusted_sha256)
    room = (work / plan.key()).resolve()
    done, last = room / "trained.pt", room / "run" / "weights" / "last.pt"
    if done.exists():
        return done
    room.mkdir(parents=True, exist_ok=True)
    with _ultralytics(room) as yolo:
        sheet = _data_sheet(room, plan)
        resumed = last.exists()
        model = yolo(str(last) if resumed else str(plan.start or "yolov8n.yaml"))
        model.add_callback("on_train_start", lambda trainer: _faster(trainer, plan))
        model.add_callback("on_train_epoch_end", lambda trainer: told(trainer.epoch + 1, _loss(trainer.tloss)))
        if resumed:
            model.train(resume=True)
        else:
            model.train(
                data=str(sheet),
                epochs=plan.epochs,
                imgsz=plan.size_px,
                batch=plan.batch,
                nbs=plan.batch,
                device="cpu",
                workers=0,
                seed=plan.seed,
                project=str(room),
                name="run",
                exist_ok=True,
                cache="ram",
                plots=False,
                amp=False,
                val=False,
                verbose=False,
                optimizer="AdamW",
                lr0=plan.rate,
                momentum=0.9,
                warmup_epochs=1.0,
                warmup_bias_lr=0.0,
                cos_lr=True,
                freeze=plan.frozen or None,
                mosaic=plan.mosaic,
                close_mosaic=max(1, plan.epochs * 2 // 3),
                flipud=plan.flip_up_down,
                scale=0.3,
            )
        shutil.copyfile(last, done.with_suffix(".new"))
        done.with_suffix(".new").replace(done)
    return done


def export_onnx(weights: Path, out: Path, size_px: int, trusted_sha256: str = "", ranges_by: Iterable[Pixels] | None = None) -> None:
    """Write weights as ONNX for one picture of ``size_px`` a side; they are known, or trusted by their hash.

    A second answer is added, ``features``: the means of the backbone's last channels, which tell whether a picture looks familiar.
    With pictures for ``ranges_by`` it counts in 8 bits, else it gives what ultralytics gives to a pixel.
    """
    whole = _exported(weights, size_px, trusted_sha256)
    tail = _layer_answer(whole, _LAST_OF_BACKBONE)
    _add_mean(whole, tail)
    _write(whole if ranges_by is None else in_eight_bits(whole, ranges_by), out)


def export_backbone(weights: Path, out: Path, size_px: int, trusted_sha256: str = "") -> None:
    """Write the first layers of weights as ONNX: fine and coarse channels of a picture, for a station that is taught without torch."""
    import onnx
    from onnx.utils import Extractor

    whole = onnx.shape_inference.infer_shapes(_exported(weights, size_px, trusted_sha256))
    wanted = [_layer_answer(whole, layer) for layer in _CHANNELS_OF]
    _write(Extractor(whole).extract_model([whole.graph.input[0].name], wanted), out)


_CHANNELS_OF: Final = (4, 6)
_LAST_OF_BACKBONE: Final = 9
"""Layers of YOLOv8: channels at an eighth and at a sixteenth of the size, and the last before boxes are made."""
_LARGE: Final = 1024


def _exported(weights: Path, size_px: int, trusted_sha256: str) -> Any:
    import onnx

    allow(weights, trusted_sha256)
    with tempfile.TemporaryDirectory() as folder, _ultralytics(Path(folder)) as yolo:
        copy = Path(folder) / "weights.pt"
        shutil.copyfile(weights, copy)
        whole = onnx.load(yolo(str(copy)).export(format="onnx", imgsz=size_px, opset=17, simplify=True, device="cpu"))
    for told in whole.metadata_props:
        if told.key == "description":  # names the folder of the machine that trained it
            told.value = "Detector trained with ultralytics"
    return whole


def _layer_answer(whole: Any, layer: int) -> str:
    """Return the name of what a layer of the model gives: the last value that bears the layer's name."""
    named = [name for node in whole.graph.node for name in node.output if name.startswith(f"/model.{layer}/")]
    if not named:
        raise Rejected(f"the exported model has no layer {layer}")
    return str(named[-1])


def _add_mean(whole: Any, tail: str) -> None:
    import onnx

    whole.graph.node.extend(
        [
            onnx.helper.make_node("GlobalAveragePool", [tail], ["features_4d"], name="features_mean"),
            onnx.helper.make_node("Flatten", ["features_4d"], ["features"], name="features_flat"),
        ]
    )
    whole.graph.output.extend([onnx.helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, [1, "channels"])])


def _halve(whole: Any) -> None:
    """Keep large weights in 16 bits: half the file. ONNX Runtime makes them 32 bits once, when it loads the model."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for place, held in enumerate(whole.graph.initializer):
        values = numpy_helper.to_array(held)
        if values.dtype != np.float32 or values.size < _LARGE:
            continue
        name = held.name
        whole.graph.initializer[place].CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], name=f"{name}_whole", to=TensorProto.FLOAT))
    nodes = [*casts, *whole.graph.node]
    del whole.graph.node[:]
    whole.graph.node.extend(nodes)


def _write(whole: Any, out: Path) -> None:
    import onnx

    _halve(whole)
    onnx.checker.check_model(whole)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(whole.SerializeToString())


def allow(weights: Path, trusted_sha256: str = "") -> None:
    """Raise Rejected for a ``.pt`` file that is not on the list of known ones, nor trusted by its hash."""
    found = _sha256(weights)
    if found not in KNOWN_STARTS and found != trusted_sha256:
        raise Rejected(f"{weights}: its hash {found[:16]}... is not on the list of weights that may be read (a .pt file can run code)")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _data_sheet(room: Path, plan: TrainPlan) -> Path:
    pictures = _linked(room, plan.pictures)
    names = room / "train.txt"
    names.write_text("".join(f"{path}\n" for path in pictures), encoding="utf-8")
    # ultralytics judges after the last epoch whatever it was told; we judge ourselves, so it gets one picture for that.
    one = room / "one.txt"
    one.write_text(f"{pictures[0]}\n", encoding="utf-8")
    sheet = room / "data.yaml"
    words = {"path": str(room), "train": str(names), "val": str(one), "names": dict(enumerate(plan.classes))}
    sheet.write_text(json.dumps(words), encoding="utf-8")  # JSON is YAML
    return sheet


def _linked(room: Path, pictures: Sequence[Path]) -> list[Path]:
    """Return links to pictures, with their labels as plain boxes beside.

    ultralytics writes a cache where labels lie, and users' folders stay theirs; and it leaves a picture out whose labels are boxes and
    polygons mixed.
    """
    images, labels = room / "images", room / "labels"
    images.mkdir(exist_ok=True)
    labels.mkdir(exist_ok=True)
    made = []
    for number, path in enumerate(pictures):
        link = images / f"{number:06d}{path.suffix.lower()}"
        if not link.exists():
            link.symlink_to(path.resolve())
        truth = read_truth(label_path(path))
        lines = (truth_line(kind, box) for kind, box in zip(truth.class_id.tolist(), truth.xyxy.tolist(), strict=True))
        (labels / f"{link.stem}.txt").write_text("".join(lines), encoding="utf-8")
        made.append(link)
    return made


def _faster(trainer: Any, plan: TrainPlan) -> None:
    """Train in bfloat16 with the channels last: half the time on a CPU (measured 1.9 times as fast), and say so to one place only."""
    import torch

    # ultralytics sets cores - 1 threads itself, one on a machine of two, whatever was set before.
    torch.set_num_threads(plan.threads)
    held = len(trainer.train_loader.dataset)
    if held != len(plan.pictures):
        raise Rejected(
            f"{len(plan.pictures) - held} of {len(plan.pictures)} pictures would be left out of the training: check their labels"
        )
    model = trainer.model.to(memory_format=torch.channels_last)
    plain = model.predict

    def in_bfloat16(pixels: Any, *rest: Any, **named: Any) -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            found = plain(pixels.contiguous(memory_format=torch.channels_last), *rest, **named)
        return _as_float(found)

    model.predict = in_bfloat16  # of this model alone: what is written is its average, which has not got it


def _loss(parts: Any) -> float:
    """Its sum over boxes, classes and distances, however this release holds them."""
    return float(sum(float(part) for part in (parts.values() if isinstance(parts, dict) else parts)))


def _as_float(found: Any) -> Any:
    if isinstance(found, dict):
        return {name: _as_float(one) for name, one in found.items()}
    if isinstance(found, list | tuple):
        return type(found)(_as_float(one) for one in found)
    return found.float() if hasattr(found, "float") else found


@contextlib.contextmanager
def _ultralytics(room: Path) -> Iterator[Any]:
    """Give its class YOLO, switched off from the network and from installing packages."""
    settings = room / "ultralytics"
    (settings / "Ultralytics").mkdir(parents=True, exist_ok=True)
    (settings / "Ultralytics" / "Arial.ttf").touch()  # it would fetch the font; nothing is drawn
    switches = {
        "YOLO_OFFLINE": "1",
        "YOLO_AUTOINSTALL": "0",
        "YOLO_CONFIG_DIR": str(settings),
        "YOLO_VERBOSE": "false",
        "MPLBACKEND": "agg",
    }
    os.environ.update(switches)
    try:
        from vision.torch_operators import provide_missing_operators

        provide_missing_operators()
        from ultralytics import YOLO
        from ultralytics.utils import SETTINGS
    except ImportError as error:
        raise Unavailable(f"training needs the extra 'train': pip install 'leadhand[train]' ({error})") from error
    for name in ("sync", "clearml", "comet", "dvc", "hub", "mlflow", "neptune", "raytune", "tensorboard", "wandb"):
        if name in SETTINGS:
            dict.__setitem__(SETTINGS, name, False)
    yield YOLO
