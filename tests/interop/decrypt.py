#!/usr/bin/env python3
"""decrypt.py CMS KEY OUT: opens an envelope to an X25519 key, written against RFC 8418, 5753, 5084 and 8103."""

import sys

from cryptography.hazmat.primitives import hashes, keywrap, padding, serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

try:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
except ImportError:
    TripleDES = algorithms.TripleDES


def elements(octets):
    """(identifier octet, content, whole) of each DER element."""
    result, at = [], 0
    while at < len(octets):
        start, tag, length = at, octets[at], octets[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(octets[at : at + count], "big")
            at += count
        result.append((tag, octets[at : at + length], octets[start : at + length]))
        at += length
    assert at == len(octets)
    return result


def oid(octets):
    arcs, value = [], 0
    for octet in octets:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    return ".".join(map(str, [*divmod(arcs[0], 40)] if arcs[0] < 80 else [2, arcs[0] - 80])) + "".join(f".{a}" for a in arcs[1:])


def algorithm(content):
    parts = elements(content)
    return oid(parts[0][1]), parts[1:]


def tlv(tag, content):
    assert len(content) < 128
    return bytes([tag, len(content)]) + content


HKDFS = {
    "1.2.840.113549.1.9.16.3.19": hashes.SHA256(),
    "1.2.840.113549.1.9.16.3.20": hashes.SHA384(),
    "1.2.840.113549.1.9.16.3.21": hashes.SHA512(),
}
WRAPS = {"2.16.840.1.101.3.4.1.5": 16, "2.16.840.1.101.3.4.1.25": 24, "2.16.840.1.101.3.4.1.45": 32}


def content_key(recipient, private):
    version, originator, scheme, keys = elements(recipient)
    assert version[1] == b"\x03"
    _, public, _ = elements(originator[1])[0]
    kind, bits = elements(public)
    assert algorithm(kind[1]) == ("1.3.101.110", [])
    scheme, (wrap,) = algorithm(scheme[1])
    wrap_len = WRAPS[algorithm(wrap[1])[0]]
    assert algorithm(wrap[1])[1] == []
    secret = private.exchange(X25519PublicKey.from_public_bytes(bits[1][1:]))
    size = tlv(0xA2, tlv(4, (wrap_len * 8).to_bytes(4, "big")))
    kek = HKDF(HKDFS[scheme], wrap_len, None, tlv(0x30, wrap[2] + size)).derive(secret)
    (key,) = elements(keys[1])
    return keywrap.aes_key_unwrap(kek, elements(key[1])[1][1])


def decrypt(name, parameters, key, sealed, tag):
    if name == "1.2.840.113549.1.9.16.3.18":
        return ChaCha20Poly1305(key).decrypt(parameters[1], sealed + tag, None)
    arc = int(name.rsplit(".", 1)[1])
    if name.startswith("2.16.840.1.101.3.4.1.") and arc % 20 != 2:
        nonce, length = elements(parameters[1])
        assert length[1] == b"\x10" and len(tag) == 16
        cipher = {6: AESGCM, 7: AESCCM}[arc % 20](key)
        return cipher.decrypt(nonce[1], sealed + tag, None)
    cipher = TripleDES(key) if name == "1.2.840.113549.3.7" else algorithms.AES(key)
    decryptor = Cipher(cipher, modes.CBC(parameters[1])).decryptor()
    unpadder = padding.PKCS7(cipher.block_size).unpadder()
    return unpadder.update(decryptor.update(sealed) + decryptor.finalize()) + unpadder.finalize()


def main(cms, key, out):
    private = serialization.load_pem_private_key(open(key, "rb").read(), None)
    (info,) = elements(open(cms, "rb").read())
    kind, wrapper = elements(info[1])
    authenticated = oid(kind[1]) == "1.2.840.113549.1.9.16.1.23"
    (data,) = elements(wrapper[1])
    version, recipients, content, *mac = elements(data[1])
    assert version[1] == (b"\x00" if authenticated else b"\x02")
    (recipient,) = elements(recipients[1])
    assert recipient[0] == 0xA1
    _, cipher, sealed = elements(content[1])
    name, (parameters,) = algorithm(cipher[1])
    tag = mac[0][1] if authenticated else b""
    plain = decrypt(name, parameters, content_key(recipient[1], private), sealed[1], tag)
    open(out, "wb").write(plain)


if __name__ == "__main__":
    main(*sys.argv[1:])
