# venv: pictures
"""Pictures as Pillow sees them: 300 generated files of every kind, mode and odd encoder setting, decoded and turned upright; and resizes of random sizes by every filter, bit for bit."""
import io
import os
import random
import subprocess
from pathlib import Path

import imagecodecs
import numpy
import picture_files as files
import pillow_heif
import pytest
import tifffile
from PIL import Image, ImageOps

FULL = os.environ.get("OPIS_INTEROP") == "full"
ROUNDS = 5 if FULL else 1
pillow_heif.register_heif_opener()


class Tool:
    """tests/tools/picture_tool: one question a line."""

    def __init__(self):
        path = Path(os.environ["OPIS"]).parent / "tests" / "tools" / "picture_tool"
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, path, width=0, height=0, filter=0):
        """The pixels [h, w, 3], or the message why there are none."""
        self.process.stdin.write(f"{width} {height} {filter} {path}\n".encode())
        self.process.stdin.flush()
        w, h, words = self.process.stdout.readline().decode().rstrip("\n").split(" ", 2)
        if w == "0":
            return words
        return numpy.frombuffer(self.process.stdout.read(int(w) * int(h) * 3), numpy.uint8).reshape(int(h), int(w), 3)


@pytest.fixture(scope="module")
def tool():
    t = Tool()
    yield t
    t.process.stdin.close()
    assert t.process.wait(10) == 0


def size(r):
    kind = r.random()
    if kind < 0.1:
        return 1, r.randrange(1, 90)
    if kind < 0.2:
        return r.randrange(1, 90), 1
    return r.randrange(2, 120), r.randrange(2, 120)


def content(r, mode="RGB", wh=None):
    """Slopes, blocks and noise in a mode of Pillow."""
    w, h = wh or size(r)
    n = numpy.random.RandomState(r.randrange(1 << 30))
    coarse = Image.fromarray(n.randint(0, 256, (r.randrange(2, 8), r.randrange(2, 8), 4), dtype=numpy.uint8)).resize((w, h), r.choice([Image.NEAREST, Image.BICUBIC]))
    noise = Image.fromarray(n.randint(0, 256, (h, w, 4), dtype=numpy.uint8))
    image = Image.blend(coarse, noise, r.choice([0, 0.05, 0.5]))
    if mode == "RGBA":
        return image
    if mode == "LA":
        return Image.merge("LA", [image.getchannel("G"), image.getchannel("A")])
    if mode == "PA":
        p = image.convert("RGB").convert("P", palette=Image.ADAPTIVE, colors=64).convert("PA")
        p.putalpha(image.getchannel("A"))
        return p
    if mode == "P":
        return image.convert("RGB").convert("P", palette=Image.ADAPTIVE, colors=r.choice([2, 3, 16, 77, 256]))
    if mode == "I;16":
        return Image.fromarray(n.randint(0, 65536, (h, w), dtype=numpy.uint16))
    if mode == "LAB":
        return Image.merge("LAB", image.split()[:3])
    if mode == "CMYK":
        return Image.merge("CMYK", image.split())
    return image.convert("RGB").convert(mode)


def indices(r, bits, wh=None):
    w, h = wh or size(r)
    n = numpy.random.RandomState(r.randrange(1 << 30))
    return n.randint(0, 1 << bits, (h, w)) * (n.rand(h, w) < r.choice([0.2, 1])), n.randint(0, 256, (1 << bits, 3))


# ---- what is written: each gives the bytes, and whether it must be equal ----

def with_pillow(r, path, image, format, lossy=False, **options):
    image.save(path, format, **options)
    return "lossy" if lossy else "equal"


def orientation(r):
    """An EXIF block for half of the pictures."""
    if r.random() < 0.5:
        return {}
    e = Image.Exif()
    e[0x112] = r.randrange(1, 9)
    if r.random() < 0.5:
        e[0x10F] = "a maker"
    return {"exif": e}


def jpeg(r, path):
    mode = r.choice(["RGB", "RGB", "L", "CMYK", "YCbCr"])
    options = dict(quality=r.choice([1, 30, 75, 95, 100]), progressive=r.random() < 0.4, optimize=r.random() < 0.3, **orientation(r))
    if mode in ("RGB", "YCbCr"):
        options["subsampling"] = r.choice([0, 1, 2])
    if r.random() < 0.3:
        options[r.choice(["restart_marker_blocks", "restart_marker_rows"])] = r.randrange(1, 9)
    if r.random() < 0.2 and mode == "RGB":
        options.update(keep_rgb=True, subsampling=0)
    return with_pillow(r, path, content(r, mode), "JPEG", lossy=True, **options)


def odd_jpeg(r, path):
    """Subsamplings that Pillow does not write, arithmetic coding."""
    image = numpy.array(content(r, "RGB", (r.randrange(8, 100), r.randrange(8, 100))))
    path.write_bytes(imagecodecs.jpeg8_encode(image, level=r.choice([50, 90]), subsampling=r.choice(["444", "422", "420", "411", "440"]), optimize=r.random() < 0.5))
    return "lossy"


def png(r, path):
    mode = r.choice(["1", "L", "LA", "P", "RGB", "RGBA", "HSV"])
    image = content(r, mode)
    options = orientation(r)
    if mode == "P" and r.random() < 0.5:
        options["transparency"] = 0
    return with_pillow(r, path, image.convert("RGB") if mode == "HSV" else image, "PNG", **options)


def odd_png(r, path):
    """Every colour type at every depth, interlaced or not, with tRNS, EXIF before and behind the pixels."""
    w, h = size(r)
    colour = r.choice([0, 2, 3, 4, 6])
    bits = r.choice({0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16]}[colour])
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    n = numpy.random.RandomState(r.randrange(1 << 30))
    samples = n.randint(0, 1 << bits, (h, w, channels))
    palette = n.randint(0, 256, (1 << bits, 3)) if colour == 3 else None
    trns = None
    if r.random() < 0.5 and colour in (0, 2, 3):
        trns = {0: bytes([0, 1]), 2: bytes([0, 7, 0, 8, 0, 9]), 3: bytes([0, 128])}[colour]
    turned = r.choice([None, None, 1, 2, 3, 4, 5, 6, 7, 8])
    path.write_bytes(files.png(samples, bits, colour, r.random() < 0.6, palette, trns, turned, r.random() < 0.5))
    return samples[:, :, 0] if colour == 0 and bits == 16 else "equal"


def webp(r, path):
    image, lossless = content(r, r.choice(["RGB", "RGBA"])), r.random() < 0.5
    options = dict(lossless=lossless, quality=r.choice([10, 80, 100]), method=r.choice([0, 4]), exact=r.random() < 0.5, **orientation(r))
    if r.random() < 0.25:
        options.update(save_all=True, append_images=[content(r, image.mode, image.size)], duration=50)
        options.pop("exif", None)
    return with_pillow(r, path, image, "WEBP", lossy=not lossless, **options)


def gif(r, path):
    image = content(r, r.choice(["1", "L", "P", "RGB", "RGBA"]))
    options = dict(interlace=r.random() < 0.5)
    if r.random() < 0.5:
        options.update(save_all=True, append_images=[content(r, "RGB", image.size) for _ in range(2)], disposal=r.choice([0, 1, 2, 3]), duration=40)
    return with_pillow(r, path, image, "GIF", **options)


def odd_gif(r, path):
    """Frames smaller than the screen, or beyond it; transparency, disposal, palettes of their own, no palette at all."""
    frames, bits = [], r.randrange(1, 9)
    palette = numpy.random.RandomState(r.randrange(1 << 30)).randint(0, 256, (1 << bits, 3))
    screen = r.randrange(20, 60), r.randrange(20, 60)
    bare = bits == 8 and r.random() < 0.5
    for _ in range(r.randrange(1, 4)):
        own = numpy.random.RandomState(r.randrange(1 << 30)).randint(0, 256, (1 << bits, 3)) if r.random() < 0.4 and not bare else None
        frame, _ = indices(r, bits, (r.randrange(4, 20), r.randrange(4, 20)))
        frames.append((r.randrange(0, 40), r.randrange(0, 40), frame, r.choice([None, 0, 1]), r.randrange(4), own, r.random() < 0.4))
    path.write_bytes(files.gif(frames, screen, None if bare else palette, background=1))
    return "equal"


def bmp(r, path):
    kind = r.choice(["pillow", 1, 4, 8, "rle8", "rle4", 24, 16, "565", 32, "masks", "alpha", "core"])
    if kind == "pillow":
        return with_pillow(r, path, content(r, r.choice(["1", "L", "P", "RGB", "RGBA"])), "BMP")
    n = numpy.random.RandomState(r.randrange(1 << 30))
    w, h = size(r)
    top = r.random() < 0.3
    if kind in (1, 4, 8):
        pixels, palette = indices(r, kind, (w, h))
        data = files.bmp(pixels, kind, palette, top_down=top)
    elif kind == "core":
        bits = r.choice([1, 4, 8])
        pixels, palette = indices(r, bits, (w, h))
        data = files.bmp(pixels, bits, palette, core=True)
    elif kind in ("rle8", "rle4"):
        bits = int(kind[3])
        pixels, palette = indices(r, bits, (w, h))
        data = files.bmp(numpy.repeat(pixels, r.choice([1, 5]), axis=1), bits, palette, compression=1 if bits == 8 else 2)
    elif kind == 24:
        data = files.bmp(n.randint(0, 256, (h, w, 3)), 24, top_down=top, core=r.random() < 0.3 and not top)
    elif kind == 16:
        data = files.bmp(n.randint(0, 1 << 15, (h, w)), 16, top_down=top)
    elif kind == "565":
        data = files.bmp(n.randint(0, 1 << 16, (h, w)), 16, compression=3, masks=(0xF800, 0x7E0, 0x1F), header=r.choice([40, 56, 124]), top_down=top)
    elif kind == 32:
        data = files.bmp(n.randint(0, 1 << 32, (h, w)), 32, top_down=top)
    else:
        masks = r.choice([(0xFF0000, 0xFF00, 0xFF), (0xFF000000, 0xFF0000, 0xFF00)]) + (0,) if kind == "masks" else r.choice([(0xFF, 0xFF00, 0xFF0000, 0xFF000000), (0xFF0000, 0xFF00, 0xFF, 0xFF000000)])
        data = files.bmp(n.randint(0, 1 << 32, (h, w)), 32, compression=3, masks=masks, header=124 if kind == "alpha" else r.choice([40, 124]), top_down=top)
    path.write_bytes(data)
    return "equal"


def tiff(r, path):
    mode = r.choice(["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16"])
    image = content(r, mode)
    compression = r.choice([None, "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "packbits"])
    if mode == "1":
        compression = r.choice([None, "group3", "group4", "packbits"])
    if mode == "YCbCr" and compression is None:
        compression = "packbits"  # Pillow rounds down those that it reads without libtiff
    options = {} if compression is None else {"compression": compression}
    if mode in ("L", "RGB") and r.random() < 0.3:
        with_pillow(r, path, image, "TIFF", compression="jpeg", quality=90)
        return "lossy"
    if r.random() < 0.4:
        options["tiffinfo"] = {274: r.randrange(1, 9)}
    if mode == "I;16" and options:
        options = {"compression": "tiff_lzw"}
    with_pillow(r, path, image, "TIFF", **options)
    return numpy.array(image) if mode == "I;16" else "lossy" if mode == "YCbCr" else "lab" if mode == "LAB" else "equal"


def odd_tiff(r, path):
    """Tiles, planes, predictors, both byte orders, 16 bit colours, several pages, BigTIFF."""
    mode = r.choice(["L", "RGB", "RGBA", "1", "RGB16", "CMYK", "I;16"])
    image = numpy.array(content(r, mode.replace("16", "") if mode == "RGB16" else mode, (r.randrange(3, 120), r.randrange(3, 120))))
    if mode == "RGB16":
        image = image.astype(numpy.uint16) * 257 - (image > 0) * numpy.uint16(r.randrange(200))
    compression = r.choice([None, "zlib", "lzw", "packbits"]) if mode != "1" else None
    options = dict(byteorder=r.choice("<>"), compression=compression, bigtiff=r.random() < 0.15)
    if options["bigtiff"]:
        options["byteorder"] = "<"  # as much as Pillow knows
    options["photometric"] = {"L": "minisblack", "1": "minisblack", "I;16": "minisblack", "CMYK": "separated"}.get(mode, "rgb")
    if mode == "RGBA":
        options["extrasamples"] = ["unassalpha"]
    if r.random() < 0.5:
        options["tile"] = (r.choice([16, 32, 64]), r.choice([16, 48]))
    else:
        options["rowsperstrip"] = r.randrange(1, 20)
    if compression in ("zlib", "lzw") and r.random() < 0.6:
        options["predictor"] = True
    if mode in ("RGB", "RGB16") and r.random() < 0.4:
        options["planarconfig"] = "separate"
        image = numpy.moveaxis(image, 2, 0)
    elif image.ndim == 3:
        options["planarconfig"] = "contig"
    with tifffile.TiffWriter(path, bigtiff=options.pop("bigtiff"), byteorder=options.pop("byteorder")) as t:
        t.write(image, metadata=None, **options)
        if r.random() < 0.3:
            t.write(numpy.zeros((5, 5), numpy.uint8), metadata=None)
    if mode == "RGB16":  # Pillow reads some layouts only
        return numpy.moveaxis(image, 0, 2) if "separate" in options.values() else image
    return image if mode == "I;16" else "equal"


def pnm(r, path):
    kind, most = r.randrange(1, 7), r.choice([1, 15, 100, 255, 255, 255, 1000, 65535])
    w, h = size(r)
    n = numpy.random.RandomState(r.randrange(1 << 30))
    comment = r.choice(["", "# a comment\n"])
    if kind in (1, 4):
        bits = n.randint(0, 2, (h, w))
        body = b"".join(files.pack(bits, 1)) if kind == 4 else b"\n".join(r.choice([b"", b" "]).join(b"01"[v : v + 1] for v in row) for row in bits)
        path.write_bytes(f"P{kind}\n{comment}{w} {h}\n".encode() + body)
        return "equal"
    values = n.randint(0, most + 1, (h, w, 3 if kind in (3, 6) else 1))
    body = values.astype(">u2" if most > 255 else "u1").tobytes() if kind > 3 else b"\n".join(b" ".join(str(v).encode() for v in row.reshape(-1)) for row in values)
    path.write_bytes(f"P{kind}\n{comment}{w} {h}\n{most}\n".encode() + body + (b"" if kind > 3 else b"\n"))
    if kind in (2, 5) and most > 255:
        return numpy.round(values[:, :, 0] / most * 65535).astype(int)
    return "equal"


def heif(r, path):
    image = content(r, r.choice(["RGB", "RGBA", "L"]), (r.randrange(16, 120), r.randrange(16, 120)))
    return with_pillow(r, path, image, r.choice(["HEIF", "AVIF"]), lossy=True, quality=r.choice([50, 90]))


KINDS = {"jpeg": (jpeg, 45), "odd_jpeg": (odd_jpeg, 15), "png": (png, 25), "odd_png": (odd_png, 50), "webp": (webp, 30), "gif": (gif, 20), "odd_gif": (odd_gif, 20), "bmp": (bmp, 30),
         "tiff": (tiff, 25), "odd_tiff": (odd_tiff, 20), "pnm": (pnm, 15), "heif": (heif, 5)}


def test_there_are_300():
    assert sum(count for _, count in KINDS.values()) == 300


def expected(path, wanted):
    """What Pillow reads; of 16-bit samples the high byte, where Pillow clips to white or does not read them."""
    if not isinstance(wanted, str) and wanted.ndim == 3:
        return (wanted >> 8).astype(numpy.uint8)
    with Image.open(io.BytesIO(path.read_bytes())) as image:  # by name, Pillow maps plain TIFFs and forgets their orientation
        if isinstance(wanted, str):
            return numpy.array(ImageOps.exif_transpose(image).convert("RGB"))
        grey = Image.fromarray((wanted >> 8).astype(numpy.uint8))
        grey.getexif()[0x112] = image.getexif().get(0x112, 1)
        return numpy.array(ImageOps.exif_transpose(grey).convert("RGB"))


@pytest.mark.parametrize("kind", KINDS)
def test_pixels(kind, tool, tmp_path):
    write, count = KINDS[kind]
    wrong = []
    for seed in range(count * ROUNDS):
        r = random.Random(f"{kind} {seed}")
        path = tmp_path / f"{seed}.picture"
        wanted = write(r, path)
        theirs, ours = expected(path, wanted), tool.ask(path)
        if isinstance(ours, str):
            wrong.append((seed, ours))
        elif ours.shape != theirs.shape:
            wrong.append((seed, ours.shape, theirs.shape))
        elif isinstance(wanted, str) and wanted in ("lossy", "lab"):  # Pillow converts L*a*b* by lcms, which clips colours that no screen shows in its own way
            if abs(ours.astype(float).mean((0, 1)) - theirs.astype(float).mean((0, 1))).max() > (0.5 if wanted == "lossy" else 2):
                wrong.append((seed, "means", ours.mean((0, 1)), theirs.mean((0, 1))))
        elif (ours != theirs).any():
            wrong.append((seed, f"{(ours != theirs).any(2).mean():.0%} of {theirs.shape} differ, by {abs(ours.astype(int) - theirs).max()}"))
        path.rename(tmp_path / str(seed)) if wrong and wrong[-1][0] == seed else path.unlink()
    assert not wrong, f"{len(wrong)} of {count * ROUNDS} differ in {tmp_path}: {wrong[:10]}"


@pytest.mark.parametrize("filter", list(Image.Resampling)[:6], ids=lambda f: f.name)
def test_resize(filter, tool, tmp_path):
    r = random.Random(int(filter))
    path, wrong = tmp_path / "picture.ppm", []
    for _ in range(100 * ROUNDS):
        image = content(r, "RGB", (r.randrange(1, 300), r.randrange(1, 300)) if r.random() < 0.8 else (r.choice([1, 2, 3]), r.randrange(1, 900)))
        w, h = (r.randrange(1, 300), r.randrange(1, 300)) if r.random() < 0.7 else (224, 224)
        image.save(path)
        if (tool.ask(path, w, h, int(filter)) != numpy.array(image.resize((w, h), filter))).any():
            wrong.append((image.size, w, h))
    assert not wrong, f"{len(wrong)} differ: {wrong[:10]}"


@pytest.mark.parametrize("mode", ["I", "F"])
def test_samples_of_32_bits_are_refused_with_words(mode, tool, tmp_path):
    content(random.Random(1), mode, (5, 6)).save(tmp_path / "a.tiff")
    answer = tool.ask(tmp_path / "a.tiff")
    assert isinstance(answer, str) and "32" in answer, answer
