"""The cases that drive.py runs against each peer."""

import hashlib
from collections import namedtuple

Case = namedtuple(
    "Case",
    "name order payload layers outcome tamper station only",
    defaults=(None, None, "text", (), "positive", None, "usual", None),
)
# `station`: usual, strict (requires both layers) or tolerant (accepts what the crate refuses by default).
# `only`: the side that sends, "left" is ours; None for both.

TEXT = b"".join(b"UNB+UNOA:2+LEFT+RIGHT+261124:%04d+%d'\r\nUNZ+1+%d'\r\n" % (i, i, i) for i in range(200))
PAYLOADS = {
    "text": (TEXT, "application/edi-x12"),
    "no-final-newline": (b"ISA*00*          *00*~", "application/edi-x12"),
    "lf": (TEXT.replace(b"\r\n", b"\n"), "application/octet-stream"),
    "lone-cr": (b"one\rtwo\r\rthree\n\n\r\n", "application/octet-stream"),
    "every-octet": (bytes(range(256)) * 40 + b"\r\n--\r\n\r\n", "application/octet-stream"),
    "empty": (b"", "application/octet-stream"),
    "one-octet": (b"\x00", "application/octet-stream"),
    "plain-text": (TEXT[:1000] + "Z\u00fcrich = 0\r\n".encode(), "text/plain; charset=utf-8"),
    "xml": ("<?xml version=\"1.0\"?>\r\n<a>\u00e4\u20ac</a>\r\n".encode(), "application/xml"),
    "100-kilobytes": (hashlib.sha512(b"seed").digest() * 1600, "application/octet-stream"),
    "three-megabytes": (hashlib.sha512(b"seed").digest() * 49152, "application/octet-stream"),
}

# The permutations of RFC 4130 4.2 and RFC 5402 3, by the numbers of our requirements P-01 to P-10.
SHAPES = {
    "plain": {},
    "signed": {"sign": True},
    "encrypted": {"encrypt": True},
    "signed+encrypted": {"sign": True, "encrypt": True},
    "compressed": {"compress": "before"},
    "compressed+signed": {"sign": True, "compress": "before"},
    "signed+compressed": {"sign": True, "compress": "after"},
    "compressed+encrypted": {"encrypt": True, "compress": "before"},
    "compressed+signed+encrypted": {"sign": True, "encrypt": True, "compress": "before"},
    "signed+compressed+encrypted": {"sign": True, "encrypt": True, "compress": "after"},
}
BOTH = ("sync", "async")


def case(name, shape, receipt="sync", digest="sha-256", micalg="same", cipher="aes256-cbc", more=None, **rest):
    """A case from its shape; `layers` follows from the order, `more` adds to it."""
    order = {"sign": "none", "encrypt": "none", "compress": "none", "receipt": receipt, **SHAPES[shape], **(more or {})}
    order["sign"] = digest if order["sign"] is True else order["sign"]
    order["encrypt"] = cipher if order["encrypt"] is True else order["encrypt"]
    if receipt != "none":
        order["receipt_micalg"] = digest if micalg == "same" else micalg
    layers = [
        layer
        for layer, option in (("encrypted", "encrypt"), ("signed", "sign"), ("compressed", "compress"))
        if order[option] != "none"
    ]
    return Case(name=name, order=order, layers=frozenset(layers), **rest)


def matrix(shapes, payloads, only=None):
    """Shape x digest x cipher x way of the receipt x payload. SHA-1 comes in only: we neither sign nor ask with it."""
    for shape in shapes:
        for digest in ("sha-1", "sha-256", "sha-512"):
            if digest == "sha-1" and only == "left":
                continue
            how = {"only": "right", "station": "tolerant"} if digest == "sha-1" else {"only": only}
            for cipher in ("aes128-cbc", "aes256-cbc") if "encrypt" in SHAPES[shape] else (None,):
                for receipt in BOTH:
                    for payload in payloads:
                        words = [shape, cipher, f"{digest}, {receipt} MDN", payload]
                        name = ", ".join(word for word in words if word)
                        yield case(name, shape, receipt, digest, cipher=cipher, payload=payload, **how)


def cases_of_pyas2():
    yield from matrix([shape for shape in SHAPES if SHAPES[shape].get("compress") != "after"], PAYLOADS_OF_MATRIX)
    # pyas2lib reads compression after signing, but does not write it.
    yield from matrix(["signed+compressed", "signed+compressed+encrypted"], PAYLOADS_OF_MATRIX, only="left")
    for receipt in BOTH:
        yield case(f"signed, {receipt} unsigned MDN", "signed", receipt, micalg=None)
    yield case("receipt with sha-384 for a plain message", "plain", digest="sha-384")
    # Our side serves a list of weak digests only, but does not ask with one.
    yield case("receipt with sha-1 for a plain message", "plain", digest="sha-1", only="right")
    yield case("signed with sha-384", "signed", digest="sha-384")
    yield case("signed+encrypted, no MDN", "signed+encrypted", "none", outcome="none")
    yield case("signed with sha-1", "signed", digest="sha-1", only="left")
    yield case("signed with sha-1, which is refused", "signed", digest="sha-1", outcome="negative", only="right")
    for cipher in ("aes192-cbc", "3des-cbc"):
        yield case(f"signed, {cipher}", "signed+encrypted", cipher=cipher)
    for payload in ("no-final-newline", "lone-cr", "one-octet", "xml", "three-megabytes"):
        for shape in ("plain", "signed", "signed+encrypted", "compressed+signed+encrypted"):
            yield case(f"{shape}, payload {payload}", shape, payload=payload)
    # pyas2lib reports the MIC with the signature's digest (RFC 4130 7.4.3) and signs with the requested one.
    yield case(
        "signed with sha-512, receipt with sha-256", "signed", more={"sign": "sha-512"}, digest="sha-256", only="left"
    )
    yield from cases_that_must_fail()
    yield case("signed, unsigned MDN with another MIC", "signed", micalg=None, tamper="mic", outcome="mic-mismatch")


PAYLOADS_OF_MATRIX = ("text", "lf", "every-octet", "empty")


def cases_of_libas2():
    shapes = ("plain", "signed", "encrypted", "signed+encrypted")
    yield from matrix(shapes, PAYLOADS_OF_MATRIX, only="right")
    yield from matrix(shapes, ("text", "empty"), only="left")
    for payload in ("no-final-newline", "lone-cr", "one-octet", "plain-text", "xml", "100-kilobytes"):
        for shape in ("signed", "signed+encrypted"):
            yield case(f"{shape}, payload {payload}", shape, payload=payload)
    for shape in shapes:
        yield case(f"{shape}, payload every-octet", shape, payload="every-octet", only="left")
    for cipher in ("aes192-cbc", "3des-cbc"):
        yield case(f"signed, {cipher}", "signed+encrypted", cipher=cipher)
    # libas2 writes GCM into EnvelopedData.
    for cipher in ("aes128-gcm", "aes256-gcm"):
        yield case(f"signed, {cipher}", "signed+encrypted", cipher=cipher, station="tolerant")
    # It always encrypts with OAEP and SHA-512; it reads both paddings.
    for transport in ("rsa-pkcs1-v1.5", "rsa-oaep-sha256", "rsa-oaep-sha512"):
        yield case(f"signed, {transport}", "signed+encrypted", more={"key_transport": transport}, only="left")
    yield case("signed with sha-384", "signed", digest="sha-384")
    yield case("signed+encrypted, no MDN", "signed+encrypted", "none", outcome="none")
    yield case("signed, unsigned MDN", "signed", micalg=None, only="left")
    yield case("compressed+signed", "compressed+signed", only="left")
    yield case("signed with sha-1, which is refused", "signed", digest="sha-1", outcome="negative", only="right")
    yield from cases_that_must_fail()


def cases_that_must_fail():
    """Refusals and forgeries: both sides must notice."""
    bad = {"outcome": "negative"}
    for shape in ("plain", "signed", "encrypted"):
        yield case(f"{shape} where signed+encrypted is required", shape, station="strict", **bad)
    yield case("signed+encrypted where it is required", "signed+encrypted", station="strict")
    yield case("signed, payload changed on the way", "signed", tamper="payload", **bad)
    yield case("signed, payload changed on the way, async MDN", "signed", "async", tamper="payload", **bad)
    yield case("signed+encrypted, ciphertext changed", "signed+encrypted", tamper="middle", **bad)
    yield case("signed, MDN changed on the way back", "signed", tamper="receipt", outcome="invalid")


TABLES = {"pyas2.sh": cases_of_pyas2, "libas2.sh": cases_of_libas2}

# What `--record` keeps as fixtures: what the foreign side sends, and what it answers. See tests/vectors/recorded.
RECORDED = {
    "libas2.sh": {
        "right": {
            "plain, sha-256, sync MDN, lf": "plain",
            "signed, sha-256, sync MDN, text": "signed",
            "signed, sha-512, sync MDN, every-octet": "signed-sha512",
            "signed, sha-256, sync MDN, empty": "signed-empty",
            "signed, payload plain-text": "signed-quoted-printable",
            "encrypted, aes128-cbc, sha-256, sync MDN, lf": "encrypted",
            "signed+encrypted, aes256-cbc, sha-256, async MDN, every-octet": "signed-encrypted",
            "signed, 3des-cbc": "signed-3des",
            "signed, aes128-gcm": "signed-aes128gcm",
        },
        "left": {
            "plain, sha-256, sync MDN, text": "receipt-plain",
            "signed, sha-256, sync MDN, text": "receipt-signed",
            "signed+encrypted, aes256-cbc, sha-512, sync MDN, text": "receipt-sha512",
            "signed, unsigned MDN": "receipt-unsigned",
            "signed where signed+encrypted is required": "receipt-refused",
        },
    },
}
