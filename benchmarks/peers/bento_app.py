"""A serving framework: BentoML, with onnxruntime in its workers."""

import os
from pathlib import Path

import bentoml
import numpy as np
import onnxruntime
from PIL import Image

SIDE = int(os.environ["SIDE"])
CLASSES = os.environ["CLASSES"].split(",")


@bentoml.service(workers=int(os.environ["WORKERS"]))
class Classifier:
    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            os.environ["MODEL"], options, providers=["CPUExecutionProvider"]
        )

    @bentoml.api
    def predict(self, image: Path) -> dict:
        with Image.open(image) as opened:
            opened.draft(None, (2 * SIDE, 2 * SIDE))
            pixels = np.asarray(opened.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
        probabilities = self.session.run(None, {"images": pixels[None]})[0][0]
        best = int(probabilities.argmax())
        return {"label": CLASSES[best], "probabilities": dict(zip(CLASSES, map(float, probabilities)))}
