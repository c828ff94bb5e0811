"""Post-quantum CMS by hand: keys, certificates and messages for the tests, and messages of ours opened.

  post_quantum.py make FOLDER           writes the fixtures of tests/vectors/pq
  post_quantum.py open KEY CMS          prints the content of an envelope for an ML-KEM key
  post_quantum.py verify CERT CMS CONTENT
                                        verifies a detached signature of ML-DSA, attributes and all

The primitives are those of Python's cryptography (48 or later); the structures of RFC 5083, 5652, 9629, 9881, 9882, 9935
and 9936 are written and read here, without any code of this crate.
"""

import hashlib
import os
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, padding as block_padding, serialization
from cryptography.hazmat.primitives.asymmetric import mldsa, mlkem, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap

HERE = os.path.dirname(os.path.abspath(__file__))
WORKED = os.path.join(HERE, "../vectors/worked/keys")
CONTENT = b"Content-Type: application/edi-x12\r\n\r\nISA*00*PQ~\r\n"

DATA, SIGNED, ENVELOPED, AUTH_ENVELOPED = (
    "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.2", "1.2.840.113549.1.7.3", "1.2.840.113549.1.9.16.1.23")
ML_DSA = {"65": "2.16.840.1.101.3.4.3.18", "87": "2.16.840.1.101.3.4.3.19"}
ML_KEM = {"768": "2.16.840.1.101.3.4.4.2", "1024": "2.16.840.1.101.3.4.4.3"}
HKDF_SHA256, ORI_KEM = "1.2.840.113549.1.9.16.3.28", "1.2.840.113549.1.9.16.13.3"
WRAP = {16: "2.16.840.1.101.3.4.1.5", 32: "2.16.840.1.101.3.4.1.45"}
CBC, GCM = "2.16.840.1.101.3.4.1.42", "2.16.840.1.101.3.4.1.46"
SHA256, SHA512 = "2.16.840.1.101.3.4.2.1", "2.16.840.1.101.3.4.2.3"


# DER

def tlv(tag, *parts):
    body = b"".join(parts)
    size = len(body)
    if size < 0x80:
        return bytes([tag, size]) + body
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + body


def sequence(*parts):
    return tlv(0x30, *parts)


def set_of(*parts):
    return tlv(0x31, *sorted(parts))


def octets(value):
    return tlv(4, value)


def bits(value):
    return tlv(3, b"\0" + value)


def integer(value):
    return tlv(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(dotted):
    first, second, *rest = map(int, dotted.split("."))
    out = bytes([first * 40 + second])
    for arc in rest:
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        out += bytes(reversed(groups))
    return tlv(6, out)


def algorithm(dotted, *parameters):
    return sequence(oid(dotted), *parameters)


def read(data):
    """Tag, content, whole element and rest."""
    size, start = data[1], 2
    if size & 0x80:
        start = 2 + (size & 0x7F)
        size = int.from_bytes(data[2:start], "big")
    return data[0], data[start:start + size], data[:start + size], data[start + size:]


def children(body):
    found = []
    while body:
        tag, content, whole, body = read(body)
        found.append((tag, content, whole))
    return found


# Keys and certificates

def pem(label, der):
    import base64
    text = base64.encodebytes(der).replace(b"\n", b"")
    lines = [text[at:at + 64] for at in range(0, len(text), 64)]
    return b"-----BEGIN %s-----\n%s\n-----END %s-----\n" % (label, b"\n".join(lines), label)


def private_key(dotted, inner):
    return pem(b"PRIVATE KEY", sequence(integer(0), algorithm(dotted), octets(inner)))


def certificate(serial, name, dotted, public, issuer, signer, signer_oid, usage):
    def common_name(text):
        return sequence(tlv(0x31, sequence(oid("2.5.4.3"), tlv(12, text.encode()))))
    usage = sequence(oid("2.5.29.15"), tlv(1, b"\xff"), octets(usage))
    key_id = sequence(oid("2.5.29.14"), octets(octets(hashlib.sha1(public).digest())))
    body = sequence(
        tlv(0xA0, integer(2)), integer(serial), algorithm(signer_oid), common_name(issuer),
        sequence(tlv(23, b"260101000000Z"), tlv(23, b"360101000000Z")), common_name(name),
        sequence(algorithm(dotted), bits(public)), tlv(0xA3, sequence(usage, key_id)))
    return sequence(body, algorithm(signer_oid), bits(signer.sign(body)))


def issuer_and_serial(cert):
    body = children(read(read(cert)[1])[1])
    return sequence(body[3][2], body[1][2])


# Signatures

def attribute(dotted, value):
    return sequence(oid(dotted), tlv(0x31, value))


def signed_attributes(content, digest):
    return sorted([
        attribute("1.2.840.113549.1.9.3", oid(DATA)),
        attribute("1.2.840.113549.1.9.4", octets(hashlib.new(digest, content).digest()))])


def signer_info(cert, digest, digest_oid, signature_algorithm, sign, content, with_attributes=True):
    attributes = signed_attributes(content, digest) if with_attributes else []
    value = sign(tlv(0x31, *attributes) if attributes else content)
    signed = [tlv(0xA0, *attributes)] if attributes else []
    return sequence(integer(1), issuer_and_serial(cert), algorithm(digest_oid), *signed, signature_algorithm, octets(value))


def signed_data(content, digests, signers):
    inner = sequence(oid(DATA), tlv(0xA0, octets(content)))
    body = sequence(integer(1), set_of(*map(algorithm, digests)), inner, tlv(0x31, *signers))
    return sequence(oid(SIGNED), tlv(0xA0, body))


# Envelopes

def kek(secret, wrap, size, ukm):
    info = sequence(algorithm(wrap), integer(size), *([tlv(0xA0, octets(ukm))] if ukm else []))
    return HKDF(algorithm=hashes.SHA256(), length=size, salt=None, info=info).derive(secret)


def kem_recipient(cert, public, kem, content_key, length=32, ukm=None):
    secret, ciphertext = public.encapsulate()
    wrapped = aes_key_wrap(kek(secret, WRAP[length], length, ukm), content_key)
    info = sequence(
        integer(0), issuer_and_serial(cert), algorithm(kem), octets(ciphertext), algorithm(HKDF_SHA256), integer(length),
        *([tlv(0xA0, octets(ukm))] if ukm else []), algorithm(WRAP[length]), octets(wrapped))
    return tlv(0xA4, oid(ORI_KEM), info)


def rsa_recipient(cert, content_key):
    key = x509.load_der_x509_certificate(cert).public_key()
    wrapped = key.encrypt(content_key, padding.PKCS1v15())
    return sequence(integer(0), issuer_and_serial(cert), algorithm("1.2.840.113549.1.1.1", tlv(5)), octets(wrapped))


def enveloped(recipients, content_key, content):
    iv = os.urandom(16)
    pad = block_padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(content_key), modes.CBC(iv)).encryptor()
    encrypted = encryptor.update(pad.update(content) + pad.finalize()) + encryptor.finalize()
    inner = sequence(oid(DATA), algorithm(CBC, octets(iv)), tlv(0x80, encrypted))
    return sequence(oid(ENVELOPED), tlv(0xA0, sequence(integer(3), set_of(*recipients), inner)))


def auth_enveloped(recipients, content_key, content):
    nonce = os.urandom(12)
    sealed = AESGCM(content_key).encrypt(nonce, content, None)
    parameters = sequence(octets(nonce), integer(16))
    inner = sequence(oid(DATA), algorithm(GCM, parameters), tlv(0x80, sealed[:-16]))
    body = sequence(integer(0), set_of(*recipients), inner, octets(sealed[-16:]))
    return sequence(oid(AUTH_ENVELOPED), tlv(0xA0, body))


def make(folder):
    def write(name, data):
        with open(os.path.join(folder, name), "wb") as out:
            out.write(data)

    certs = {}
    dsa = {"65": mldsa.MLDSA65PrivateKey.generate(), "87": mldsa.MLDSA87PrivateKey.generate()}
    kems = {"768": mlkem.MLKEM768PrivateKey.generate(), "1024": mlkem.MLKEM1024PrivateKey.generate()}
    for serial, (size, key) in enumerate(dsa.items(), 1):
        name, public = f"ml-dsa-{size}", key.public_key().public_bytes_raw()
        certs[size] = certificate(serial, name, ML_DSA[size], public, name, key, ML_DSA[size], b"\x03\x02\x07\x80")
        write(f"{name}.crt", pem(b"CERTIFICATE", certs[size]))
        write(f"{name}.key", private_key(ML_DSA[size], tlv(0x80, key.private_bytes_raw())))
    for serial, (size, key) in enumerate(kems.items(), 3):
        name, public = f"ml-kem-{size}", key.public_key().public_bytes_raw()
        issuer = "ml-dsa-65", dsa["65"], ML_DSA["65"]
        certs[size] = certificate(serial, name, ML_KEM[size], public, *issuer, b"\x03\x02\x05\x20")
        write(f"{name}.crt", pem(b"CERTIFICATE", certs[size]))
        write(f"{name}.key", private_key(ML_KEM[size], tlv(0x80, key.private_bytes_raw())))

    with open(os.path.join(WORKED, "alice-sign.crt"), "rb") as file:
        rsa_cert = x509.load_pem_x509_certificate(file.read()).public_bytes(serialization.Encoding.DER)
    with open(os.path.join(WORKED, "alice-sign.key"), "rb") as file:
        rsa = serialization.load_pem_private_key(file.read(), None)
    with open(os.path.join(WORKED, "bob-enc.crt"), "rb") as file:
        to_rsa = x509.load_pem_x509_certificate(file.read()).public_bytes(serialization.Encoding.DER)

    def ml_dsa(size, digest="sha512", digest_oid=SHA512, with_attributes=True):
        return signer_info(certs[size], digest, digest_oid, algorithm(ML_DSA[size]), dsa[size].sign, CONTENT, with_attributes)

    for size in dsa:
        write(f"signed-{size}.der", signed_data(CONTENT, [SHA512], [ml_dsa(size)]))
    write("signed-65-noattr.der", signed_data(CONTENT, [SHA512], [ml_dsa("65", with_attributes=False)]))
    write("signed-65-sha256.der", signed_data(CONTENT, [SHA256], [ml_dsa("65", "sha256", SHA256)]))
    classical = signer_info(
        rsa_cert, "sha256", SHA256, algorithm("1.2.840.113549.1.1.1", tlv(5)),
        lambda message: rsa.sign(message, padding.PKCS1v15(), hashes.SHA256()), CONTENT)
    write("signed-rsa-and-87.der", signed_data(CONTENT, [SHA256, SHA512], [classical, ml_dsa("87")]))

    def recipient(size, content_key, **options):
        return kem_recipient(certs[size], kems[size].public_key(), ML_KEM[size], content_key, **options)

    key = os.urandom(32)
    write("enveloped-768.der", enveloped([recipient("768", key)], key, CONTENT))
    write("enveloped-1024-ukm.der", enveloped([recipient("1024", key, ukm=b"for once")], key, CONTENT))
    write("enveloped-768-wrap128.der", enveloped([recipient("768", key, length=16)], key, CONTENT))
    write("auth-1024.der", auth_enveloped([recipient("1024", key)], key, CONTENT))
    write("auth-rsa-and-768.der", auth_enveloped([rsa_recipient(to_rsa, key), recipient("768", key)], key, CONTENT))
    write("content.txt", CONTENT)


def content_info(file):
    with open(file, "rb") as source:
        kind, body = children(read(source.read())[1])
    return kind[2], children(read(body[1])[1])


def open_envelope(key_file, cms_file):
    with open(key_file, "rb") as file:
        key = serialization.load_pem_private_key(file.read(), None)
    kind, parts = content_info(cms_file)
    version, recipients, inner = int.from_bytes(parts[0][1], "big"), children(parts[1][1]), children(parts[2][1])
    assert version == (3 if kind == oid(ENVELOPED) else 0), version
    kem = ML_KEM["768" if isinstance(key, mlkem.MLKEM768PrivateKey) else "1024"]
    for tag, content, _ in recipients:
        if tag != 0xA4:
            continue
        type_oid, value = children(content)
        assert type_oid[2] == oid(ORI_KEM)
        fields = children(value[1])
        assert [field[0] for field in fields] == [2, 0x30, 0x30, 4, 0x30, 2, 0x30, 4], fields
        if fields[2][2] != algorithm(kem):
            continue
        assert fields[0][1] == b"\0" and fields[4][2] == algorithm(HKDF_SHA256) and fields[6][2] == algorithm(WRAP[32])
        assert fields[5][1] == b"\x20"
        content_key = aes_key_unwrap(kek(key.decapsulate(fields[3][1]), WRAP[32], 32, None), fields[7][1])
        cipher, parameters = children(inner[1][1])
        if kind == oid(ENVELOPED):
            assert cipher[2] == oid(CBC)
            decryptor = Cipher(algorithms.AES(content_key), modes.CBC(parameters[1])).decryptor()
            unpad = block_padding.PKCS7(128).unpadder()
            return unpad.update(decryptor.update(inner[2][1]) + decryptor.finalize()) + unpad.finalize()
        assert cipher[2] == oid(GCM)
        nonce = children(parameters[1])[0][1]
        return AESGCM(content_key).decrypt(nonce, inner[2][1] + parts[3][1], None)
    raise SystemExit("nobody with this key")


def verify(cert_file, cms_file, content_file):
    with open(cert_file, "rb") as file:
        cert = x509.load_pem_x509_certificate(file.read())
    with open(content_file, "rb") as file:
        content = file.read()
    key = cert.public_key()
    dotted = ML_DSA["65" if isinstance(key, mldsa.MLDSA65PublicKey) else "87"]
    kind, parts = content_info(cms_file)
    assert kind == oid(SIGNED) and children(parts[1][1])[0][2] == algorithm(SHA512)
    (signer,) = children(parts[-1][1])
    fields = children(signer[1])
    assert fields[2][2] == algorithm(SHA512) and fields[-2][2] == algorithm(dotted)
    if fields[3][0] == 0xA0:
        digests = [part for part in children(fields[3][1]) if part[2].startswith(b"\x30") and oid("1.2.840.113549.1.9.4") in part[2]]
        assert digests[0][1].endswith(hashlib.sha512(content).digest())
        key.verify(fields[-1][1], tlv(0x31, fields[3][1]))
    else:
        key.verify(fields[-1][1], content)


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    if command == "make":
        make(*rest)
    elif command == "open":
        sys.stdout.buffer.write(open_envelope(*rest))
    elif command == "verify":
        verify(*rest)
        print("good")
    else:
        raise SystemExit(__doc__)
