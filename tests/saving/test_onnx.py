"""The network of a fitted denoiser runs in ONNX, as the guide shows."""

import warnings

import numpy as np
import pytest
import torch

from tests.saving.saved_estimators import fitted

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


def test_the_network(tmp_path):
    model = fitted("sampler")[0].model_
    denoiser = model.denoiser
    # where all rows have one noise level
    sigma = torch.full((1, 1), 0.5, dtype=torch.float64)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(9, model.n_features)))
    prepared = denoiser.prepare(x, sigma.expand(1, x.shape[1]))
    args = prepared.inputs.float(), prepared.log_sigma.float()
    rows = torch.export.Dim("rows", min=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            denoiser.net,
            args,
            dynamo=True,
            dynamic_shapes=({0: rows}, {0: rows}),
            input_names=["inputs", "log_sigma"],
            verbose=False,
        )
    program.save(tmp_path / "network.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx")
    for n in (2, 5, 9):
        inputs, log_sigma = (arg[:n] for arg in args)
        (found,) = session.run(None, {"inputs": inputs.numpy(), "log_sigma": log_sigma.numpy()})
        np.testing.assert_allclose(found, denoiser.net(inputs, log_sigma), rtol=1e-4, atol=1e-6)
