"""A tiny tagger in ONNX with the inputs and outputs of the real ones."""

from __future__ import annotations

from pathlib import Path


def make_tagger(folder: Path) -> Path:
    """Tells a picture's mean colour: the probabilities are blue, green and red of 255, and one that is 1."""
    import onnx
    from onnx import TensorProto, helper

    folder.mkdir(parents=True, exist_ok=True)
    make = helper.make_node
    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1 / 255])
    axes = helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2])
    nodes = [
        make("ReduceMean", ["input", "axes"], ["mean"], keepdims=0),
        make("Mul", ["mean", "one"], ["share"]),
        make("Sigmoid", ["share"], ["half"]),
        make("Concat", ["half", "share"], ["output"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tagger",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 32, 32, 3])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 6])],
        [one, axes],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(made, str(folder / "model.onnx"))
    rows = ["general,9", "sensitive,9", "1girl,0", "blue_sky,0", "green_hair,0", "red_queen,4"]
    lines = [f"{at},{row},5" for at, row in enumerate(rows)]
    (folder / "selected_tags.csv").write_text("tag_id,name,category,count\n" + "\n".join(lines))
    return folder
