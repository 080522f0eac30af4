"""The encoder: exported once with torch, read and run by onnxruntime for ever after."""
