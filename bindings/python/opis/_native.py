"""The C interface of libopis (include/opis/*.h), as ctypes sees it. Every call releases the GIL while it works."""
import ctypes
import ctypes.util
import os
import pathlib
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_double, c_int, c_int32, c_size_t, c_uint32, c_uint64, c_void_p


def _load() -> ctypes.CDLL:
    """The library: $OPIS_LIBRARY, else the one inside this package, else the system's."""
    given = os.environ.get("OPIS_LIBRARY")
    inside = sorted(pathlib.Path(__file__).parent.glob("libopis.so*"))
    name = given or (str(inside[0]) if inside else "libopis.so.0")
    try:
        return ctypes.CDLL(name)
    except OSError as error:
        raise ImportError(f"opis: cannot load the native library: {error}; install the opis wheel or libopis, or set OPIS_LIBRARY") from error


class ImageOptions(Structure):
    _fields_ = [("version", c_uint32), ("max_bytes", c_uint64), ("max_pixels", c_uint64), ("no_orient", c_int)]


class ModelOptions(Structure):
    _fields_ = [("version", c_uint32), ("precision", c_int), ("threads", c_int), ("progress", c_void_p), ("user", c_void_p)]


Cancelled = CFUNCTYPE(c_int, c_void_p)


class Options(Structure):
    _fields_ = [
        ("version", c_uint32),
        ("beams", c_int),
        ("max_length", c_int),
        ("min_length", c_int),
        ("length_penalty", c_double),
        ("early_stopping", c_int),
        ("no_repeat_ngram", c_int),
        ("repetition_penalty", c_double),
        ("candidates", c_int),
        ("prompt", c_char_p),
        ("image", ImageOptions),
        ("attention", c_int),
        ("timeout", c_double),
        ("cancelled", Cancelled),
        ("partial", c_void_p),
        ("settled", c_void_p),
        ("user", c_void_p),
    ]


NAN = float("nan")


def options() -> Options:
    """OPIS_OPTIONS_INIT."""
    return Options(1, 0, 0, -1, NAN, -1, -1, NAN, 0, None, ImageOptions(1, 0, 0, 0), 0, 0.0)


lib = _load()

_SIGNATURES = {
    "opis_version": (c_char_p, []),
    "opis_cpu": (c_char_p, []),
    "opis_error_message": (c_char_p, []),
    "opis_error_name": (c_char_p, [c_int]),
    "opis_model_open": (c_int, [POINTER(c_void_p), c_char_p, POINTER(ModelOptions)]),
    "opis_model_free": (None, [c_void_p]),
    "opis_model_name": (c_char_p, [c_void_p]),
    "opis_model_family": (c_char_p, [c_void_p]),
    "opis_model_sha256": (c_char_p, [c_void_p]),
    "opis_model_parameters": (c_uint64, [c_void_p]),
    "opis_model_takes_prompt": (c_int, [c_void_p]),
    "opis_options_check": (c_int, [c_void_p, POINTER(Options)]),
    "opis_image_open_file": (c_int, [POINTER(c_void_p), c_char_p, POINTER(ImageOptions)]),
    "opis_image_open_memory": (c_int, [POINTER(c_void_p), c_char_p, c_size_t, POINTER(ImageOptions)]),
    "opis_image_from_pixels": (c_int, [POINTER(c_void_p), c_void_p, c_int, c_int, c_int, c_size_t]),
    "opis_image_free": (None, [c_void_p]),
    "opis_describe_image": (c_int, [POINTER(c_void_p), c_void_p, c_void_p, POINTER(Options)]),
    "opis_describe_images": (c_int, [POINTER(c_void_p), c_void_p, POINTER(c_void_p), c_size_t, POINTER(Options)]),
    "opis_description_free": (None, [c_void_p]),
    "opis_description_candidates": (c_size_t, [c_void_p]),
    "opis_description_candidate_text": (c_char_p, [c_void_p, c_size_t]),
    "opis_description_candidate_score": (c_double, [c_void_p, c_size_t]),
    "opis_description_candidate_tokens": (POINTER(c_int32), [c_void_p, c_size_t, POINTER(c_size_t)]),
    "opis_description_width": (c_int, [c_void_p]),
    "opis_description_height": (c_int, [c_void_p]),
}
for _name, (_result, _arguments) in _SIGNATURES.items():
    _function = getattr(lib, _name)
    _function.restype = _result
    _function.argtypes = _arguments
