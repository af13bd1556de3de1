"""Writes the test cases of the package onnx to a folder: NAME/model.onnx, input_N.pb and output_N.pb.

They are the cases of single nodes, and the classifiers of its folder `light`, whose weights are constants that it computes.
"""

import pathlib
import sys

import onnx
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases
from onnx.backend.test.runner import Runner


def lower_opset(model):
    """The first opset, from 7 on, that has the nodes in the form that they are written in."""
    model.ir_version = min(model.ir_version, 13)
    for own in model.opset_import:
        names = [node.op_type for node in model.graph.node if node.domain == own.domain]
        if names and not model.functions:
            since = [onnx.defs.get_schema(name, own.version, own.domain).since_version for name in names]
            own.version = max(1 if own.domain else 7, *since)


folder = pathlib.Path(sys.argv[1])
cases = collect_testcases(None)
count = 0
for case in cases:
    infos = [*case.model.graph.input, *case.model.graph.output]
    if not all(info.type.HasField("tensor_type") for info in infos):
        continue  # sequences and optional values are no tensors
    lower_opset(case.model)
    out = folder / case.name
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.onnx").write_bytes(case.model.SerializeToString())
    inputs, outputs = case.data_sets[0]
    for kind, values, named in (("input", inputs, case.model.graph.input), ("output", outputs, case.model.graph.output)):
        for i, (value, info) in enumerate(zip(values, named)):
            tensor = value if isinstance(value, onnx.TensorProto) else numpy_helper.from_array(value, info.name)
            (out / f"{kind}_{i}.pb").write_bytes(tensor.SerializeToString())
    count += 1
light = pathlib.Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
for path in sorted(light.glob("light_*.onnx")):
    model = onnx.load(path)
    weights = {weight.name for weight in model.graph.initializer}
    inputs = [info for info in model.graph.input if info.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.ir_version = 8  # which lets initializers be no inputs
    out = folder / path.stem
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.onnx").write_bytes(model.SerializeToString())
    for i, info in enumerate(inputs):
        value = Runner.generate_dummy_data(info, seed=0, name=path.stem, random=False)
        (out / f"input_{i}.pb").write_bytes(numpy_helper.from_array(value).SerializeToString())
    (out / "output_0.pb").write_bytes((light / f"{path.stem}_output_0.pb").read_bytes())
    count += 1
print(f'{{"version": "{onnx.__version__}", "cases": {count}}}')
