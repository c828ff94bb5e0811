#!/usr/bin/env python3
"""Drives two AS2 stations (contract: README.md) against each other over HTTP on loopback.

One line per case; the first difference ends the run with exit status 1.
Needs the standard library only.
"""

import argparse
import base64
import hashlib
import http.client
import json
import os
import queue
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from cases import PAYLOADS, RECORDED, TABLES
from known import KnownDivergences

START_TIMEOUT = 60
QUIET = 0.5
EVENT_TIMEOUT = 30
STOP_TIMEOUT = 10

NAMES = {"left": "LEFT-AS2", "right": "RIGHT-AS2"}


class Difference(Exception):
    """What was found is not what was expected."""


class Unsettled(Difference):
    """As above, and events of the case may still come."""


class UnsupportedCase(Exception):
    """A station says that it does not do what the case needs."""


def expect(condition, message):
    if not condition:
        raise Difference(message)


# The man in the middle


class Proxy:
    """Forwards POSTs to `target` and changes one octet of the request or of the answer, or writes them down."""

    def __init__(self, target, mode):
        self.target, self.mode = urlsplit(target), mode
        self.request = self.response = b""
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), ProxyHandler)
        self.server.daemon_threads = True
        self.server.proxy = self
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def forward(self, headers, body):
        connection = http.client.HTTPConnection(self.target.hostname, self.target.port, timeout=EVENT_TIMEOUT)
        try:
            connection.request("POST", "/", body=self.changed(body, request=True), headers=dict(headers))
            response = connection.getresponse()
            answer = response.read()
            self.request = on_the_wire("POST /as2 HTTP/1.1", headers, body)
            self.response = on_the_wire(f"HTTP/1.1 {response.status} OK", response.getheaders(), answer)
            return response.status, response.getheaders(), self.changed(answer, request=False)
        finally:
            connection.close()

    def changed(self, body, request):
        if request and self.mode == "payload":
            if b"UNB+UNOA:" in body:
                return replace_once(body, b"UNB+UNOA:", b"UNB+UNOB:")
            return replace_once(body, b"VU5CK1VOT0E6", b"VU5CK1VOT0I6")  # the same in base64
        if request and self.mode == "middle":
            at = len(body) // 2
            return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        if not request and self.mode == "receipt":
            return replace_once(body, b"MDN-sent-automatically", b"MDN-sent-Automatically")
        if not request and self.mode == "mic":
            changed, count = re.subn(rb"(?i)(received-content-mic: *)[^ ]", lambda m: m[1] + other(m[0][-1:]), body)
            expect(count == 1, "no MIC in the MDN")
            return changed
        return body


def on_the_wire(start, fields, body):
    """A message without the fields that belong to the connection."""
    own = ("connection", "date", "host", "keep-alive", "transfer-encoding", "user-agent")
    lines = [start, *(f"{name}: {value}" for name, value in fields if name.lower() not in own), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def other(octet):
    return b"B" if octet == b"A" else b"A"


def replace_once(body, old, new):
    expect(old in body, f"{old!r} is not in what passed the proxy")
    return body.replace(old, new, 1)


class ProxyHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = EVENT_TIMEOUT

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, headers, answer = self.server.proxy.forward(self.headers.items(), body)
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


# The stations

TOLERANT = "sha-1,gcm-in-enveloped-data"
KINDS = {
    "usual": [],
    "strict": ["--require", "signed,encrypted"],
    "tolerant": ["--accept", TOLERANT],
}


class Station:
    """One running `serve` process."""

    def __init__(self, side, command, keys, work, kind):
        other = "right" if side == "left" else "left"
        self.side = side
        out = os.path.join(work, f"{side}-{kind}")
        os.makedirs(out, exist_ok=True)
        self.log_path = os.path.join(out, "stderr.log")
        options = ["serve", "--port", "0", "--us", NAMES[side], "--them", NAMES[other]]
        options += ["--key", f"{keys}/{side}.key.pem", "--cert", f"{keys}/{side}.crt.pem"]
        options += ["--partner-cert", f"{keys}/{other}.crt.pem", "--out", out, *KINDS[kind]]
        self.events = queue.Queue()
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                shlex.split(command) + options, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        threading.Thread(target=self.read_events, daemon=True).start()
        listening = self.wait("listening", START_TIMEOUT)
        self.url = f"http://127.0.0.1:{listening['port']}/"

    def read_events(self):
        for line in self.process.stdout:
            if line.startswith(b"{"):  # Node writes a warning there
                self.events.put(line)
        self.events.put(None)

    def tell(self, **order):
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()

    def wait(self, kind, timeout=EVENT_TIMEOUT, peer=None):
        """The next event, which must be a `kind`; trouble that `peer` reports meanwhile ends the wait."""
        deadline, line = time.monotonic() + timeout, b""
        while line == b"":
            if time.monotonic() > deadline:
                raise Unsettled(f"{self.side}: no '{kind}' within {timeout} s")
            if peer:
                peer.expect_no_error()
            try:
                line = self.events.get(timeout=0.1)
            except queue.Empty:
                pass
        expect(line is not None, f"{self.side}: the station ended; see {self.log_path}")
        event = json.loads(line)
        if event["event"] == "unsupported":
            raise UnsupportedCase(event["detail"])
        if event["event"] != kind:
            raise Unsettled(f"{self.side}: wanted '{kind}', got {json.dumps(event, indent=1)}")
        return event

    def expect_silence(self):
        if not self.events.empty():
            raise Difference(f"{self.side}: unexpected {self.events.get()!r}")

    def settle_down(self):
        """Forgets what a case that went wrong left behind."""
        try:
            while True:
                expect(self.events.get(timeout=QUIET) is not None, f"{self.side}: the station ended; see {self.log_path}")
        except queue.Empty:
            pass

    def expect_no_error(self):
        pending = list(self.events.queue)
        if pending and pending[0] is not None and json.loads(pending[0])["event"] == "unsupported":
            raise UnsupportedCase(json.loads(self.events.get())["detail"])
        if pending and (pending[0] is None or json.loads(pending[0])["event"] == "error"):
            raise Unsettled(f"{self.side}: {pending[0]!r}; see {self.log_path}")

    def stop(self):
        try:
            self.tell(cmd="quit")
            self.process.stdin.close()
        except OSError:
            pass
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


# Running one case


def plain_algorithm(name):
    return "".join(c for c in (name or "").lower() if c.isalnum())


def same_id(one, two):
    return (one or "").strip("<> ") == (two or "").strip("<> ")


def run_case(case, sender, receiver, options, label):
    payload, content_type = PAYLOADS[case.payload]
    path = os.path.join(options.work, f"{case.payload}.sent")
    with open(path, "wb") as file:
        file.write(payload)
    recorded = options.record and RECORDED.get(options.script, {}).get(sender.side, {}).get(case.name)
    proxy = Proxy(receiver.url, case.tamper) if case.tamper or recorded else None
    for station in (sender, receiver):
        station.expect_silence()
    order = {**case.order, "file": path, "content_type": content_type, "filename": "interop.edi"}
    try:
        sender.tell(cmd="send", to=proxy.url if proxy else receiver.url, **order)
        received = receiver.wait("received", peer=sender)
        outcome = sender.wait("outcome", peer=receiver)
    finally:
        if proxy:
            proxy.server.shutdown()
            proxy.server.server_close()
    if recorded:
        record(options, case, recorded, sender, proxy, received, outcome, payload)
    if received.get("unsupported"):
        expect(outcome["outcome"] == "negative", f"an unsupported message must be refused: {outcome}")
        raise UnsupportedCase(received["detail"])
    check_received(case, received)
    check_outcome(case, received, outcome)
    if case.outcome in ("positive", "none"):
        check_mics(case, received, outcome, payload)
    if case.outcome != "negative":
        check_payload(received, payload)
    return received, outcome


def record(options, case, name, sender, proxy, received, outcome, payload):
    """A fixture: the foreign side's request, or its answer to ours, and a line about it in cases.tsv."""
    theirs = sender.side == "right"
    event = received if theirs else outcome
    with open(os.path.join(options.record, f"{name}.http"), "wb") as file:
        file.write(proxy.request if theirs else proxy.response)
    if theirs:
        with open(os.path.join(options.record, f"{case.payload}.payload"), "wb") as file:
            file.write(payload)
    verdict = event["verdict"] if theirs else event["outcome"]
    # Of a message of ours, the MIC that its receipt is held against; of one of theirs, the one that we report.
    row = [name, verdict, ",".join(received["layers"]), case.payload, event["mic_alg"], event["mic"]]
    row += [event["message_id"].strip("<>"), event["disposition"], "right"]
    asked = "signed" if case.order.get("receipt_micalg") else "unsigned"
    row.append(TOLERANT if theirs and case.station == "tolerant" else None if theirs else asked)
    with open(os.path.join(options.record, "cases.tsv"), "a", encoding="utf-8") as file:
        file.write("\t".join(cell or "-" for cell in row) + "\n")


def check_received(case, received):
    accepted = case.outcome != "negative"
    expect(received["verdict"] == ("accepted" if accepted else "refused"), f"verdict: {received}")
    if accepted:
        expect(set(received["layers"]) == case.layers, f"layers: {received['layers']} instead of {sorted(case.layers)}")
    else:
        expect(received.get("payload_file") is None, f"a refused message left a payload: {received}")


def check_payload(received, payload):
    with open(received["payload_file"], "rb") as file:
        arrived = file.read()
    if arrived == payload + b"\r\n":
        raise Difference(f"payload: a line end more than the {len(payload)} octets that were sent: {received}")
    if arrived + b"\r\n" == payload:
        raise Difference(f"payload: a line end less than the {len(payload)} octets that were sent: {received}")
    expect(arrived == payload, f"payload differs: {len(payload)} octets sent, {len(arrived)} received: {received}")


def check_outcome(case, received, outcome):
    expect(same_id(outcome["message_id"], received["message_id"]), f"message ids: {received} {outcome}")
    allowed = {case.outcome}
    if case.outcome == "positive" and received["mic"] is None and "signed" not in case.layers:
        # pyas2lib reports no MIC for an unsigned message; a strict sender may say so instead of "positive".
        allowed.add("mic-missing")
    expect(outcome["outcome"] in allowed, f"outcome: {outcome}\nreceiver: {received}")
    disposition = (outcome.get("disposition") or "").lower()
    if case.outcome == "positive":
        expect(disposition.replace(" ", "").endswith(";processed"), f"disposition: {outcome}")
        signed = case.order["receipt_micalg"] is not None
        expect(outcome["receipt_signed"] == signed, f"receipt signed: {outcome}")
    if case.outcome == "negative":
        expect("error" in disposition or "failure" in disposition, f"disposition: {outcome}")


def check_mics(case, received, outcome, payload):
    signed = "signed" in case.layers
    sent_mic, got_mic = outcome["mic"], received["mic"]
    if signed:
        expect(sent_mic and got_mic, f"a signed message has a MIC on both sides: {received} {outcome}")
    if sent_mic and got_mic:
        sides = [(plain_algorithm(e["mic_alg"]), base64.b64decode(e["mic"])) for e in (outcome, received)]
        if sides[0][0] == sides[1][0]:
            expect(sides[0] == sides[1], f"MICs differ: {received} {outcome}")
        else:
            expect(case.only, f"MIC algorithms differ: {received} {outcome}")
    if signed and case.outcome == "positive":
        expect(outcome["mic_check"] == "match", f"MIC check: {outcome}")
    if not case.layers:
        # RFC 4130 7.3.1: neither signed nor encrypted, the MIC covers the body alone.
        for event in (received, outcome):
            if event["mic"]:
                digest = hashlib.new(plain_algorithm(event["mic_alg"]), payload).digest()
                expect(base64.b64decode(event["mic"]) == digest, f"MIC of a plain body: {event}")


def mic_words(received, outcome):
    if received["mic"] and outcome["mic"]:
        return f"MIC {received['mic_alg']} equal"
    if received["mic"] or outcome["mic"]:
        return "MIC on one side only"
    return "no MIC"


class Run:
    """The cases of one script, one after the other."""

    def __init__(self, options):
        self.options = options
        # pyas2lib in our place has none.
        self.known = KnownDivergences(None if options.self_test else options.script)
        self.passed = self.skipped = self.failed = 0
        self.stations = {}

    def start(self):
        for kind in KINDS:
            for side in ("left", "right"):
                command = getattr(self.options, side)
                self.stations[side, kind] = Station(side, command, self.options.keys, self.options.work, kind)

    def stop(self):
        for station in self.stations.values():
            station.stop()

    def left_out(self, case):
        """The crate's own abilities and tolerances, where pyas2lib stands in for it."""
        return self.options.self_test and (case.only == "left" or case.order["sign"] == "sha-1")

    def case(self, case):
        pair = [self.stations[side, case.station] for side in ("left", "right")]
        for sender, receiver in (pair, pair[::-1]):
            if case.only in (None, sender.side):
                if self.left_out(case):
                    self.skipped += 1
                else:
                    self.exchange(case, sender, receiver)

    def exchange(self, case, sender, receiver):
        label = f"{NAMES[sender.side]} -> {NAMES[receiver.side]}: {case.name}"
        try:
            received, outcome = run_case(case, sender, receiver, self.options, label)
        except (UnsupportedCase, Difference) as difference:
            self.diverges(label, difference)
            if not isinstance(difference, Difference) or isinstance(difference, Unsettled):
                for station in (sender, receiver):
                    station.settle_down()
            return
        expect(not self.known.of(label), f"{label}\nagrees, but stands in known-divergences.tsv")
        self.passed += 1
        print(f"ok     {label} [{outcome['outcome']}, {mic_words(received, outcome)}]", flush=True)

    def diverges(self, label, difference):
        seen = f"unsupported: {difference}" if isinstance(difference, UnsupportedCase) else str(difference)
        known, line = self.known.check(label, seen)
        print(line, flush=True)
        if not known:
            self.failed += 1
            expect(self.options.go_on, "the first difference ends the run")


def run_all(options):
    run, began = Run(options), time.monotonic()
    if options.record:
        shutil.rmtree(options.record, ignore_errors=True)
        shutil.copytree(options.keys, os.path.join(options.record, "keys"), ignore=shutil.ignore_patterns("*.log"))
    try:
        run.start()
        for case in TABLES[options.script]():
            run.case(case)
        expect(not run.failed, f"{run.failed} cases differ")
        stale = run.known.stale()
        expect(not stale, f"known-divergences.tsv: no such case ran: {stale}")
    except Difference as difference:
        print(f"FAILED {difference}", flush=True)
        return 1
    finally:
        run.stop()
    print(f"{run.known.count} known divergences")
    tail = f", {run.skipped} that need our side left out" if run.skipped else ""
    print(f"{run.passed} exchanges agree ({time.monotonic() - began:.0f} s){tail}")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--script", required=True, choices=TABLES, help="whose cases, and whose known divergences")
    parser.add_argument("--left", required=True, help="command of our station")
    parser.add_argument("--right", required=True, help="command of the foreign station")
    parser.add_argument("--keys", required=True, help="directory with {left,right}.{key,crt}.pem")
    parser.add_argument("--work", required=True, help="directory for payloads and logs")
    parser.add_argument("--record", help="keep the cases of RECORDED in this folder, as fixtures")
    parser.add_argument("--go-on", action="store_true", help="print every difference, and fail at the end")
    parser.add_argument("--self-test", action="store_true", help="both sides are pyas2lib")
    sys.exit(run_all(parser.parse_args()))


if __name__ == "__main__":
    main()
