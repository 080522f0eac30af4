"""Finds external data in a serialised ONNX model without the onnx package, which the server does not install.

A tensor with external data names a file outside the verified bytes, and onnxruntime would follow it from the current
folder. So the protobuf is walked, skipping every payload: only the messages that can hold a tensor are entered.
"""

from collections.abc import Iterator

# message -> field number -> message in it (github.com/onnx/onnx, onnx.proto)
_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "function": {7: "node", 11: "attribute"},
    "training": {1: "graph", 2: "graph"},
}
_EXTERNAL_DATA = 13
_DATA_LOCATION = 14

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def has_external_data(model: bytes) -> bool:
    """Whether any tensor of the model, nested graphs included, lies in another file.

    Raises:
        ValueError: the bytes are no protobuf.
    """
    pending = [("model", memoryview(model))]
    while pending:
        message, data = pending.pop()
        for field, value in _fields(data):
            if message == "tensor" and _external(field, value):
                return True
            child = _CHILDREN.get(message, {}).get(field)
            if child and isinstance(value, memoryview):
                pending.append((child, value))
    return False


def _external(field: int, value: int | memoryview) -> bool:
    return field == _EXTERNAL_DATA or (field == _DATA_LOCATION and value != 0)


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Field numbers with their values; numbers of fixed width are passed over as empty."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            number, at = _varint(data, at)
            yield key >> 3, number
            continue
        size, at = _size(data, at, kind)
        if at + size > len(data):
            raise ValueError("the model ends in the middle of a field")
        yield key >> 3, data[at : at + size]
        at += size


def _size(data: memoryview, at: int, kind: int) -> tuple[int, int]:
    if kind == _LENGTH:
        return _varint(data, at)
    if kind in (_FIXED64, _FIXED32):
        return (8 if kind == _FIXED64 else 4), at
    raise ValueError(f"the model has a field of unknown kind {kind}")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("the model ends in the middle of a number")
