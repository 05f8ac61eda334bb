"""Keras models on the torch backend, saved on the spot."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders.adapter_audits import audit_with

import auditor
from auditor.autograd.keras_network import KerasNetwork, without_numpy_warning
from auditor.classifiers.keras import KerasClassifier, keras_on_torch
from auditor.errors import MissingDependencyError, ModelError
from auditor.map_metrics.randomization import randomized_copy

keras = keras_on_torch()


def convolutional(channels: int = 3) -> Any:
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((24, 32, channels)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(8, 3, padding="same"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.ReLU(),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(16, 3, activation="relu", name="last"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )


def nested() -> Any:
    keras.utils.set_random_seed(0)
    images = keras.Input((24, 32, 3))
    inner = keras.Sequential(
        [keras.Input((24, 32, 3)), keras.layers.Conv2D(4, 3, activation="relu", name="inside")],
        name="backbone",
    )
    pooled = keras.layers.GlobalAveragePooling2D()(inner(images))
    return keras.Model(images, keras.layers.Dense(2)(pooled))


def saved(path: Path, model: Any) -> Path:
    with without_numpy_warning():
        model.save(path)
    return path


def images(n: int = 2) -> torch.Tensor:
    return torch.rand(n, 3, 24, 32, generator=torch.Generator().manual_seed(0)) * 255


def test_saved_model_predicts_as_keras_does(tmp_path: Path) -> None:
    model = convolutional()
    found = KerasClassifier(file=saved(tmp_path / "m.keras", model)).load()
    # Keras numbers the models of a process: the name depends on the tests that ran before.
    assert found.description == f"Keras Sequential {model.name}, m.keras"
    batch = images()
    with torch.no_grad():
        expected = model(batch.permute(0, 2, 3, 1), training=False)
        torch.testing.assert_close(found.module(batch), expected)


def test_grad_cam_of_a_keras_model_equals_a_plain_rewrite() -> None:
    model = convolutional()
    batch = images()
    found = auditor.explain(model, batch, 1, "grad-cam")
    assert found.target_layer == "last"
    body = keras.Model(model.inputs, model.get_layer("last").output)
    activations = body(batch.permute(0, 2, 3, 1), training=False).detach().requires_grad_()
    kernel, bias = (one.value.detach() for one in model.layers[-1].weights)
    scores = (activations.mean((1, 2)) @ kernel + bias).softmax(1)[:, 1].sum()
    (gradient,) = torch.autograd.grad(scores, activations)
    weights = gradient.mean((1, 2))  # equation 1
    cam = torch.einsum("nc,nhwc->nhw", weights, activations).clamp(min=0)[:, None].detach()
    wide = torch.nn.functional.interpolate(cam, (24, 32), mode="bilinear", align_corners=False)
    torch.testing.assert_close(found.maps, wide, rtol=1e-4, atol=1e-8)


def test_guided_backpropagation_is_valid_for_relus_of_keras() -> None:
    found = auditor.explain(convolutional(), images(), 0)
    assert found.explainer == "guided-grad-cam"
    assert found.preflight.status == "valid"


def test_layers_of_nested_models_are_found() -> None:
    found = auditor.explain(nested(), images(), 0, "grad-cam")
    assert found.target_layer == "backbone"
    inside = auditor.explain(nested(), images(), 0, "grad-cam", target_layer="backbone/inside")
    assert torch.equal(inside.maps, found.maps)


def test_randomized_copy_changes_the_copy_only() -> None:
    network = KerasNetwork(convolutional()).eval()
    before = {name: one.clone() for name, one in network.named_parameters()}
    batch = images()
    randomized = randomized_copy(network, batch)
    assert all(torch.equal(one, before[name]) for name, one in network.named_parameters())
    with torch.no_grad():
        assert not torch.allclose(randomized(batch), network(batch))


def test_audit_of_a_keras_file_runs_to_the_end(tmp_path: Path) -> None:
    saved(tmp_path / "m.keras", convolutional())
    model = {"adapter": "keras", "file": "m.keras", "classes": ["cat", "dog"]}
    result = audit_with(tmp_path, model, preprocess={"resize": [24, 32], "scale": 1})
    assert result.provenance.model.target_layer == "last"
    assert (
        result.provenance.model.output
        == "2 probabilities, one per class (recognised on a few images)"
    )
    assert result.explanations is not None
    assert result.explanations.failures


def test_audit_of_a_grey_keras_model_from_python_runs_to_the_end(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 24, 32, 3), np.uint8)
    result = auditor.audit(
        convolutional(channels=1),
        [(image, k % 2) for k, image in enumerate(pixels)],
        classes=["cat", "dog"],
        preprocess={"channels": "grey", "scale": 1},
        out=tmp_path / "run",
    )
    assert result.summary.n_samples == 40


def test_lambda_layer_is_refused_with_the_fix(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Lambda(lambda x: x * 2)])
    with pytest.raises(
        ModelError, match=r"contains a Lambda layer.*code in a model file is never run"
    ):
        KerasClassifier(file=saved(tmp_path / "m.keras", model)).load()


def test_layer_of_the_user_is_refused_with_the_way_to_load_it(tmp_path: Path) -> None:
    doubled = type("Doubled", (keras.layers.Layer,), {"call": lambda _, x: x * 2})
    path = saved(tmp_path / "m.keras", keras.Sequential([keras.Input((8, 8, 3)), doubled()]))
    with pytest.raises(ModelError, match=r"classes of your own: use the adapter `python`"):
        KerasClassifier(file=path).load()


def test_other_formats_are_refused_with_the_way_to_convert(tmp_path: Path) -> None:
    (tmp_path / "old.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    (tmp_path / "folder").mkdir()
    for name, kind in (("old.h5", "an HDF5 file"), ("folder", "SavedModel")):
        with pytest.raises(ModelError, match=rf"{kind}.*model.save\('model.keras'\)"):
            KerasClassifier(file=tmp_path / name).load()
    with pytest.raises(ModelError, match="does not exist"):
        KerasClassifier(file=tmp_path / "none.keras").load()


def test_damaged_file_is_refused_with_the_fix(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.keras", convolutional())
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(ModelError, match="truncated: copy it again"):
        KerasClassifier(file=path).load()
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ModelError, match="run `git lfs pull`"):
        KerasClassifier(file=path).load()


def test_model_with_a_second_input_is_refused(tmp_path: Path) -> None:
    pixels, age = keras.Input((24, 32, 3), name="pixels"), keras.Input((1,), name="age")
    pooled = keras.layers.GlobalAveragePooling2D()(pixels)
    both = keras.layers.Concatenate()([pooled, age])
    path = saved(tmp_path / "m.keras", keras.Model([pixels, age], keras.layers.Dense(2)(both)))
    with pytest.raises(ModelError, match="the model has pixels of 4 axes, age of 2 axes: save a"):
        KerasClassifier(file=path).load()


def test_other_number_of_channels_is_refused_with_the_fix(tmp_path: Path) -> None:
    found = KerasClassifier(file=saved(tmp_path / "m.keras", convolutional(channels=1))).load()
    with pytest.raises(ModelError, match=r"the Keras model takes, 1; got 3: set .* to `grey`"):
        found.module(images())


def test_other_backend_in_the_same_process_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # TensorFlow is not installed here, and one process has one backend.
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    with pytest.raises(ModelError, match=r"imported it with tensorflow.*KERAS_BACKEND=torch"):
        keras_on_torch()


def test_missing_library_names_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(MissingDependencyError, match=r"classifier-auditor\[keras\]"):
        keras_on_torch()
