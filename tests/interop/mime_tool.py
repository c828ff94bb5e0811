#!/usr/bin/env python3
"""Takes AS2 requests apart and puts them together for openssl.sh, octet for octet.

Written against RFC 4130, RFC 1847 and RFC 5402 and independent of the crate under test.
Needs the standard library only.
"""

import argparse
import base64
import re
import sys
import zlib
from email.message import Message

KINDS = {
    "1.2.840.113549.1.7.3": "enveloped",
    "1.2.840.113549.1.9.16.1.23": "auth-enveloped",
    "1.2.840.113549.1.9.16.1.9": "compressed",
}
DATA = bytes.fromhex("06092a864886f70d010701")
COMPRESSED_DATA = bytes.fromhex("060b2a864886f70d0109100109")
ZLIB = bytes.fromhex("060b2a864886f70d0109100308")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, octets):
    with open(path, "wb") as file:
        file.write(octets)


# MIME


def head_and_body(entity):
    """The header block with its blank line, and the body."""
    if entity.startswith(b"\r\n"):
        return b"\r\n", entity[2:]
    end = entity.index(b"\r\n\r\n") + 4
    return entity[:end], entity[end:]


def fields(head):
    unfolded = re.sub(rb"\r\n(?=[ \t])", b"", head).decode("latin-1")
    result = Message()
    for line in unfolded.split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            result[name.strip()] = value.strip()
    return result


def decoded(field, body):
    encoding = (field.get("Content-Transfer-Encoding") or "binary").strip().lower()
    if encoding == "base64":
        return base64.b64decode(re.sub(rb"\s", b"", body), validate=True)
    if encoding not in ("binary", "7bit", "8bit"):
        sys.exit(f"unexpected Content-Transfer-Encoding {encoding}")
    return body


def split_multipart(body, boundary):
    """The raw parts; the CRLF before a delimiter belongs to the delimiter (RFC 2046 5.1.1)."""
    delimiter = re.compile(rb"(?:\A|\r\n)--" + re.escape(boundary.encode()) + rb"(--)?[ \t]*(?:\r\n|\Z)")
    parts, start, at = [], None, 0
    while match := delimiter.search(body, at):
        if start is not None:
            parts.append(body[start : match.start()])
        if match.group(1):
            return parts
        start = match.end()
        # The CRLF that ends one delimiter line may begin the next one: an empty part.
        at = max(start - 2, match.start() + 1)
    sys.exit("the multipart has no close delimiter")


def layer(args):
    """Prints the kind of the outermost layer and writes what is in it."""
    octets = read(args.input)
    if octets.startswith(b"POST "):
        octets = octets[octets.index(b"\r\n") + 2 :]
    head, body = head_and_body(octets)
    field = fields(head)
    kind = field.get_content_type()
    if kind == "multipart/signed":
        parts = split_multipart(body, field.get_param("boundary"))
        if len(parts) != 2:
            sys.exit(f"multipart/signed with {len(parts)} parts")
        signature_head, signature = head_and_body(parts[1])
        signature_field = fields(signature_head)
        protocol = field.get_param("protocol")
        if protocol != "application/pkcs7-signature" or signature_field.get_content_type() != protocol:
            sys.exit(f"protocol {protocol}, second part {signature_field.get_content_type()}")
        write(args.output + ".part", parts[0])
        write(args.output + ".sig", decoded(signature_field, signature))
        print("signed", field.get_param("micalg"))
    elif kind == "application/pkcs7-mime":
        der = decoded(field, body)
        write(args.output + ".der", der)
        print(KINDS[outer_oid(der)], field.get_param("smime-type"))
    else:
        write(args.output + ".body", decoded(field, body))
        print("leaf", kind)


# DER, as far as CompressedData goes


def element(der, at=0):
    """(tag, start of the content, end) of the definite-length element at `at`."""
    tag, length, start = der[at], der[at + 1], at + 2
    if length >= 0x80:
        count = length & 0x7F
        if not count:
            sys.exit("indefinite length where DER is expected")
        length, start = int.from_bytes(der[start : start + count], "big"), start + count
    if start + length > len(der):
        sys.exit("the element is longer than what holds it")
    return tag, start, start + length


def children(der):
    at, found = 0, []
    while at < len(der):
        tag, start, end = element(der, at)
        found.append((tag, der[start:end]))
        at = end
    return found


def dotted(content):
    numbers, value = [content[0] // 40, content[0] % 40], 0
    for octet in content[1:]:
        value = value << 7 | octet & 0x7F
        if octet < 0x80:
            numbers.append(value)
            value = 0
    return ".".join(map(str, numbers))


def outer_oid(der):
    """The contentType; the outer length may be indefinite (0x80)."""
    start = 2 + (der[1] & 0x7F if der[1] > 0x80 else 0)
    tag, begin, end = element(der, start)
    if tag != 6:
        sys.exit("this is no ContentInfo")
    return dotted(der[begin:end])


def inflate(args):
    (_, content_info), *rest = children(read(args.input))
    if rest:
        sys.exit("octets after the ContentInfo")
    oid, (_, explicit) = children(content_info)
    if KINDS.get(dotted(oid[1])) != "compressed":
        sys.exit("this is no CompressedData")
    version, algorithm, encapsulated = children(children(explicit)[0][1])
    if version[1] != b"\x00" or children(algorithm[1])[0][1] != ZLIB[2:]:
        sys.exit("version or compression algorithm")
    kind, content = children(encapsulated[1])
    if kind[1] != DATA[2:]:
        sys.exit("the compressed content type is not id-data")
    write(args.output, zlib.decompress(children(content[1])[0][1]))


def tlv(tag, *contents):
    content = b"".join(contents)
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def deflate(args):
    content = tlv(0xA0, tlv(0x04, zlib.compress(read(args.input))))
    data = tlv(0x30, b"\x02\x01\x00", tlv(0x30, ZLIB), tlv(0x30, DATA, content))
    write(args.output, tlv(0x30, COMPRESSED_DATA, tlv(0xA0, data)))


# Building


def entity(args):
    head = f"Content-Type: {args.type}\r\n"
    if args.encoding:
        head += f"Content-Transfer-Encoding: {args.encoding}\r\n"
    write(args.output, head.encode() + b"\r\n" + read(args.input))


def wrap_signed(args):
    boundary = b"----=_openssl.sh_part"
    part, signature = read(args.input), read(args.signature)
    encoded = base64.encodebytes(signature).replace(b"\n", b"\r\n") if args.encoding == "base64" else signature
    head = (
        'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; '
        f'micalg={args.micalg}; boundary="{boundary.decode()}"\r\n\r\n'
    )
    signature_head = (
        "Content-Type: application/pkcs7-signature; name=smime.p7s\r\n"
        f"Content-Transfer-Encoding: {args.encoding}\r\n\r\n"
    )
    delimiter = b"--" + boundary
    lines = [delimiter, part, delimiter, signature_head.encode() + encoded, delimiter + b"--", b""]
    write(args.output, head.encode() + b"\r\n".join(lines))


def wrap_cms(args):
    der = read(args.input)
    encoded = base64.encodebytes(der).replace(b"\n", b"\r\n") if args.encoding == "base64" else der
    head = (
        f"Content-Type: application/pkcs7-mime; smime-type={args.smime_type}; name=smime.p7m\r\n"
        f"Content-Transfer-Encoding: {args.encoding}\r\n\r\n"
    )
    write(args.output, head.encode() + encoded)


def request(args):
    """The entity's header fields become HTTP header fields (RFC 4130 section 5)."""
    head, body = head_and_body(read(args.input))
    lines = (
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nAS2-Version: 1.2\r\nMIME-Version: 1.0\r\n"
        f"AS2-From: {getattr(args, 'from')}\r\nAS2-To: {args.to}\r\nMessage-ID: <{args.id}@openssl.example>\r\n"
        "Subject: interop\r\nDisposition-Notification-To: edi@openssl.example\r\n"
        "Disposition-Notification-Options: signed-receipt-protocol=optional, pkcs7-signature; "
        f"signed-receipt-micalg=optional, {args.micalg}\r\nContent-Length: {len(body)}\r\n"
    )
    write(args.output, lines.encode() + head + body)


def flip(args):
    """Changes one octet: the last one before the end of `--find`, or the one in the middle."""
    octets = bytearray(read(args.input))
    at = len(octets) // 2
    if args.find:
        at = octets.index(args.find.encode()) + len(args.find) - 1
    octets[at] ^= 1
    write(args.output, octets)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(run, *options):
        sub = commands.add_parser(run.__name__.replace("_", "-"), help=run.__doc__)
        sub.add_argument("input")
        sub.add_argument("output")
        for option, default in options:
            sub.add_argument(option, default=default)
        sub.set_defaults(run=run)

    command(layer)
    command(inflate)
    command(deflate)
    command(entity, ("--type", "application/edi-x12"), ("--encoding", None))
    command(wrap_signed, ("--encoding", "base64"), ("--micalg", "sha-256"), ("--signature", None))
    command(wrap_cms, ("--encoding", "binary"), ("--smime-type", "enveloped-data"))
    command(request, ("--from", "LEFT"), ("--to", "RIGHT"), ("--micalg", "sha-256"), ("--id", "1"))
    command(flip, ("--find", None))
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
