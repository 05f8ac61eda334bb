"""ONNX models, written on the spot."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from builders.adapter_audits import audit_with
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import auditor
from auditor.autograd.adapted_network import AdaptedNetwork
from auditor.autograd.model_free import GRID
from auditor.classifiers.onnx import OnnxClassifier
from auditor.config import AuditConfig
from auditor.errors import MissingDependencyError, ModelError
from auditor.explain_images import explain_images


def weights(name: str, *shape: int) -> onnx.TensorProto:
    rng = np.random.default_rng(len(name))
    return numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)


def written(
    path: Path, *, convertible: bool = True, last: bool = False, batch: int | str = "n"
) -> Path:
    """Convolution, ReLU, mean, linear; ``convertible`` false puts an operation in that onnx2torch lacks."""
    shape = [batch, 16, 20, 3] if last else [batch, 3, 16, 20]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, 2])
    source = "images"
    nodes = []
    if last:
        nodes.append(helper.make_node("Transpose", ["images"], ["moved"], perm=[0, 3, 1, 2]))
        source = "moved"
    nodes += [
        helper.make_node("Conv", [source, "kernel", "bias"], ["maps"], name="Conv_0", pads=[1] * 4),
        helper.make_node("Relu", ["maps"], ["active"], name="Relu_0"),
        helper.make_node("GlobalAveragePool", ["active"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
    ]
    features = "features"
    if not convertible:
        nodes.append(helper.make_node("Mish", ["features"], ["other"]))
        features = "other"
    nodes.append(helper.make_node("Gemm", [features, "head", "offset"], ["logits"], name="Gemm_0"))
    graph = helper.make_graph(
        nodes,
        "net",
        [images],
        [logits],
        [
            weights("kernel", 4, 3, 3, 3),
            weights("bias", 4),
            weights("head", 4, 2),
            weights("offset", 2),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
    return path


def predicted(path: Path, images: torch.Tensor) -> torch.Tensor:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


IMAGES = torch.rand(2, 3, 16, 20, generator=torch.Generator().manual_seed(0))


def test_converted_model_predicts_as_onnx_runtime_does(tmp_path: Path) -> None:
    path = written(tmp_path / "m.onnx")
    found = OnnxClassifier(file=path).load()
    assert found.description == "ONNX m.onnx, converted by onnx2torch"
    with torch.no_grad():
        torch.testing.assert_close(found.module(IMAGES), predicted(path, IMAGES))
    explained = auditor.explain(found.module, IMAGES, 0)
    assert explained.explainer == "guided-grad-cam"


def test_channels_last_input_is_handled(tmp_path: Path) -> None:
    path = written(tmp_path / "m.onnx", last=True)
    found = OnnxClassifier(file=path).load()
    with torch.no_grad():
        expected = predicted(path, IMAGES.permute(0, 2, 3, 1).contiguous())
        torch.testing.assert_close(found.module(IMAGES), expected)


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"convertible": False}, "can't convert it"), ({"convertible": False, "batch": 1}, "can't")],
    ids=["any batch", "batch of one"],
)
def test_other_model_predicts_by_onnx_runtime_and_says_so(
    tmp_path: Path, options: dict[str, object], reason: str
) -> None:
    path = written(tmp_path / "m.onnx", **options)  # type: ignore[arg-type]
    found = OnnxClassifier(file=path).load()
    assert "predictions by ONNX Runtime; maps are occlusion maps" in found.description
    assert reason in found.description
    rows = torch.cat([predicted(path, IMAGES[k : k + 1]) for k in range(2)])
    torch.testing.assert_close(found.module(IMAGES), rows)


def test_map_of_other_model_is_the_occlusion_map(tmp_path: Path) -> None:
    path = written(tmp_path / "m.onnx", convertible=False)
    found = OnnxClassifier(file=path).load()
    explained = auditor.explain(found.module, IMAGES, [0, 1], "grad-cam")
    assert explained.target_layer == "occlusion"
    for k, target in enumerate((0, 1)):
        image = IMAGES[k : k + 1]
        grid = torch.zeros(1, 1, GRID, GRID)
        for i in range(GRID):
            for j in range(GRID):
                covered = image.clone()
                place = (
                    ...,
                    slice(16 * i // 7, 16 * (i + 1) // 7),
                    slice(20 * j // 7, 20 * (j + 1) // 7),
                )
                covered[place] = image.mean((2, 3), keepdim=True)
                drop = predicted(path, image)[0, target] - predicted(path, covered)[0, target]
                grid[0, 0, i, j] = max(0.0, float(drop)) / GRID**2
        wide = nn.functional.interpolate(grid, (16, 20), mode="bilinear", align_corners=False)
        torch.testing.assert_close(explained.maps[k : k + 1], wide, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("convertible", [True, False], ids=["converted", "runtime"])
def test_audit_of_an_onnx_file_runs_to_the_end(tmp_path: Path, convertible: bool) -> None:
    written(tmp_path / "m.onnx", convertible=convertible)
    model = {"adapter": "onnx", "file": "m.onnx", "classes": ["cat", "dog"]}
    result = audit_with(tmp_path, model, preprocess={"resize": [16, 20]})
    assert result.explanations is not None
    assert result.explanations.failures
    verdict = result.explanations.preflight
    assert (verdict.status == "undefined") != convertible
    assert ("the model only predicts" in verdict.reason) != convertible
    layer = result.provenance.model.target_layer
    assert (layer == "occlusion") != convertible
    reason = result.provenance.model.target_layer_reason or ""
    assert ("this is an occlusion map, not Grad-CAM" in reason) != convertible
    said = [one.reason for one in result.skipped if one.check == "explain"]
    assert any("its maps are occlusion maps" in one for one in said) != convertible
    sheets = explain_images(
        AuditConfig.load(tmp_path / "audit.yaml"),
        [tmp_path / "images" / "cat" / "00.png"],
        "dog",
        tmp_path / "sheets",
    )
    assert (sheets[0].detail == "guided-grad-cam") == convertible


def written_variant(path: Path, variant: str) -> Path:
    """A model of two outputs, of predicted classes, or of whole grey levels."""
    model = onnx.load(written(path, convertible=variant != "two outputs, unknown operation"))
    graph = model.graph
    if variant.startswith("two outputs"):
        aux = helper.make_tensor_value_info("aux", TensorProto.FLOAT, ["n", 4])
        graph.node.append(helper.make_node("Neg", ["features"], ["aux"]))
        graph.output.append(aux)
    if variant == "predicted classes":
        graph.node.append(helper.make_node("ArgMax", ["logits"], ["found"], axis=1, keepdims=0))
        del graph.output[:]
        graph.output.append(helper.make_tensor_value_info("found", TensorProto.INT64, ["n"]))
    if variant == "grey levels":
        graph.node[0].input[0] = "floats"
        graph.node.insert(0, helper.make_node("Cast", ["images"], ["floats"], to=1))
        graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("variant", ["two outputs", "two outputs, unknown operation"])
def test_one_of_two_outputs_is_chosen_by_its_name(tmp_path: Path, variant: str) -> None:
    path = written_variant(tmp_path / "m.onnx", variant)
    found = OnnxClassifier(file=path).load().module
    with pytest.raises(ModelError, match=r"logits: \(2, 2\), aux: \(2, 4\)\); got 'other'"):
        AdaptedNetwork(found, output_key="other")(IMAGES)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    logits, aux = session.run(["logits", "aux"], {"images": IMAGES.numpy()})
    for key, expected in (("logits", logits), ("aux", aux)):
        with torch.no_grad():
            ours = AdaptedNetwork(found, output_key=key)(IMAGES)
        torch.testing.assert_close(ours, torch.from_numpy(expected))
    explained = auditor.explain(found, IMAGES, 3, "grad-cam", output_key="aux")
    assert explained.logits.shape == (2, 4)


def test_input_of_whole_grey_levels_is_cast(tmp_path: Path) -> None:
    path = written_variant(tmp_path / "m.onnx", "grey levels")
    found = OnnxClassifier(file=path).load()
    assert found.description == "ONNX m.onnx, converted by onnx2torch"
    grey = (IMAGES * 255).round()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (expected,) = session.run(["logits"], {"images": grey.byte().numpy()})
    with torch.no_grad():
        torch.testing.assert_close(found.module(grey), torch.from_numpy(expected))


def test_model_that_returns_the_predicted_classes_is_refused(tmp_path: Path) -> None:
    written_variant(tmp_path / "m.onnx", "predicted classes")
    model = {"adapter": "onnx", "file": "m.onnx", "classes": ["cat", "dog"]}
    with pytest.raises(ModelError, match="return the logits instead of the predicted classes"):
        audit_with(tmp_path, model, preprocess={"resize": [16, 20]})


def test_unreadable_model_is_refused_with_the_fix(tmp_path: Path) -> None:
    path = written(tmp_path / "m.onnx")
    model = onnx.load(path)
    onnx.save_model(
        model, path, save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(ModelError, match="copy that file into the same folder"):
        OnnxClassifier(file=path).load()
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ModelError, match="run `git lfs pull`"):
        OnnxClassifier(file=path).load()
    path.write_bytes(b"")
    with pytest.raises(ModelError, match="copy it again, or export the model again"):
        OnnxClassifier(file=path).load()


def test_file_that_is_no_onnx_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match="expected an ONNX model in"):
        OnnxClassifier(file=tmp_path / "m.onnx").load()
    with pytest.raises(ModelError, match="is not a file"):
        OnnxClassifier(file=tmp_path / "none.onnx").load()


def test_missing_library_names_the_install_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingDependencyError, match=r"classifier-auditor\[onnx\]"):
        OnnxClassifier(file=tmp_path / "m.onnx").load()
