"""The TensorFlow Serving API over version folders."""
