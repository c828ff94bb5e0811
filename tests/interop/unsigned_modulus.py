"""A certificate in DER from stdin to PEM on stdout, the zero octet before its RSA modulus left out: a negative number.
The signature no longer fits, which does not matter to a pinned certificate."""

import base64
import sys

der = sys.stdin.buffer.read()
at = der.index(bytes.fromhex("02820101 00"))  # INTEGER of 257 octets
key = der[:at] + bytes.fromhex("02820100") + der[at + 5 :]
# Every element around the modulus becomes one octet shorter.
out, position, limit = bytearray(key), 0, at


def shrink(where):
    length = int.from_bytes(out[where + 2 : where + 4], "big") - 1
    out[where + 2 : where + 4] = length.to_bytes(2, "big")


def walk(where, target):
    """Visits the constructed elements (and the BIT STRING) that hold `target`; all have two length octets."""
    while where < target:
        tag = out[where]
        first = out[where + 1]
        count = first & 0x7F if first & 0x80 else 0
        size = int.from_bytes(out[where + 2 : where + 2 + count], "big") if count else first
        content = where + 2 + count
        if content + size > target and tag in (0x30, 0x03):
            assert count == 2
            shrink(where)
            where = content + (1 if tag == 0x03 else 0)
        else:
            where = content + size


walk(0, at)
text = base64.encodebytes(bytes(out)).decode()
print("-----BEGIN CERTIFICATE-----\n" + text + "-----END CERTIFICATE-----")
