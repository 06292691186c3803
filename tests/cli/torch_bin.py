"""Writes what torch.save writes, without torch: the zip form and the one before torch 1.6, and broken ones of both."""
import io
import json
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict

KINDS = {"F32": ("FloatStorage", 4), "F16": ("HalfStorage", 2), "BF16": ("BFloat16Storage", 2), "F64": ("DoubleStorage", 8), "I64": ("LongStorage", 8), "U8": ("ByteStorage", 1), "BOOL": ("BoolStorage", 1)}
MAGIC = 0x1950A86A20F9469CFC6C


def _modules():
    """Stand-ins with torch's names, which is all that a pickle keeps of a global."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for module, names in ((torch, [name for name, _ in KINDS.values()]), (utils, ["_rebuild_tensor_v2", "_rebuild_parameter"])):
        for name in names:
            thing = type(name, (), {"__module__": module.__name__})
            setattr(module, name, thing)
    torch._utils = utils
    return {"torch": torch, "torch._utils": utils}


class Storage:
    def __init__(self, kind, data, key=None):
        self.kind, self.data, self.key = kind, data, key

    @property
    def elements(self):
        return len(self.data) // KINDS[self.kind][1]


class Tensor:
    """A view: by default the whole storage, contiguous."""

    def __init__(self, storage, shape, offset=0, strides=None, parameter=False):
        if strides is None:
            strides, n = [], 1
            for d in reversed(shape):
                strides.insert(0, n)
                n *= d
        self.storage, self.shape, self.offset, self.strides, self.parameter = storage, tuple(shape), offset, tuple(strides), parameter


def dump(value, protocol, storages, modules, legacy):
    class Call:
        def __init__(self, function, args):
            self.function, self.args = function, args

        def __reduce__(self):
            return self.function, self.args

    def convert(v):
        if isinstance(v, Tensor):
            call = Call(modules["torch._utils"]._rebuild_tensor_v2, (v.storage, v.offset, v.shape, v.strides, False, OrderedDict()))
            return Call(modules["torch._utils"]._rebuild_parameter, (call, True, OrderedDict())) if v.parameter else call
        if isinstance(v, dict):
            new = type(v)((k, convert(x)) for k, x in v.items())
            if isinstance(v, OrderedDict) and hasattr(v, "_metadata"):
                new._metadata = v._metadata
            return new
        return v

    class Pickler(pickle.Pickler):
        def persistent_id(self, v):
            if not isinstance(v, Storage):
                return None
            if v not in storages:
                storages.append(v)
            key = v.key if v.key is not None else str(storages.index(v) + (94213560 if legacy else 0))
            v.key = key
            id_ = ("storage", getattr(modules["torch"], KINDS[v.kind][0]), key, "cpu", v.elements)
            return (*id_, None) if legacy else id_

    out = io.BytesIO()
    pickler = Pickler(out, protocol)
    old = {name: sys.modules.get(name) for name in modules}
    value = convert(value)
    sys.modules.update(modules)
    try:
        pickler.dump(value)
    finally:
        for name, module in old.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
    return out.getvalue()


def save(path, state, protocol=2, prefix="archive", compress=False, extra=(), drop=(), pickled=None):
    """The zip form. `extra`: more entries (name, bytes); `drop`: storage keys left out; `pickled`: this instead of the pickle."""
    storages = []
    data = dump(state, protocol, storages, _modules(), False)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as z:
        z.writestr(f"{prefix}/data.pkl", pickled if pickled is not None else data)
        if not any(name == "byteorder" for name, _ in extra):
            z.writestr(f"{prefix}/byteorder", "little")
        for s in storages:
            if s.key not in drop:
                z.writestr(f"{prefix}/data/{s.key}", s.data)
        z.writestr(f"{prefix}/version", "3\n")
        for name, text in extra:
            z.writestr(f"{prefix}/{name}", text)
    return path


def save_legacy(path, state, protocol=2, little=True, cut=0):
    """What torch.save wrote before 1.6."""
    storages = []
    modules = _modules()
    out = pickle.dumps(MAGIC, protocol) + pickle.dumps(1001, protocol)
    out += pickle.dumps({"protocol_version": 1001, "little_endian": little, "type_sizes": {"short": 2, "int": 4, "long": 4}}, protocol)
    out += dump(state, protocol, storages, modules, True)
    out += pickle.dumps([s.key for s in storages], protocol)
    for s in storages:
        out += struct.pack("<q", s.elements) + s.data
    path.write_bytes(out[: len(out) - cut])
    return path


def read_safetensors(path):
    """name -> (kind, shape, bytes)"""
    data = path.read_bytes()
    n = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + n])
    return {name: (t["dtype"], t["shape"], data[8 + n + t["data_offsets"][0] : 8 + n + t["data_offsets"][1]]) for name, t in header.items() if name != "__metadata__"}
