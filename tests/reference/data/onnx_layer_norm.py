"""Makes onnx_layer_norm, a perceptron with random weights that is normalised in three ways, and what ONNX Runtime gives for random inputs."""
import numpy as np, onnx, onnxruntime as ort
from onnx import helper as h, numpy_helper, TensorProto as T
rng = np.random.default_rng(4)
f = lambda *shape: rng.standard_normal(shape).astype(np.float32)
numbers = {"w1": f(6, 8), "b1": f(8), "g1": f(8), "s1": f(8), "w2": f(8, 5), "g2": np.ones(5, np.float32), "w3": f(5, 4), "eps": np.float32(1e-5), "two": np.float32(2), "g3": f(4), "s3": f(4)}
n = h.make_node
nodes = [
    n("Gemm", ["x", "w1", "b1"], ["h1"]), n("LayerNormalization", ["h1", "g1", "s1"], ["l1"], axis=-1, epsilon=1e-3),
    n("Relu", ["l1"], ["r1"]), n("MatMul", ["r1", "w2"], ["h2"]), n("LayerNormalization", ["h2", "g2"], ["l2"]),
    n("Tanh", ["l2"], ["t2"]), n("MatMul", ["t2", "w3"], ["h3"]),
    n("ReduceMean", ["h3"], ["m3"], axes=[-1]), n("Sub", ["h3", "m3"], ["c3"]), n("Pow", ["c3", "two"], ["q3"]),
    n("ReduceMean", ["q3"], ["v3"], axes=[-1]), n("Add", ["v3", "eps"], ["e3"]), n("Sqrt", ["e3"], ["d3"]),
    n("Div", ["c3", "d3"], ["n3"]), n("Mul", ["n3", "g3"], ["k3"]), n("Add", ["k3", "s3"], ["y"]),
]
ports = [h.make_tensor_value_info("x", T.FLOAT, ["n", 6])], [h.make_tensor_value_info("y", T.FLOAT, ["n", 4])]
given = [numpy_helper.from_array(np.asarray(array), name) for name, array in numbers.items()]
model = h.make_model(h.make_graph(nodes, "layer_norm", *ports, given), opset_imports=[h.make_opsetid("", 17)])
model.ir_version = 9
onnx.checker.check_model(model)
onnx.save(model, "onnx_layer_norm.onnx")
x = f(12, 6)
np.savez("onnx_layer_norm.npz", x=x, y0=ort.InferenceSession("onnx_layer_norm.onnx").run(None, {"x": x})[0])
