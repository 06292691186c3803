"""Writers of picture files that Pillow reads but does not write: interlaced PNG of every depth, BMP of every depth and with runs, GIF with frames smaller than their screen, EXIF blocks."""
import struct
import zlib

import numpy

PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]  # x, y, step x, step y


def pack(rows, bits):
    """Samples [h, w] of `bits` bits each as bytes, each row padded to a byte; 16 bits big-endian."""
    if bits == 16:
        return [r.astype(">u2").tobytes() for r in rows]
    return [numpy.packbits(((r[:, None].astype(int) >> numpy.arange(bits - 1, -1, -1)) & 1).astype(numpy.uint8).reshape(-1)).tobytes() for r in rows]


def exif(orientation, big=False, prefix=b""):
    e = ">" if big else "<"
    return prefix + (b"MM\0*" if big else b"II*\0") + struct.pack(e + "IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)


def png(samples, bits, colour, interlaced=False, palette=None, trns=None, orientation=None, late_exif=False):
    """samples [h, w, channels]; colour: PNG's colour type."""
    h, w, channels = samples.shape

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    data = b""
    for x, y, dx, dy in PASSES if interlaced else [(0, 0, 1, 1)]:
        part = samples[y::dy, x::dx]
        if part.size:
            before = bytes(len(pack(part[:1].reshape(1, -1), bits)[0]))
            step = max(1, channels * bits // 8)
            for i, row in enumerate(pack(part.reshape(part.shape[0], -1), bits)):
                kind = i % 3  # none, sub, up
                left = bytes(step) + row[:-step] if len(row) > step else bytes(len(row))
                other = [None, left, before][kind]
                data += bytes([kind]) + (row if other is None else bytes((a - b) & 255 for a, b in zip(row, other)))
                before = row
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, bits, colour, 0, 0, int(interlaced)))
    if orientation and not late_exif:
        out += chunk(b"eXIf", exif(orientation, big=True))
    if palette is not None:
        out += chunk(b"PLTE", palette.astype(numpy.uint8).tobytes())
    if trns is not None:
        out += chunk(b"tRNS", trns)
    packed = zlib.compress(data)
    for at in range(0, len(packed), 700):
        out += chunk(b"IDAT", packed[at : at + 700])
    if orientation and late_exif:
        out += chunk(b"eXIf", exif(orientation))
    return out + chunk(b"IEND", b"")


def bmp(pixels, bits, palette=None, compression=0, top_down=False, core=False, masks=None, header=40):
    """pixels [h, w] of indices or packed colours; 24 bits: [h, w, 3]."""
    h, w = pixels.shape[:2]
    order = pixels if top_down else pixels[::-1]
    if compression in (1, 2):
        body = runs(order, compression == 2)
    else:
        body = b""
        for row in order:
            if bits <= 8:
                line = pack(row[None], bits)[0]
            elif bits == 24:
                line = row[:, ::-1].astype(numpy.uint8).tobytes()
            else:
                line = row.astype("<u2" if bits == 16 else "<u4").tobytes()
            body += line + bytes(-len(line) % 4)
    entries = b"" if palette is None else b"".join(bytes([c[2], c[1], c[0]]) + (b"" if core else b"\0") for c in palette.tolist())
    if core:
        head = struct.pack("<IHHHH", 12, w, h, 1, bits)
    else:
        head = struct.pack("<IiiHHIIiiII", header, w, -h if top_down else h, 1, bits, compression, len(body), 2835, 2835, 0 if palette is None else len(palette), 0)
        if header > 40:
            head += struct.pack("<IIII", *(masks + (0,))[:4]) + bytes(header - 56)
        elif masks:
            head += struct.pack("<III", *masks[:3])
    at = 14 + len(head) + len(entries)
    return b"BM" + struct.pack("<IHHI", at + len(body), 0, 0, at) + head + entries + body


def runs(rows, four):
    """Run lengths: real runs, literal stretches, and a jump over what is index 0."""
    out = b""
    for y, row in enumerate(rows):
        row, x = row.tolist(), 0
        while x < len(row):
            n = 1
            while x + n < len(row) and row[x + n] == row[x] and n < 255:
                n += 1
            if row[x] == 0 and 3 < n and x + n < len(row):
                out += bytes([0, 2, n, 0])
            elif n >= 3 or len(row) - x < 3:
                out += bytes([n, row[x] * 17 if four else row[x]])
            else:
                n = min(len(row) - x, 3 + (y * 7) % 40)
                part = row[x : x + n]
                body = bytes((part[i] << 4) | (part[i + 1] if i + 1 < n else 0) for i in range(0, n, 2)) if four else bytes(part)
                out += bytes([0, n]) + body + bytes(len(body) % 2)
            x += n
        out += b"\0\0"
    return out + b"\0\1"


def gif(frames, screen, palette, background=0):
    """frames: (left, top, indices [h, w], transparent index or None, disposal, own palette or None, interlaced)."""

    def lzw(indices, bits):
        """Uncompressed in LZW's clothes: a clear code before the table can grow past its width."""
        clear, width, out, acc, n = 1 << bits, bits + 1, bytearray(), 0, 0
        codes = []
        for i, v in enumerate(indices):
            if i % max(1, (1 << bits) - 2) == 0:
                codes.append(clear)
            codes.append(v)
        for c in codes + [clear + 1]:
            acc |= c << n
            n += width
            while n >= 8:
                out.append(acc & 255)
                acc >>= 8
                n -= 8
        if n:
            out.append(acc & 255)
        return bytes([bits]) + b"".join(bytes([len(out[i : i + 255])]) + bytes(out[i : i + 255]) for i in range(0, len(out), 255)) + b"\0"

    def table(p):
        bits = max(1, (len(p) - 1).bit_length())
        return bits, p.astype(numpy.uint8).tobytes() + bytes(3 * ((1 << bits) - len(p)))

    flags, entries = 0, b""
    if palette is not None:
        bits, entries = table(palette)
        flags = 0x80 | (bits - 1)
    out = b"GIF89a" + struct.pack("<HHBBB", *screen, flags, background, 0) + entries
    if len(frames) > 1:
        out += b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"
    for left, top, indices, transparent, disposal, own, interlaced in frames:
        out += b"!\xf9\x04" + struct.pack("<BHBB", disposal << 2 | (transparent is not None), 5, transparent or 0, 0)
        h, w = indices.shape
        flags, entries = 0x40 if interlaced else 0, b""
        if own is not None:
            bits, entries = table(own)
            flags |= 0x80 | (bits - 1)
        used = own if own is not None else palette
        size = 8 if used is None else max(2, (len(used) - 1).bit_length())
        if interlaced:
            indices = numpy.concatenate([indices[0::8], indices[4::8], indices[2::4], indices[1::2]])
        out += b"," + struct.pack("<HHHHB", left, top, w, h, flags) + entries + lzw(indices.reshape(-1).tolist(), size)
    return out + b";"
