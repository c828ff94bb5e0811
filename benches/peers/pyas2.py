#!/usr/bin/env python3
"""Times pyas2lib on the work of one AS2 message, in one process: pyas2.py FOLDER FILE SECONDS."""

import statistics
import sys
import time

from pyas2lib import Message, Organization, Partner


def read(path):
    with open(path, "rb") as file:
        return file.read()


def timed(operation, octets, seconds, work):
    work()
    times, began = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - began < seconds:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    print("pyas2lib", operation, octets, statistics.median(times), flush=True)


def main():
    folder, file, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    payload = read(file)
    keys = {name: read(f"{folder}/{name}.key.pem") + read(f"{folder}/{name}.crt.pem") for name in ("alice", "bob")}
    certificates = {name: read(f"{folder}/{name}.crt.pem") for name in ("alice", "bob")}

    def us(name):
        return Organization(
            as2_name=name, sign_key=keys[name], sign_key_pass=None, decrypt_key=keys[name], decrypt_key_pass=None
        )

    def them(name):
        certificate = certificates[name]
        return Partner(
            as2_name=name,
            verify_cert=certificate,
            encrypt_cert=certificate,
            sign=True,
            digest_alg="sha256",
            encrypt=True,
            enc_alg="aes_256_cbc",
        )

    alice, bob, to_bob, from_alice = us("alice"), us("bob"), them("bob"), them("alice")

    def make():
        message = Message(alice, to_bob)
        message.build(payload, filename="order.edi", subject="order", content_type="application/edi-x12")
        return message

    def opened(raw):
        message = Message()
        status, error, _ = message.parse(raw, find_org_cb=lambda _: bob, find_partner_cb=lambda _: from_alice)
        if status != "processed":
            raise SystemExit(f"refused: {error}")
        return message

    timed("make", len(payload), seconds, make)
    sent = make()
    raw = sent.headers_str + b"\r\n" + sent.content
    if len(opened(raw).content) < len(payload):
        raise SystemExit("another payload")
    timed("open", len(payload), seconds, lambda: opened(raw))


main()
