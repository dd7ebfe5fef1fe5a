"""ONNX files: untrusted networks, read, checked and opened."""
