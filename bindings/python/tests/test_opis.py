"""The Python module against the pictures and answers in tests/golden."""
import gc
import json
import os
import pathlib
import resource
import subprocess
import sys
import threading

import opis
import pytest

GOLDEN = pathlib.Path(__file__).parents[3] / "tests" / "golden"
PICTURES = GOLDEN / "pictures"
CASES = json.loads((GOLDEN / "opis-small" / "expected.json").read_text())["cases"]
WORDS = {c["image"]: c["texts"][0] for c in CASES if c["options"] == {"max_length": 16, "num_beams": 4}}


@pytest.mark.parametrize("name", sorted(WORDS))
def test_words(name):
    assert opis.generate_image_description(PICTURES / name) == WORDS[name]
    assert opis.generate_image_description(str(PICTURES / name)) == WORDS[name]


def test_bytes():
    raw = (PICTURES / "cat.jpg").read_bytes()
    for form in (raw, bytearray(raw), memoryview(raw)):
        assert opis.generate_image_description(form) == WORDS["cat.jpg"]


def test_pil_image():
    Image = pytest.importorskip("PIL.Image")
    with Image.open(PICTURES / "coffee.jpg") as picture:
        assert opis.generate_image_description(picture) == WORDS["coffee.jpg"]
    with Image.open(PICTURES / "exif6.jpg") as picture:
        assert opis.Model().describe(picture).tokens == opis.Model().describe(PICTURES / "exif6.jpg").tokens


def test_numpy_array():
    numpy = pytest.importorskip("numpy")
    Image = pytest.importorskip("PIL.Image")
    array = numpy.asarray(Image.open(PICTURES / "cat.jpg").convert("RGB"))
    assert opis.generate_image_description(array) == WORDS["cat.jpg"]
    assert opis.generate_image_description(numpy.asfortranarray(array)) == WORDS["cat.jpg"]
    alpha = numpy.dstack([array, numpy.zeros(array.shape[:2], numpy.uint8)])
    assert opis.generate_image_description(alpha) == WORDS["cat.jpg"]
    opis.generate_image_description(array[:, :, 0])
    for wrong in (array.astype(float), array[0, 0], array[:, :, :2], array[:0]):
        with pytest.raises(ValueError):
            opis.generate_image_description(wrong)


@pytest.mark.parametrize("wrong", [None, 42, 1.5, object(), ["a.jpg"]])
def test_another_type_is_a_value_error(wrong):
    with pytest.raises(ValueError):
        opis.generate_image_description(wrong)


def test_errors():
    with pytest.raises(FileNotFoundError, match="none.jpg"):
        opis.generate_image_description("none.jpg")
    with pytest.raises(opis.FormatError):
        opis.generate_image_description(b"no picture")
    with pytest.raises(ValueError):
        opis.generate_image_description(b"")
    with pytest.raises(opis.Error):
        opis.Model("no-such-model")
    with pytest.raises(TypeError):
        opis.generate_image_description(PICTURES / "cat.jpg", beam=3)
    with pytest.raises(ValueError):
        opis.generate_image_description(PICTURES / "cat.jpg", candidates=5, beams=2)
    with pytest.raises(opis.Error):
        opis.generate_image_description(PICTURES / "cat.jpg", max_pixels=100)


def test_options_and_candidates():
    model = opis.Model()
    d = model.describe(PICTURES / "cat.jpg", beams=4, max_length=20, candidates=4)
    golden = next(c for c in CASES if c["image"] == "cat.jpg" and c["options"].get("num_return_sequences") == 4)
    assert [c.text for c in d.candidates] == golden["texts"]
    assert (d.width, d.height) == (451, 300)
    assert str(d) == d.text == d.candidates[0].text
    assert model.name == "opis-small" and model.family == "efficientnet-lite-gpt2" and not model.takes_prompt
    assert model.parameters == 13971912 and len(model.sha256) == 64


def test_batch_gives_the_same_words():
    model = opis.Model(threads=2)
    together = model.describe_batch([PICTURES / n for n in WORDS], beams=4, max_length=16)
    assert [d.text for d in together] == list(WORDS.values())
    assert model.describe_batch([]) == []


def test_a_model_is_loaded_once():
    opis.generate_image_description(PICTURES / "cat.jpg")
    first = opis._shared_model(None)
    opis.generate_image_description(PICTURES / "cat.jpg")
    assert opis._shared_model(None) is first


def test_many_threads():
    wrong = []

    def work(name):
        for _ in range(5):
            if opis.generate_image_description(PICTURES / name) != WORDS[name]:
                wrong.append(name)

    threads = [threading.Thread(target=work, args=(n,)) for n in list(WORDS) * 2]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_other_threads_run_while_it_works(tmp_path):
    """The library waits for a pipe that only another thread fills: were Python's lock held, both would wait for ever."""
    script = """
import opis, os, shutil, sys, threading
os.mkfifo(sys.argv[2])
def fill():
    with open(sys.argv[1], "rb") as source, open(sys.argv[2], "wb") as pipe:
        shutil.copyfileobj(source, pipe)
sys.setswitchinterval(1e6)
threading.Thread(target=fill).start()
print(opis.generate_image_description(sys.argv[2]))
"""
    done = subprocess.run([sys.executable, "-c", script, PICTURES / "cat.jpg", tmp_path / "pipe"], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == WORDS["cat.jpg"], done.stderr


def memory():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * resource.getpagesize()


def test_memory_stays_flat_over_a_thousand_calls():
    raw = (PICTURES / "one.png").read_bytes()
    for _ in range(50):
        opis.generate_image_description(raw)
    gc.collect()
    before = memory()
    for _ in range(1000):
        opis.generate_image_description(raw)
    gc.collect()
    assert memory() - before < 4 << 20


def test_it_is_the_library_that_was_built():
    assert opis.__version__ == (pathlib.Path(__file__).parents[3] / "VERSION").read_text().strip()
    assert os.environ.get("OPIS_LIBRARY") or pathlib.Path(opis.__file__).parent.glob("libopis.so*")
