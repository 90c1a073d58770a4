"""Small files that declare far more pixels or frames than they hold."""

from __future__ import annotations

import struct
import zlib


def png(width: int, height: int, *chunks: tuple[bytes, bytes], rows: int | None = None) -> bytes:
    """A black PNG of one bit per pixel, in far fewer bytes than it has when unpacked."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    body = b"".join(packer.compress(row) for _ in range(height if rows is None else rows)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in ((b"IHDR", header), *chunks, (b"IDAT", body), (b"IEND", b""))
    )


def mp4(frames: int) -> bytes:
    """An MP4 of less than a kilobyte that says it has so many frames, of one byte each."""

    def box(name: bytes, *inner: bytes) -> bytes:
        body = b"".join(inner)
        return struct.pack(">I", 8 + len(body)) + name + body

    def full(name: bytes, flags: int, *inner: bytes) -> bytes:
        return box(name, struct.pack(">I", flags), *inner)

    def numbers(*values: int) -> bytes:
        return struct.pack(f">{len(values)}I", *values)

    matrix = numbers(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    picture = struct.pack(">HH", 64, 64) + numbers(0x480000, 0x480000, 0) + struct.pack(">H", 1) + bytes(32)
    entry = box(b"mp4v", bytes(6), struct.pack(">H", 1), bytes(16), picture, struct.pack(">Hh", 24, -1))
    table = box(
        b"stbl",
        full(b"stsd", 0, numbers(1), entry),
        full(b"stts", 0, numbers(1, frames, 1)),
        full(b"stsc", 0, numbers(1, 1, frames, 1)),
        full(b"stsz", 0, numbers(1, frames)),
        full(b"stco", 0, numbers(1, 8)),
    )
    data = box(b"dinf", full(b"dref", 0, numbers(1), full(b"url ", 1)))
    media = box(
        b"mdia",
        full(b"mdhd", 0, numbers(0, 0, 1000, 4000, 0x55C40000)),
        full(b"hdlr", 0, bytes(4), b"vide", bytes(14)),
        box(b"minf", full(b"vmhd", 1, bytes(8)), data, table),
    )
    track = full(b"tkhd", 3, numbers(0, 0, 1, 0, 4000), bytes(16), matrix, numbers(64 << 16, 64 << 16))
    head = full(b"mvhd", 0, numbers(0, 0, 1000, 4000, 0x10000), bytes(12), matrix, bytes(24), numbers(2))
    kind = box(b"ftyp", b"isom", numbers(512), b"isomiso2avc1mp41")
    return kind + box(b"moov", head, box(b"trak", track, media)) + box(b"mdat", bytes(64))


def jpeg(width: int, height: int) -> bytes:
    """The beginning of a JPEG that says it is this large."""
    frame = struct.pack(">BHHB", 8, height, width, 3) + b"\x01\x11\x00\x02\x11\x00\x03\x11\x00"
    return b"\xff\xd8\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame + b"\xff\xda\x00\x02" + b"\0" * 99


def webp(width: int, height: int) -> bytes:
    """The beginning of a WebP that says it is this large."""
    bits = (width - 1) | (height - 1) << 14
    body = b"VP8L" + struct.pack("<IBI", 50, 0x2F, bits) + b"\0" * 45
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body
