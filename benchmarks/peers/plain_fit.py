"""Training as tutorials do it: image_dataset_from_directory and model.fit, then again with the top unfrozen.

python plain_fit.py FOLDER WEIGHTS ALPHA SIDE HEAD_EPOCHS TUNE_EPOCHS
"""

import json
import sys
import time

import keras

folder, weights, alpha, side, head_epochs, tune_epochs = (
    sys.argv[1],
    sys.argv[2],
    float(sys.argv[3]),
    *map(int, sys.argv[4:]),
)
options = {"image_size": (side, side), "batch_size": 32}
train, validation = keras.utils.image_dataset_from_directory(
    f"{folder}/train", validation_split=0.18, subset="both", seed=1, **options
)
test = keras.utils.image_dataset_from_directory(f"{folder}/test", shuffle=False, **options)
classes = len(train.class_names)

began = time.perf_counter()
base = keras.applications.MobileNetV2(
    include_top=False, weights=weights, alpha=alpha, input_shape=(side, side, 3), pooling="avg"
)
base.trainable = False
model = keras.Sequential(
    [
        keras.Input((side, side, 3)),
        keras.layers.RandomFlip("horizontal"),
        keras.layers.Rescaling(1 / 127.5, offset=-1),
        base,
        keras.layers.Dropout(0.2),
        keras.layers.Dense(classes, activation="softmax"),
    ]
)
best = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
for rate, epochs, trainable in ((1e-3, head_epochs, False), (1e-4, tune_epochs, True)):
    for layer in base.layers[len(base.layers) * 4 // 10 :]:
        layer.trainable = trainable and not isinstance(layer, keras.layers.BatchNormalization)
    base.trainable = trainable
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(train, validation_data=validation, epochs=epochs, callbacks=[best], verbose=0)
seconds = time.perf_counter() - began
print(json.dumps({"seconds": seconds, "accuracy": model.evaluate(test, verbose=0)[1]}))
