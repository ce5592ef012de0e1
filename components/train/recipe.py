"""The recipe of a training: every parameter, its default and its meaning."""

from dataclasses import dataclass

from binocular.parameters import Parameters, choice, count, number, text

ARCHITECTURES = ("mobilenet_v2", "efficientnet_v2_b0", "small_cnn")
FROM_SCRATCH = "small_cnn"
IMAGENET = "imagenet"
# The sides of images that there are ImageNet weights for.
IMAGENET_SIDES = (96, 128, 160, 192, 224)
AUTO = "auto"


@dataclass(frozen=True)
class Recipe(Parameters):
    """How to train. What is 0 where it says so is chosen for the data; the model's facts say what and why."""

    architecture: str = choice(
        "mobilenet_v2",
        "Network: two that start from ImageNet weights, and a small one that starts from nothing.",
        among=ARCHITECTURES,
    )
    alpha: float = number(
        1.0, "Width of mobilenet_v2: 0.35, 0.5, 0.75, 1.0, 1.3 or 1.4; narrower is faster.", least=0.35, most=1.4
    )
    weights: str = text(
        IMAGENET,
        "What the network starts from: imagenet (downloaded once, then kept in the object store), a path, an"
        " s3:// or an http(s):// address.",
    )
    weights_sha256: str = text("", "Checksum of weights that come from an http(s):// address.")
    image_size: int = count(0, "Side of what the network sees, in pixels; 0 chooses by the photos.", most=640)
    epochs: int = count(0, "Most passes of the first phase (the head, or all of small_cnn); 0 chooses.", most=1000)
    learning_rate: float = number(0.0, "Learning rate of the first phase; 0 chooses.", most=1)
    fine_tune_epochs: int = count(0, "Most passes of fine-tuning; 0 chooses by the number of images.", most=1000)
    fine_tune_learning_rate: float = number(5e-4, "Learning rate of fine-tuning.", most=1)
    fine_tune_share: float = number(
        1.0,
        "Share of the backbone's layers, counted from the top, that fine-tuning changes; 0 trains the head alone.",
        most=1,
    )
    optimizer: str = choice("adam", "How weights follow gradients.", among=("adam", "adamw", "rmsprop", "sgd"))
    schedule: str = choice(
        "cosine",
        "Learning rate over time: falls as a cosine, falls when validation stands still, or stays.",
        among=("cosine", "plateau", "constant"),
    )
    averaging: float = number(
        0.98,
        "Share of itself that a running average of the weights keeps at each step of fine-tuning; 0: no average.",
        most=0.9999,
    )
    patience: int = count(
        10, "Passes without a better validation loss after which a phase stops; the best is kept.", least=1
    )
    batch_size: int = count(0, "Images in a step; 0 chooses by the memory there is.", most=4096)
    devices: int = count(
        0, "Devices that train at once, each on an equal part of a step's images; 0: all that there are.", most=64
    )
    l1: float = number(0.0, "Penalty on the absolute size of the head's weights.", most=10)
    l2: float = number(1e-4, "Penalty on the square of the head's weights.", most=10)
    dropout: float = number(0.2, "Share of the features that a training step hides from the head.", most=0.95)
    label_smoothing: float = number(0.1, "How far a training label is from certain.", most=0.5)
    augmentation: str = choice(
        AUTO,
        "How much training images are varied; auto chooses by the network.",
        among=(AUTO, "none", "light", "strong"),
    )
    class_weights: str = choice(
        AUTO,
        "Whether images of rare classes count more, or all the same; auto chooses by how rare they are.",
        among=(AUTO, "balanced", "none"),
    )
    seed: int = count(0, "Another seed begins elsewhere and draws images in another order.", most=2**31)
    country: str = text(
        "", "Country (ISO, three letters) whose electricity counts for the CO2; empty: the world's."
    )

    @property
    def pretrained(self) -> bool:
        """Whether the network starts from weights that somebody else trained."""
        return self.architecture != FROM_SCRATCH
