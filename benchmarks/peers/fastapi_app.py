"""What people write next: FastAPI, with onnxruntime in the same process."""

import io
import os

import numpy as np
import onnxruntime
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from PIL import Image

SIDE = int(os.environ["SIDE"])
CLASSES = os.environ["CLASSES"].split(",")

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
app = FastAPI()


def classify(data: bytes) -> dict:
    image = Image.open(io.BytesIO(data))
    image.draft(
        None, (2 * SIDE, 2 * SIDE)
    )  # our own trick, which few know: the comparison shall be about the rest
    pixels = np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    probabilities = session.run(None, {"images": pixels[None]})[0][0]
    best = int(probabilities.argmax())
    return {"label": CLASSES[best], "probabilities": dict(zip(CLASSES, map(float, probabilities)))}


@app.post("/predict")
async def predict(request: Request) -> dict:
    return await run_in_threadpool(classify, await request.body())
