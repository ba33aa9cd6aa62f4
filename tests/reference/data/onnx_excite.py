"""Makes onnx_excite, a model of PyTorch 2 with random weights whose channels are weighed (squeeze and excitation, by convolutions and by layers), and onnx_hardmax, and what ONNX Runtime 1.32 gives for random inputs."""
import numpy as np, onnx, onnxruntime as ort, torch, torch.nn as nn
from onnx import helper as h, TensorProto as T
torch.manual_seed(3)
class Excite(nn.Module):
    def __init__(s):
        super().__init__()
        s.conv, s.down, s.up = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 2, 1), nn.Conv2d(2, 4, 1)
        s.fc1, s.fc2, s.out = nn.Linear(4, 2), nn.Linear(2, 4), nn.Linear(4 * 36, 3)
    def forward(s, x):
        h = torch.relu(s.conv(x))
        h = h * torch.sigmoid(s.up(torch.relu(s.down(nn.functional.adaptive_avg_pool2d(h, 1)))))
        h = torch.sigmoid(s.fc2(torch.relu(s.fc1(h.mean((2, 3)))))).view(-1, 4, 1, 1) * h
        return s.out(h.flatten(1))
x = torch.randn(5, 2, 6, 6)
dims = {"x": {0: "n"}, "y": {0: "n"}}
torch.onnx.export(Excite().eval(), x, "onnx_excite.onnx", input_names=["x"], output_names=["y"], dynamic_axes=dims, dynamo=False)
y = ort.InferenceSession("onnx_excite.onnx").run(None, {"x": x.numpy()})[0]
np.savez("onnx_excite.npz", x=x.numpy(), y0=y)
# The first of equals.
ports = [h.make_tensor_value_info("x", T.FLOAT, ["n", 5])], [h.make_tensor_value_info("y", T.FLOAT, ["n", 5])]
model = h.make_model(h.make_graph([h.make_node("Hardmax", ["x"], ["y"], axis=-1)], "hardmax", *ports), opset_imports=[h.make_opsetid("", 20)])
model.ir_version = 9
onnx.save(model, "onnx_hardmax.onnx")
x = np.round(2 * np.random.default_rng(3).standard_normal((12, 5))).astype(np.float32)
np.savez("onnx_hardmax.npz", x=x, y0=ort.InferenceSession("onnx_hardmax.onnx").run(None, {"x": x})[0])
