"""Makes the messages with several documents in this folder with OpenSSL: run it here, with openssl on the path."""

import base64, hashlib, pathlib, subprocess

HERE = pathlib.Path(__file__).parent
WORKED = HERE.parent / "worked"
PDF = b"%PDF-1.4\n\x00\xff\n%%EOF"


def related(closing):
    """multipart/related of XML and a PDF in base64; `closing` follows the close delimiter."""
    text = base64.encodebytes(PDF).replace(b"\n", b"\r\n").rstrip()
    return (
        b'Content-Type: multipart/related; boundary="INNER"; type="application/xml"; start="<order@alice.example>"\r\n\r\n'
        b"--INNER\r\nContent-Type: application/xml\r\nContent-ID: <order@alice.example>\r\n"
        b'Content-Disposition: attachment; filename="order.xml"\r\n\r\n<order>\n</order>\n\r\n'
        b"--INNER\r\nContent-Type: application/pdf\r\nContent-ID: <plan@alice.example>\r\n"
        b"Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename*=UTF-8''%C3%9Cbersicht.pdf\r\n\r\n"
        + text + b"\r\n--INNER--" + closing
    )


def openssl(*arguments, data):
    return subprocess.run(["openssl", *arguments], input=data, stdout=subprocess.PIPE, check=True).stdout


def request(name, content_type, body):
    head = (
        'POST /as2 HTTP/1.1\r\nHost: bob.example\r\nAS2-Version: 1.2\r\nEDIINT-Features: CEM ,multiple-attachments\r\n'
        f'AS2-From: "Alice Corp"\r\nAS2-To: bob\r\nMessage-ID: <{name}@alice.example>\r\n'
        "Disposition-Notification-To: a@alice.example\r\nDisposition-Notification-Options: signed-receipt-protocol="
        "optional, pkcs7-signature; signed-receipt-micalg=optional, sha-256\r\n"
        f"{content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    (HERE / f"{name}.http").write_bytes(head.encode() + body)


def signed(entity):
    keys = ["-signer", WORKED / "keys/alice-sign.crt", "-inkey", WORKED / "keys/alice-sign.key"]
    cms = openssl("cms", "-sign", "-binary", "-md", "sha256", "-outform", "DER", *keys, data=entity)
    return (
        'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256; boundary="OUTER"',
        b"--OUTER\r\n" + entity + b"\r\n--OUTER\r\nContent-Type: application/pkcs7-signature\r\n"
        b"Content-Transfer-Encoding: binary\r\n\r\n" + cms + b"\r\n--OUTER--\r\n",
    )


def encrypted(entity):
    to = WORKED / "keys/bob-enc.crt"
    cms = openssl("cms", "-encrypt", "-binary", "-aes-256-cbc", "-outform", "DER", to, data=entity)
    return ('Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name="smime.p7m"', cms)


mics = []
whole, bare = related(b"\r\n"), related(b"")
for name, content, (head, body) in [
    ("11-plain", whole.split(b"\r\n\r\n", 1)[1], tuple(whole.split(b"\r\n\r\n", 1))),
    ("12-signed", whole, signed(whole)),
    ("12b-signed-without-last-line-end", bare, signed(bare)),
    ("13-encrypted", whole, encrypted(whole)),
]:
    request(name, head.decode() if isinstance(head, bytes) else head, body)
    mics.append(f"{name}\t{base64.b64encode(hashlib.sha256(content).digest()).decode()}\n")
(HERE / "MIC.tsv").write_text("".join(mics))
