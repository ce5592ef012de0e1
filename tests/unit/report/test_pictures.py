import base64
import io

from PIL import Image

from binocular.report.pictures import data_url, fitting


def test_pictures_fit_in_the_order_in_which_they_are_wanted() -> None:
    made = {"a": "x" * 10, "b": "x" * 20, "c": "x" * 1}
    assert list(fitting(made, ["a", "b", "c"], 30)) == ["a", "b"]
    assert list(fitting(made, ["c", "b", "a"], 30)) == ["c", "b"]
    assert list(fitting(made, ["a", "b", "a"], 30)) == ["a"]


def test_a_picture_is_text_that_a_browser_reads() -> None:
    url = data_url(Image.new("RGB", (5, 3), "red"))
    kind, _, data = url.partition(",")
    assert kind == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (5, 3)
