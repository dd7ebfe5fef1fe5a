"""Metrics of plugins and of ONNX files: pairs of frames in, one value per frame out."""
