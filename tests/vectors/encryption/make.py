#!/usr/bin/env python3
"""Certificates, and objects that neither OpenSSL 3.0 nor Bouncy Castle 1.72 writes. Needs `cryptography` 42 or later.

    make.py certificates    keys/*.crt for keys/*.key
    make.py objects         py-*.der
"""
import datetime
import os
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import NameOID

here = pathlib.Path(__file__).parent
content = here.joinpath("content.txt").read_bytes()
random = os.urandom


def load_key(name):
    return serialization.load_pem_private_key(here.joinpath("keys", name + ".key").read_bytes(), None)


def certificates():
    issuer = ed25519.Ed25519PrivateKey.generate()
    for name in ("p384", "p521", "x25519"):
        key = load_key(name).public_key()
        usage = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_cert_sign",
             "crl_sign", "encipher_only", "decipher_only"), False)
        builder = x509.CertificateBuilder(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")]),
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            key, x509.random_serial_number(), datetime.datetime(2026, 1, 1), datetime.datetime(2050, 1, 1))
        builder = builder.add_extension(x509.KeyUsage(key_agreement=True, **usage), True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
        pem = builder.sign(issuer, None).public_bytes(serialization.Encoding.PEM)
        here.joinpath("keys", name + ".crt").write_bytes(pem)


def tlv(tag, *parts):
    body = b"".join(parts)
    length = bytes([len(body)]) if len(body) < 128 else b"\x82" + len(body).to_bytes(2, "big")
    return bytes([tag]) + length + body


def oid(text):
    first, second, *rest = map(int, text.split("."))
    out = bytes([first * 40 + second])
    for arc in rest:
        part = bytes([arc & 127])
        while arc := arc >> 7:
            part = bytes([arc & 127 | 128]) + part
        out += part
    return tlv(6, out)


def integer(number):
    return tlv(2, bytes([number]))


def octets(value):
    return tlv(4, value)


def rid(certificate):
    serial = certificate.serial_number
    return tlv(0x30, certificate.issuer.public_bytes(), tlv(2, serial.to_bytes(serial.bit_length() // 8 + 1, "big")))


WRAPS = {16: "2.16.840.1.101.3.4.1.5", 24: "2.16.840.1.101.3.4.1.25", 32: "2.16.840.1.101.3.4.1.45"}
SCHEMES = {"sha256": ("1.2.840.113549.1.9.16.3.19", hashes.SHA256()),
           "sha384": ("1.2.840.113549.1.9.16.3.20", hashes.SHA384()),
           "sha512": ("1.2.840.113549.1.9.16.3.21", hashes.SHA512())}


def x25519_recipient(cek, scheme, wrap_len, ukm=None, key_id=False):
    """KeyAgreeRecipientInfo of RFC 8418."""
    certificate = x509.load_pem_x509_certificate(here.joinpath("keys", "x25519.crt").read_bytes())
    ephemeral = x25519.X25519PrivateKey.generate()
    secret = ephemeral.exchange(certificate.public_key())
    scheme_oid, digest = SCHEMES[scheme]
    wrap = tlv(0x30, oid(WRAPS[wrap_len]))
    info = tlv(0x30, wrap, tlv(0xA0, octets(ukm)) if ukm else b"", tlv(0xA2, octets((wrap_len * 8).to_bytes(4, "big"))))
    kek = HKDF(digest, wrap_len, None, info).derive(secret)
    public = ephemeral.public_key().public_bytes_raw()
    originator = tlv(0xA0, tlv(0xA1, tlv(0x30, oid("1.3.101.110")), tlv(3, b"\0", public)))
    name = rid(certificate)
    if key_id:
        name = tlv(0xA0, octets(certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest))
    keys = tlv(0x30, tlv(0x30, name, octets(keywrap.aes_key_wrap(kek, cek))))
    ukm = tlv(0xA1, octets(ukm)) if ukm else b""
    return tlv(0xA1, integer(3), originator, ukm, tlv(0x30, oid(scheme_oid), wrap), keys)


def auth_enveloped(recipient, algorithm, sealed, tag):
    content = tlv(0x30, oid("1.2.840.113549.1.7.1"), algorithm, tlv(0x80, sealed))
    data = tlv(0x30, integer(0), tlv(0x31, recipient), content, octets(tag))
    return tlv(0x30, oid("1.2.840.113549.1.9.16.1.23"), tlv(0xA0, data))


def write(name, wire):
    here.joinpath(name + ".der").write_bytes(wire)


def objects():
    for scheme, wrap_len in (("sha256", 16), ("sha384", 24), ("sha512", 32)):
        cek, nonce = random(32), random(12)
        algorithm = tlv(0x30, oid("1.2.840.113549.1.9.16.3.18"), octets(nonce))
        sealed = ChaCha20Poly1305(cek).encrypt(nonce, content, None)
        ukm = b"keying material" if scheme == "sha384" else None
        recipient = x25519_recipient(cek, scheme, wrap_len, ukm, key_id=scheme == "sha512")
        write(f"py-x25519-hkdf-{scheme}-chacha20", auth_enveloped(recipient, algorithm, sealed[:-16], sealed[-16:]))
    # GCM in EnvelopedData, the nonce alone as parameters, the tag behind the content: as libas2 writes it.
    cek, nonce = random(32), random(12)
    algorithm = tlv(0x30, oid("2.16.840.1.101.3.4.1.46"), octets(nonce))
    content_info = tlv(0x30, oid("1.2.840.113549.1.7.1"), algorithm, tlv(0x80, AESGCM(cek).encrypt(nonce, content, None)))
    data = tlv(0x30, integer(2), tlv(0x31, x25519_recipient(cek, "sha256", 32)), content_info)
    write("py-gcm-in-enveloped-bare-nonce", tlv(0x30, oid("1.2.840.113549.1.7.3"), tlv(0xA0, data)))
    for key_len, nonce_len, tag_len, arc in ((16, 7, 16, 7), (24, 13, 8, 27), (32, 12, 12, 47)):
        cek, nonce = random(key_len), random(nonce_len)
        # The length of the tag is left out where it has its default of 12.
        length = b"" if tag_len == 12 else integer(tag_len)
        algorithm = tlv(0x30, oid(f"2.16.840.1.101.3.4.1.{arc}"), tlv(0x30, octets(nonce), length))
        sealed = AESCCM(cek, tag_len).encrypt(nonce, content, None)
        wire = auth_enveloped(x25519_recipient(cek, "sha256", 32), algorithm, sealed[:-tag_len], sealed[-tag_len:])
        write(f"py-aes{key_len * 8}-ccm-nonce-{nonce_len}-tag-{tag_len}", wire)


if __name__ == "__main__":
    {"certificates": certificates, "objects": objects}[sys.argv[1]]()
