"""What a file is, whatever its name says."""

from __future__ import annotations

import pytest
from letter_files import encoded, encrypted_pdf

from services.intake.sniff import sniff

XLSX = b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml" + bytes(40) + b"PK\x03\x04" + bytes(26) + b"xl/workbook.xml"


@pytest.mark.parametrize(
    ("head", "media_type", "purpose"),
    [
        (encoded("JPEG"), "image/jpeg", "letter"),
        (encoded("PNG"), "image/png", "letter"),
        (encoded("TIFF"), "image/tiff", "letter"),
        (b"MM\x00*" + bytes(20), "image/tiff", "letter"),
        (encoded("PDF"), "application/pdf", "letter"),
        (b"junk of a mail gateway\r\n" + encrypted_pdf(), "application/pdf", "letter"),
        (b"name,kind\nA,pharmacy\n", "text/csv", "dataset"),
        ("straße;plz\nÄgertenweg;0123\n".encode("cp1252"), "text/csv", "dataset"),
        ("a,b\n1,2\n".encode("utf-16"), "text/csv", "dataset"),
        (b"\xef\xbb\xbfa,b\n", "text/csv", "dataset"),
        (b"BMW,MZ\n1,2\n", "text/csv", "dataset"),
        (b"MZ,address\n1,2\n", "text/csv", "dataset"),
        (b"a,b\n1,\x00\n" + b"3,4\n" * 40, "text/csv", "dataset"),
        (b"one column\nonly\n", "text/csv", "dataset"),
        (b'{"type": "FeatureCollection", "features": []}', "application/geo+json", "dataset"),
        (b'\xef\xbb\xbf\n {"name": "x", "crs": {}, "features": [', "application/geo+json", "dataset"),
        (b'{"type":"Feature","geometry":null}\n{"type":"Feature"}\n', "application/geo+json", "dataset"),
        (b'{"a": 1}', "application/json", ""),
        (b'[{"a": 1}]', "application/json", ""),
        (b"<!DOCTYPE html><html>", "text/html", ""),
        (b"\n<html><body>404", "text/html", ""),
        (XLSX, "application/zip", ""),
        (b"MZ\x90\x00\x03\x00\x00\x00", "application/octet-stream", ""),
        (b"\x7fELF\x02\x01\x01\x00", "application/octet-stream", ""),
        (b"MZ\x90\x00 %PDF-1.4", "application/octet-stream", ""),
        (b"#!/bin/sh\nrm -rf /\n", "application/octet-stream", ""),
        (b"\x1f\x8b\x08\x00", "application/octet-stream", ""),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "application/octet-stream", ""),
        (b"\x00\x00\x00\x18ftypheic", "application/octet-stream", ""),
        (bytes(range(256)) * 10, "application/octet-stream", ""),
        (b"\x00", "application/octet-stream", ""),
    ],
)
def test_files_are_known_by_their_bytes(head: bytes, media_type: str, purpose: str) -> None:
    found = sniff(head)
    assert (found.media_type, found.purpose) == (media_type, purpose)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (XLSX, "an Excel workbook"),
        (b"PK\x03\x04" + bytes(26) + b"letter.jpg", "a ZIP archive"),
        (b"MZ\x90\x00\x03\x00\x00\x00", "a Windows program"),
        (b"\x00\x00\x00\x18ftypheic", "a HEIC photo"),
    ],
)
def test_what_is_not_accepted_is_named(head: bytes, name: str) -> None:
    assert sniff(head).name == name
