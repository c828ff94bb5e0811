#!/usr/bin/env python3
"""An AS2 station over pyas2lib that speaks the command line of README.md.

It is the foreign side of pyas2.sh, and, because it follows the same contract as
`interop_peer`, also a stand-in for it when the scripts prove themselves.
"""

import argparse
import base64
import http.client
import json
import logging
import os
import sys
import threading
import traceback
from email import message_from_string
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from pyas2lib import Mdn, Message, Organization, Partner

HTTP_TIMEOUT = 20
MAX_BODY = 64 << 20
UNSUPPORTED = 3

CIPHERS = {
    "aes128-cbc": "aes_128_cbc",
    "aes192-cbc": "aes_192_cbc",
    "aes256-cbc": "aes_256_cbc",
    "3des-cbc": "tripledes_192_cbc",
}

# What Mdn.parse() reports about its own trouble in the same fields as the peer's verdict.
LOCAL_TROUBLE = (
    "Failed to parse received MDN",
    "mdn-not-found",
    "original-message-not-found",
    "Expected signed MDN",
)


class Unsupported(Exception):
    """pyas2lib cannot do what was asked for."""


def digest_name(name):
    """`sha-256` and its relatives in pyas2lib's spelling; None for none."""
    return None if name in (None, "none") else name.lower().replace("-", "").replace("_", "")


class Identity:
    """Keys and names of one relation, and pyas2lib's two objects made from them."""

    def __init__(self, args):
        self.us, self.them = args.us, args.them
        with open(args.key, "rb") as key, open(args.cert, "rb") as cert:
            self.own = key.read() + b"\n" + cert.read()
        with open(args.partner_cert, "rb") as cert:
            self.theirs = cert.read()

    def organization(self, mdn_url=None):
        return Organization(
            as2_name=self.us,
            sign_key=self.own,
            sign_key_pass=None,
            decrypt_key=self.own,
            decrypt_key_pass=None,
            mdn_url=mdn_url,
            domain="pyas2.example",
        )

    def partner(self, **settings):
        return Partner(as2_name=self.them, verify_cert=self.theirs, encrypt_cert=self.theirs, **settings)


def partner_for_sending(identity, order):
    """The Partner whose settings make pyas2lib build what `order` (a send command) asks for."""
    compress, encrypt = order.get("compress", "none"), order.get("encrypt", "none")
    if compress == "after":
        raise Unsupported("pyas2lib compresses before it signs")
    if encrypt != "none" and encrypt not in CIPHERS:
        raise Unsupported(f"pyas2lib does not know {encrypt}")
    receipt = order.get("receipt", "none")
    settings = {
        "sign": digest_name(order.get("sign")) is not None,
        "digest_alg": digest_name(order.get("sign")) or "sha256",
        "encrypt": encrypt != "none",
        "enc_alg": CIPHERS.get(encrypt, "aes_256_cbc"),
        "compress": compress == "before",
        "mdn_mode": {"none": None, "sync": "SYNC", "async": "ASYNC"}[receipt],
        "mdn_digest_alg": digest_name(order.get("receipt_micalg")),
    }
    return identity.partner(**settings)


def build_message(identity, order, mdn_url=None):
    with open(order["file"], "rb") as file:
        data = file.read()
    message = Message(identity.organization(mdn_url), partner_for_sending(identity, order))
    message.build(
        data,
        filename=order.get("filename"),
        subject="interop",
        content_type=order.get("content_type", "application/edi-x12"),
    )
    return message


def mic_of(message):
    """pyas2lib has a MIC for signed messages only."""
    if message.mic is None:
        return None, None
    return message.mic.decode(), message.digest_alg


def layers_of(message):
    """What was unwrapped; pyas2lib does not keep the order of signing and compressing."""
    flags = (("encrypted", message.encrypted), ("signed", message.signed), ("compressed", message.compressed))
    return [name for name, present in flags if present]


def header_value(headers, name):
    return next((str(v) for k, v in headers.items() if k.lower() == name), None)


def disposition_and_mic(report):
    """The fields of an MDN's machine part, wherever the MIME tree holds it."""
    for part in report.walk() if report is not None else ():
        if part.get_content_type() == "message/disposition-notification":
            content = part.get_payload()
            # Text in an MDN that was just built, a parsed sub-message in one that was received.
            fields = message_from_string(content) if isinstance(content, str) else content[0]
            mic = (fields.get("Received-Content-MIC") or "").split(",")
            value = mic[0].strip() or None
            algorithm = mic[1].strip() if len(mic) > 1 else None
            return fields.get("Disposition"), value, algorithm
    return None, None, None


def raw_message(headers, body):
    """pyas2lib parses one octet string: the HTTP header fields, a blank line, the body."""
    return b"".join(f"{k}: {v}\r\n".encode("latin-1") for k, v in headers) + b"\r\n" + body


def post(url, headers, body):
    """One POST with a bounded wait; (status, header list, body)."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=HTTP_TIMEOUT)
    try:
        connection.request("POST", parts.path or "/", body=body, headers=headers)
        response = connection.getresponse()
        return response.status, response.getheaders(), response.read(MAX_BODY)
    finally:
        connection.close()


class Station:
    """Sends, receives and remembers what it sent until the MDN is there."""

    def __init__(self, args):
        self.identity = Identity(args)
        self.require = {item for item in args.require.split(",") if item}
        self.out = args.out
        self.url = None
        self.count = 0
        self.sent = {}
        self.lock = threading.Lock()

    def emit(self, event, **fields):
        line = json.dumps({"event": event, **fields})
        with self.lock:
            print(line, flush=True)

    # Receiving

    def receive(self, headers, body):
        """(status, headers, body) of the HTTP answer, and what to do after it was written."""
        kind = header_value(dict(headers), "content-type") or ""
        if self.is_mdn(kind, body):
            self.settle(headers, body)
            return 200, {}, b"", None
        return self.receive_message(headers, body)

    @staticmethod
    def is_mdn(kind, body):
        kind = kind.lower()
        return kind.startswith("multipart/report") or (
            kind.startswith("multipart/signed") and b"disposition-notification" in body
        )

    def receive_message(self, headers, body):
        message = Message()
        partner = self.identity.partner(sign="signed" in self.require, encrypt="encrypted" in self.require)
        status, (error, _), mdn = message.parse(
            raw_message(headers, body),
            find_org_cb=lambda name: self.identity.organization() if name == self.identity.us else None,
            find_partner_cb=lambda name: partner if name == self.identity.them else None,
        )
        accepted = status == "processed"
        mic, mic_alg = mic_of(message)
        report = mdn.payload if mdn else None
        self.emit(
            "received",
            message_id=message.message_id,
            verdict="accepted" if accepted else "refused",
            layers=layers_of(message),
            mic=mic,
            mic_alg=mic_alg,
            disposition=disposition_and_mic(report)[0],
            payload_file=self.store(message) if accepted else None,
            content_type=message.payload.get_content_type(),
            detail=repr(error) if error else None,
        )
        return self.answer(mdn)

    def store(self, message):
        with self.lock:
            self.count += 1
            path = os.path.join(self.out, f"{self.count}.payload")
        with open(path, "wb") as file:
            file.write(message.content)
        return path

    @staticmethod
    def answer(mdn):
        if mdn is None:
            return 200, {}, b"", None
        if mdn.mdn_mode == "ASYNC":
            return 200, {}, b"", lambda: post(mdn.mdn_url, mdn.headers, mdn.content)
        return 200, mdn.headers, mdn.content, None

    # Sending

    def send(self, order):
        message = build_message(self.identity, order, mdn_url=self.url + "mdn")
        # Known before it is sent: an asynchronous MDN may overtake the HTTP response.
        with self.lock:
            self.sent[message.message_id] = message
        status, headers, body = post(order["to"], message.headers, message.content)
        receipt = order.get("receipt", "none")
        if status >= 300:
            self.report(message, outcome="none", detail=f"HTTP status {status}")
        elif receipt == "none":
            self.report(message, outcome="none", detail="no receipt was asked for")
        elif receipt == "sync":
            self.settle(headers, body, message)

    def settle(self, headers, body, expected=None):
        mdn = Mdn()
        status, detail = mdn.parse(raw_message(headers, body), lambda message_id, _: self.find(message_id, expected))
        message = self.find(mdn.orig_message_id, expected)
        if message is None:
            self.emit("error", detail=f"an MDN for the unknown message {mdn.orig_message_id}")
            return
        disposition, mic, mic_alg = disposition_and_mic(mdn.payload)
        outcome = outcome_of(status, detail)
        signed = bool(mdn.digest_alg) and outcome != "invalid"
        self.report(message, outcome, disposition, signed, mic, mic_alg, detail)

    def find(self, message_id, expected):
        """A synchronous MDN must name the message it answers; one that names none is matched by the request."""
        if expected is not None and message_id in (None, expected.message_id):
            return expected
        with self.lock:
            return self.sent.get(message_id)

    def report(self, message, outcome, disposition=None, signed=False, mic=None, mic_alg=None, detail=None):
        own, own_alg = mic_of(message)
        self.emit(
            "outcome",
            message_id=message.message_id,
            mic=own,
            mic_alg=own_alg,
            outcome=outcome,
            disposition=disposition,
            receipt_signed=signed,
            receipt_mic=mic,
            receipt_mic_alg=mic_alg,
            mic_check=mic_check(own, mic),
            detail=detail,
        )


def outcome_of(status, detail):
    detail = detail or ""
    if status == "processed":
        return "positive"
    if detail == "Message Integrity check failed.":
        return "mic-mismatch"
    if status is None or detail.startswith(LOCAL_TROUBLE):
        return "invalid"
    return "negative"


def mic_check(own, reported):
    if own is None:
        return "not-computed"
    if reported is None:
        return "absent"
    return "match" if base64.b64decode(own) == base64.b64decode(reported) else "mismatch"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = HTTP_TIMEOUT

    def do_POST(self):
        length = self.headers.get("Content-Length")
        if length is None or not length.isdigit() or int(length) > MAX_BODY:
            self.reply(411, {}, b"")
            return
        body = self.rfile.read(int(length))
        try:
            status, headers, answer, afterwards = self.server.station.receive(self.headers.items(), body)
        except Exception:  # pyas2lib raises where it should answer; the driver shall see why
            self.server.station.emit("error", detail=traceback.format_exc())
            status, headers, answer, afterwards = 500, {}, b"", None
        self.reply(status, headers, answer)
        if afterwards:
            try:
                afterwards()
            except (OSError, http.client.HTTPException) as error:
                self.server.station.emit("error", detail=f"posting the MDN: {error!r}")

    def reply(self, status, headers, body):
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_):
        pass


def serve(args):
    os.makedirs(args.out, exist_ok=True)
    station = Station(args)
    server = ThreadingHTTPServer(("127.0.0.1", args.port), Handler)
    server.daemon_threads = True
    server.station = station
    port = server.server_address[1]
    station.url = f"http://127.0.0.1:{port}/"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    station.emit("listening", port=port)
    for line in sys.stdin:
        try:
            order = json.loads(line)
            if order["cmd"] == "quit":
                break
            station.send(order)
        except Exception:
            station.emit("error", detail=traceback.format_exc())
    server.shutdown()
    return 0


def build(args):
    """The raw HTTP request of one message, and its MIC as JSON."""
    order = {key: getattr(args, key) for key in ("file", "sign", "encrypt", "compress", "content_type")}
    message = build_message(Identity(args), order)
    body = message.content
    head = [("Host", "127.0.0.1"), *message.headers.items(), ("Content-Length", str(len(body)))]
    with open(args.out, "wb") as file:
        file.write(b"POST / HTTP/1.1\r\n" + raw_message(head, body))
    mic, mic_alg = mic_of(message)
    print(json.dumps({"message_id": message.message_id, "mic": mic, "mic_alg": mic_alg}))
    return 0


def open_request(args):
    """What a receiver makes of one raw HTTP request."""
    with open(args.file, "rb") as file:
        _, _, raw = file.read().partition(b"\r\n")
    identity, message = Identity(args), Message()
    status, (error, _), _ = message.parse(
        raw, find_org_cb=lambda _: identity.organization(), find_partner_cb=lambda _: identity.partner()
    )
    accepted = status == "processed"
    if accepted:
        with open(args.out, "wb") as file:
            file.write(message.content)
    mic, mic_alg = mic_of(message)
    print(
        json.dumps(
            {
                "verdict": "accepted" if accepted else "refused",
                "layers": layers_of(message),
                "mic": mic,
                "mic_alg": mic_alg,
                "disposition": None,
                "detail": repr(error) if error else None,
            }
        )
    )
    return 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    for name in ("us", "them", "key", "cert", "partner-cert", "out"):
        common.add_argument(f"--{name}", required=True)
    serving = commands.add_parser("serve", parents=[common])
    serving.add_argument("--port", type=int, default=0)
    serving.add_argument("--require", default="")
    serving.add_argument("--accept", default="", help="pyas2lib accepts everything that it can read")
    serving.set_defaults(run=serve)
    building = commands.add_parser("build", parents=[common])
    building.add_argument("--in", dest="file", required=True)
    building.add_argument("--sign", default="none")
    building.add_argument("--encrypt", default="none")
    building.add_argument("--compress", default="none")
    building.add_argument("--content-type", default="application/edi-x12")
    building.set_defaults(run=build)
    opening = commands.add_parser("open", parents=[common])
    opening.add_argument("--in", dest="file", required=True)
    opening.set_defaults(run=open_request)
    return parser.parse_args()


def main():
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR)
    args = arguments()
    try:
        return args.run(args)
    except Unsupported as error:
        print(f"unsupported: {error}", file=sys.stderr)
        return UNSUPPORTED


if __name__ == "__main__":
    sys.exit(main())
