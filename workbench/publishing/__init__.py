"""What is made for others to see: model cards, ONNX files, Spaces and their static pages."""
