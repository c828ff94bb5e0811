"""pbmac1.py NOMAC.p12 PASSWORD OUT.p12: puts a PBMAC1 (RFC 9579) onto a PKCS #12 file without MAC."""

import hashlib
import hmac
import sys


def header(octets, at):
    length, start = octets[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        length, start = int.from_bytes(octets[start : start + count], "big"), start + count
    return start, start + length


def tlv(tag, *parts):
    content = b"".join(parts)
    size = len(content)
    digits = size.to_bytes((size.bit_length() + 7) // 8 or 1, "big")
    return bytes([tag]) + (bytes([size]) if size < 128 else bytes([0x80 | len(digits)]) + digits) + content


def oid(hexadecimal):
    return tlv(6, bytes.fromhex(hexadecimal))


source, password, target = sys.argv[1], sys.argv[2].encode(), sys.argv[3]
with open(source, "rb") as file:
    pfx = file.read()
start, end = header(pfx, 0)
content = pfx[start:end]
_, version_end = header(content, 0)
info = content[version_end:]
at, _ = header(info, 0)  # ContentInfo
_, type_end = header(info, at)
at, _ = header(info, type_end)  # [0]
octets_start, octets_end = header(info, at)  # OCTET STRING
protected = info[octets_start:octets_end]

salt, iterations = bytes(range(16)), 2048
key = hashlib.pbkdf2_hmac("sha512", password, salt, iterations, 32)
mac = hmac.new(key, protected, "sha256").digest()
prf = tlv(0x30, oid("2a864886f70d020b"), b"\x05\x00")  # hmacWithSHA512
derivation = tlv(
    0x30,
    oid("2a864886f70d01050c"),
    tlv(0x30, tlv(4, salt), tlv(2, iterations.to_bytes(2, "big")), tlv(2, b"\x20"), prf),
)
scheme = tlv(0x30, oid("2a864886f70d0209"), b"\x05\x00")  # hmacWithSHA256
algorithm = tlv(0x30, oid("2a864886f70d01050e"), tlv(0x30, derivation, scheme))
mac_data = tlv(0x30, tlv(0x30, algorithm, tlv(4, mac)), tlv(4, b"NOT USED"), tlv(2, b"\x01"))
with open(target, "wb") as file:
    file.write(tlv(0x30, content, mac_data))
