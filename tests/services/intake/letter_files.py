"""Letters and other files for tests, good and nasty, made in memory."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache

from PIL import Image, ImageDraw


def page(text: str = "a letter", size: tuple[int, int] = (300, 400)) -> Image.Image:
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).text((20, 20), text, fill="black")
    return image


@cache  # a PDF holds the second of its making
def encoded(image_format: str, text: str = "a letter", pages: int = 1, size: tuple[int, int] = (300, 400)) -> bytes:
    """A letter as JPEG, PNG, TIFF or PDF."""
    buffer = io.BytesIO()
    first, *rest = [page(f"{text}, page {number}", size) for number in range(1, pages + 1)]
    extra = {"save_all": True, "append_images": rest} if rest else {}
    first.save(buffer, image_format, **extra)
    return buffer.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(side: int) -> bytes:
    """A few hundred bytes that say they are side × side pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(bytes(1000))) + png_chunk(b"IEND", b"")


def jpeg_bomb(side: int) -> bytes:
    """A small JPEG whose header says side × side pixels."""
    content = bytearray(encoded("JPEG"))
    start = content.index(b"\xff\xc0")
    content[start + 5 : start + 9] = struct.pack(">HH", side, side)
    return bytes(content)


def pdf(objects: list[bytes], trailer: bytes = b"") -> bytes:
    """A PDF of these objects, the first being its catalog."""
    body = b"%PDF-1.4\n"
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    count = len(objects) + 1
    start = len(body)
    body += b"xref\n0 %d\n0000000000 65535 f \n%s" % (count, table)
    return body + b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (count, trailer, start)


CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
ONE_PAGE = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"


def encrypted_pdf() -> bytes:
    """A PDF that opens with a password only."""
    secret = b"<" + b"ab" * 32 + b">"
    return pdf(
        [CATALOG, ONE_PAGE, b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] >>"],
        b"/Encrypt << /Filter /Standard /V 1 /R 2 /O " + secret + b" /U " + secret + b" /P -4 >> /ID [<00> <00>]",
    )


def pdf_bomb(side: int) -> bytes:
    """A PDF whose picture says it is side × side pixels."""
    drawing = b"q 100 0 0 100 0 0 cm /P Do Q"
    data = zlib.compress(bytes(1000))
    picture = (
        b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /BitsPerComponent 8 /ColorSpace /DeviceGray /Filter /FlateDecode "
        % (side, side)
    )
    return pdf(
        [
            CATALOG,
            ONE_PAGE,
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] /Contents 4 0 R /Resources << /XObject << /P 5 0 R >> >> >>",
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawing), drawing),
            picture + b"/Length %d >>\nstream\n%s\nendstream" % (len(data), data),
        ]
    )
