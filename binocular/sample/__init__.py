"""The bundled sample: six classes of waste, drawn the same for the same seed on every machine.

    from binocular.sample.drawing import write
    from binocular.sample.spec import Spec

    write(Path("sample"), Spec())

Photo-like enough to be worth training on: shape, texture and gloss tell the classes apart, while colour,
place, size, light and background do not. Known faults can be planted for whoever looks for faults.
"""
