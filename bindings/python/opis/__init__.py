"""opis: says in words what is on a picture.

    import opis
    opis.generate_image_description("photo.jpg")        # 'two dogs run through the water'

    model = opis.Model()                                # loaded once; describe it may be called from many threads
    model.describe("photo.jpg", beams=4).text
"""
from __future__ import annotations

import os
import threading
from ctypes import byref, c_size_t, c_void_p
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Optional, Tuple, Union

from . import _native
from ._native import lib as _lib

__all__ = ["Candidate", "Description", "Error", "FormatError", "Model", "generate_image_description", "__version__"]
__version__: str = _lib.opis_version().decode()


class Error(Exception):
    """What opis could not do. `code` is the name of the C library's error, such as "OPIS_EIO"."""

    def __init__(self, message: str, code: str = "OPIS_EINTERNAL") -> None:
        super().__init__(message)
        self.code = code


class FormatError(Error, ValueError):
    """Bytes that are no picture, or a broken one; model files that are broken."""


class _ArgumentError(Error, ValueError):
    pass


class _NotFoundError(Error, FileNotFoundError):
    pass


class _TimeoutError(Error, TimeoutError):
    pass


_ERRORS = {"OPIS_EFORMAT": FormatError, "OPIS_EINVALID": _ArgumentError, "OPIS_ENOTFOUND": _NotFoundError, "OPIS_ETIMEOUT": _TimeoutError}


def _check(code: int) -> None:
    if code < 0:
        name = _lib.opis_error_name(code).decode()
        message = _lib.opis_error_message().decode("utf-8", "replace")
        if name == "OPIS_ENOMEM":
            raise MemoryError(message)
        raise _ERRORS.get(name, Error)(message, name)


@dataclass(frozen=True)
class Candidate:
    """One sentence of a search."""

    text: str
    score: float  #: Transformers' sequences_scores; greedy search: the mean log-probability
    tokens: Tuple[int, ...]  #: from the start token up to and including the end token


@dataclass(frozen=True)
class Description:
    """What was found for one picture; `candidates` are best first, and `text`, `score` and `tokens` are those of the best."""

    candidates: List[Candidate] = field(repr=False)
    width: int
    height: int

    @property
    def text(self) -> str:
        return self.candidates[0].text

    @property
    def score(self) -> float:
        return self.candidates[0].score

    @property
    def tokens(self) -> Tuple[int, ...]:
        return self.candidates[0].tokens

    def __str__(self) -> str:
        return self.text


class _Image:
    """A decoded picture in native memory."""

    def __init__(self, source: Any, options: _native.ImageOptions) -> None:
        self.pointer = c_void_p()
        if isinstance(source, (str, os.PathLike)):
            _check(_lib.opis_image_open_file(byref(self.pointer), os.fsencode(source), byref(options)))
        elif isinstance(source, (bytes, bytearray, memoryview)):
            raw = bytes(source)
            _check(_lib.opis_image_open_memory(byref(self.pointer), raw, len(raw), byref(options)))
        elif hasattr(source, "__array_interface__") and not hasattr(source, "convert"):
            self._from_array(source)
        elif hasattr(source, "convert") and hasattr(source, "tobytes"):
            self._from_pil(source, bool(options.no_orient))
        else:
            raise ValueError(f"a picture is a path, bytes, a PIL image or a numpy array, not {type(source).__name__}")

    def _from_pil(self, picture: Any, no_orient: bool) -> None:
        if not no_orient:
            from PIL import ImageOps

            picture = ImageOps.exif_transpose(picture) or picture
        picture = picture.convert("RGB")
        raw = picture.tobytes()
        _check(_lib.opis_image_from_pixels(byref(self.pointer), raw, picture.width, picture.height, 3, 0))

    def _from_array(self, array: Any) -> None:
        import numpy

        pixels = numpy.asarray(array)
        shape = pixels.shape if pixels.ndim == 3 else (*pixels.shape, 1)
        if pixels.dtype != numpy.uint8 or len(shape) != 3 or shape[2] not in (1, 3, 4):
            raise ValueError(f"an array is a picture as uint8 [height, width] or [height, width, 1, 3 or 4], not {pixels.dtype} {list(pixels.shape)}")
        pixels = numpy.ascontiguousarray(pixels)
        _check(_lib.opis_image_from_pixels(byref(self.pointer), pixels.ctypes.data, shape[1], shape[0], shape[2], 0))

    def close(self) -> None:
        _lib.opis_image_free(self.pointer)
        self.pointer = c_void_p()

    def __del__(self) -> None:
        pointer = getattr(self, "pointer", None)
        if pointer:
            _lib.opis_image_free(pointer)


Picture = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, Any]
_EARLY = {False: 0, True: 1, "never": 2}


def _options(given: Dict[str, Any]) -> Tuple[_native.Options, Dict[str, Any]]:
    """opis_options from keyword arguments, and what must stay alive while they are used."""
    o = _native.options()
    alive: Dict[str, Any] = {}
    for name, value in given.items():
        if value is None:
            continue
        if name in ("beams", "max_length", "min_length", "no_repeat_ngram", "candidates"):
            setattr(o, name, int(value))
        elif name in ("length_penalty", "repetition_penalty", "timeout"):
            setattr(o, name, float(value))
        elif name in ("max_pixels", "max_bytes"):
            setattr(o.image, name, int(value))
        elif name == "orient":
            o.image.no_orient = 0 if value else 1
        elif name == "early_stopping":
            if value not in _EARLY:
                raise ValueError("early_stopping is False, True or 'never'")
            o.early_stopping = _EARLY[value]
        elif name == "prompt":
            alive["prompt"] = str(value).encode()
            o.prompt = alive["prompt"]
        else:
            raise TypeError(f"unknown option '{name}'")
    return o, alive


class Model:
    """A captioning model, loaded once. Immutable: describe pictures with it from as many threads as you like.

    name: an embedded or installed model, a hub folder, a GGUF file; None: $OPIS_MODEL, else the embedded opis-small.
    precision: None (as the weights are stored), "f32" or "q8". threads: workers for one picture; 0: every core this process may use.
    """

    def __init__(self, name: Optional[Union[str, "os.PathLike[str]"]] = None, *, precision: Optional[str] = None, threads: int = 0) -> None:
        precisions = {None: 0, "f32": 1, "q8": 2}
        if precision not in precisions:
            raise ValueError("precision is None, 'f32' or 'q8'")
        self._pointer = c_void_p()
        options = _native.ModelOptions(1, precisions[precision], int(threads), None, None)
        _check(_lib.opis_model_open(byref(self._pointer), None if name is None else os.fsencode(name), byref(options)))

    def __del__(self) -> None:
        pointer = getattr(self, "_pointer", None)
        if pointer:
            _lib.opis_model_free(pointer)

    def __repr__(self) -> str:
        return f"opis.Model({self.name!r})"

    @property
    def name(self) -> str:
        return str(_lib.opis_model_name(self._pointer), "utf-8", "replace")

    @property
    def family(self) -> str:
        return str(_lib.opis_model_family(self._pointer), "utf-8")

    @property
    def sha256(self) -> str:
        return str(_lib.opis_model_sha256(self._pointer), "utf-8")

    @property
    def parameters(self) -> int:
        return int(_lib.opis_model_parameters(self._pointer))

    @property
    def takes_prompt(self) -> bool:
        return bool(_lib.opis_model_takes_prompt(self._pointer))

    def describe(self, image: Picture, **options: Any) -> Description:
        """Describes one picture: a path, bytes, a PIL image or a numpy array (uint8, [height, width] or [height, width, channels]).

        options, named as in `opis describe`: beams, max_length, min_length, length_penalty, early_stopping (False, True, "never"), no_repeat_ngram, repetition_penalty, candidates, prompt,
        orient, max_pixels, max_bytes, timeout (seconds). What is not given comes from the model's own settings.
        """
        return self.describe_batch([image], **options)[0]

    def describe_batch(self, images: Iterable[Picture], **options: Any) -> List[Description]:
        """Describes several pictures in one go: faster than one at a time, with the same words."""
        native, alive = _options(options)
        interrupted: List[BaseException] = []

        def cancelled(_user: Any) -> int:
            try:
                return 1 if interrupted else 0
            except BaseException as error:  # Ctrl-C arrives here, in the middle of the work
                interrupted.append(error)
                return 1

        alive["cancelled"] = native.cancelled = _native.Cancelled(cancelled)
        _check(_lib.opis_options_check(self._pointer, byref(native)))
        pictures = [_Image(i, native.image) for i in images]
        n = len(pictures)
        if n == 0:
            return []
        pointers = (c_void_p * n)(*[p.pointer for p in pictures])
        found = (c_void_p * n)()
        try:
            code = _lib.opis_describe_images(found, self._pointer, pointers, n, byref(native))
            if interrupted:
                raise interrupted[0]
            _check(code)
            return [_description(c_void_p(d)) for d in found]
        finally:
            for d in found:
                if d:
                    _lib.opis_description_free(c_void_p(d))
            for p in pictures:
                p.close()


def _description(d: c_void_p) -> Description:
    candidates = []
    for i in range(_lib.opis_description_candidates(d)):
        n = c_size_t()
        row = _lib.opis_description_candidate_tokens(d, i, byref(n))
        text = _lib.opis_description_candidate_text(d, i).decode("utf-8", "replace")
        candidates.append(Candidate(text, _lib.opis_description_candidate_score(d, i), tuple(row[k] for k in range(n.value))))
    return Description(candidates, _lib.opis_description_width(d), _lib.opis_description_height(d))


_models: Dict[Any, Model] = {}
_models_lock = threading.Lock()


def _shared_model(name: Any) -> Model:
    """The model of that name, loaded at the first call and kept."""
    if isinstance(name, Model):
        return name
    key = None if name is None else os.fspath(name)
    with _models_lock:
        if key not in _models:
            _models[key] = Model(key)
        return _models[key]


def generate_image_description(image: Picture, model: Union[None, str, "os.PathLike[str]", Model] = None, **options: Any) -> str:
    """The description of a picture in words: 4 beams and at most 16 tokens unless options say otherwise.

    image: a path, bytes, a PIL image or a numpy array. A missing file raises FileNotFoundError, another type ValueError.
    model: a name, a path or a Model; None: the default one. It is loaded at the first call and kept.
    """
    options.setdefault("beams", max(4, options.get("candidates") or 1))
    options.setdefault("max_length", 16)
    return _shared_model(model).describe(image, **options).text
