"""What tutorials do: Flask's own server and `model.predict`."""

import io
import os

import keras
import numpy as np
from flask import Flask, jsonify, request
from PIL import Image

SIDE = int(os.environ["SIDE"])
CLASSES = os.environ["CLASSES"].split(",")

app = Flask(__name__)
model = keras.models.load_model(os.environ["MODEL"])


@app.post("/predict")
def predict():
    image = Image.open(io.BytesIO(request.get_data())).convert("RGB").resize((SIDE, SIDE))
    probabilities = model.predict(np.asarray(image)[None], verbose=0)[0]
    best = int(probabilities.argmax())
    return jsonify(label=CLASSES[best], probabilities=dict(zip(CLASSES, map(float, probabilities))))
