# Writes onnx_external.onnx, its numbers beside it in onnx_external.onnx.data, and onnx_external.npz: x, and y as ONNX Runtime computes it. What
# torch.onnx.export does by itself since PyTorch 2.9; written by 2.15. Needs onnxscript and onnxruntime.
import numpy as np
import onnxruntime
import torch

torch.manual_seed(3)
model = torch.nn.Sequential(
    torch.nn.Conv2d(1, 4, 3, padding=1),
    torch.nn.BatchNorm2d(4),
    torch.nn.ReLU(),
    torch.nn.MaxPool2d(2),
    torch.nn.Flatten(),
    torch.nn.Linear(36, 5),
    torch.nn.LogSoftmax(dim=1),
).eval()
x = torch.randn(6, 1, 6, 6)
batch = torch.export.Dim("batch")
torch.onnx.export(model, (x,), "onnx_external.onnx", input_names=["x"], output_names=["y"], dynamic_shapes=[{0: batch}])
session = onnxruntime.InferenceSession("onnx_external.onnx")
np.savez("onnx_external.npz", x=x.numpy(), y0=session.run(None, {"x": x.numpy()})[0])
