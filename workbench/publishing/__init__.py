"""What leaves the house: networks as ONNX files, pages for static hosts."""
