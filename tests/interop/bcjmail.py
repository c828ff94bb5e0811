#!/usr/bin/env python3
"""Drives Bouncy Castle's S/MIME (Smime.java) and interop_peer against each other, both ways, over files.

bcjmail knows S/MIME and no AS2: the header fields of AS2 are put in front here, and taken off again.
"""

import argparse
import base64
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import namedtuple

from known import KnownDivergences

TEXT = b"".join(b"LIN+%d++4000862141404:EN'\r\n" % i for i in range(100))
PAYLOADS = {
    "text": TEXT,
    "lf": TEXT.replace(b"\r\n", b"\n"),
    "utf-8": "Z\u00fcrich\r\n\u20ac\r\n".encode(),
    "every-octet": bytes(range(256)) * 8 + b"\r\n--\r\n\n\r\r\n",
    "empty": b"",
}
TYPE = "application/edi-x12"
JAVA_TIMEOUT, PEER_TIMEOUT = 120, 60

# Theirs: `signer` is whose certificate verifies, `digest` the one of the signature.
Theirs = namedtuple(
    "Theirs",
    "name payload encoding steps layers signer digest accept tamper",
    defaults=("them", "sha-256", "", False),
)
Ours = namedtuple("Ours", "name payload options layers signer reading tamper", defaults=("us", "binary", False))


def theirs():
    documents = [
        ("none", "text"), ("7bit", "text"), ("7bit", "lf"), ("8bit", "utf-8"), ("8bit", "lf"), ("binary", "every-octet"),
        ("binary", "lf"), ("binary", "empty"), ("base64", "every-octet"), ("base64", "empty"), ("quoted-printable", "utf-8"),
    ]  # fmt: skip
    algorithms = [("RSA", "them", "SHA256withRSA"), ("PSS", "them", "SHA256withRSAandMGF1"), ("ECDSA", "p256", "SHA256withECDSA")]
    for rule in ("BER", "DER"):
        der = ["der"] if rule == "DER" else []
        for encoding, payload in documents:
            for name, key, algorithm in algorithms:
                steps = [f"sign:{key}:{algorithm}:binary", *der]
                yield Theirs(f"signed {name}, {rule}, {encoding}, {payload}", payload, encoding, steps, ["signed"], key)
        for cipher in ("AES128_CBC", "AES192_CBC", "AES256_CBC", "DES_EDE3_CBC", "AES128_GCM", "AES256_GCM"):
            for encoding in ("binary", "base64"):
                steps = [f"encrypt:{cipher}:pkcs1:{encoding}", *der]
                yield Theirs(f"{cipher}, {rule}, {encoding}", "every-octet", "binary", steps, ["encrypted"])
        for encoding in ("binary", "base64"):
            yield Theirs(f"compressed, {rule}, {encoding}", "lf", "binary", [f"compress:{encoding}", *der], ["compressed"])
        yield from layers_of_theirs(rule, der)
    for bits in (384, 512):
        for family, ending in (("RSA", ""), ("PSS", "andMGF1")):
            steps = [f"sign:them:SHA{bits}withRSA{ending}:binary"]
            yield Theirs(f"signed {family} SHA{bits}", "text", "binary", steps, ["signed"], "them", f"sha-{bits}")
    for key, bits in (("p384", 384), ("p256", 512)):
        steps = [f"sign:{key}:SHA{bits}withECDSA:binary"]
        yield Theirs(f"signed ECDSA {key} SHA{bits}", "text", "binary", steps, ["signed"], key, f"sha-{bits}")
    for transport in ("oaep256", "oaep512"):
        steps = ["sign:them:SHA256withRSA:binary", f"encrypt:AES256_CBC:{transport}:binary"]
        yield Theirs(f"signed, {transport}", "text", "binary", steps, ["encrypted", "signed"])
    yield from tolerated()
    yield Theirs("signed, one octet changed", "text", "binary", ["sign:them:SHA256withRSA:binary"], ["signed"], tamper=True)


def tolerated():
    """What the crate takes by agreement only, with and without that."""
    for accept in ("", "sha-1"):
        name = f"signed RSA SHA1{', by agreement' if accept else ''}"
        steps = ["sign:them:SHA1withRSA:binary"]
        yield Theirs(name, "text", "binary", steps, ["signed"], "them", "sha-1", accept)
    for accept in ("", "gcm-in-enveloped-data"):
        name = f"AES256_GCM in EnvelopedData{', by agreement' if accept else ''}"
        steps = ["encrypt:AES256_GCM:pkcs1:enveloped-binary"]
        yield Theirs(name, "text", "binary", steps, ["encrypted"], accept=accept)
    # The default of BouncyCastle for parts without a transfer encoding is 7bit, not binary.
    steps = ["sign:them:SHA256withRSA:7bit"]
    yield Theirs("signed, no encoding taken for 7bit, lf", "lf", "none", steps, ["signed"])
    yield Theirs("signed, content inside the signature", "text", "binary", ["wrap:them:SHA256withRSA"], ["signed"])


def layers_of_theirs(rule, der):
    """P-04 and P-06 to P-10."""
    sign, encrypt, compress = "sign:them:SHA256withRSA:binary", "encrypt:AES256_CBC:pkcs1:binary", "compress:binary"
    for steps in (
        [sign, encrypt], [compress, sign], [sign, compress], [compress, encrypt],
        [compress, sign, encrypt], [sign, compress, encrypt],
    ):  # fmt: skip
        words = [{"s": "signed", "e": "encrypted", "c": "compressed"}[step[0]] for step in steps]
        orders = [word for step in steps for word in (step, *der)]
        yield Theirs(f"{' then '.join(words)}, {rule}", "every-octet", "binary", orders, words[::-1])


def ours():
    for payload in PAYLOADS:
        for reading in ("binary", "7bit"):
            yield Ours(f"signed, {payload}, read as {reading}", payload, ["--sign", "sha-256"], ["signed"], "us", reading)
    for digest in ("sha-256", "sha-384", "sha-512"):
        for scheme in ("pkcs1-v1.5", "pss"):
            options = ["--sign", digest, "--rsa-signature", scheme]
            yield Ours(f"signed {scheme} {digest}", "every-octet", options, ["signed"])
        for key in ("p256", "p384"):
            yield Ours(f"signed ECDSA {key} {digest}", "every-octet", ["--sign", digest], ["signed"], key)
    for cipher in ("aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc", "aes128-gcm", "aes256-gcm"):
        for transport in ("rsa-pkcs1-v1.5", "rsa-oaep-sha256", "rsa-oaep-sha512"):
            options = ["--encrypt", cipher, "--key-transport", transport]
            yield Ours(f"{cipher}, {transport}", "every-octet", options, ["encrypted"])
    sign, encrypt = ["--sign", "sha-256"], ["--encrypt", "aes256-cbc"]
    before, after = ["--compress", "before"], ["--compress", "after"]
    for name, options, layers in (
        ("signed then encrypted", sign + encrypt, ["encrypted", "signed"]),
        ("compressed", before, ["compressed"]),
        ("compressed then signed", before + sign, ["signed", "compressed"]),
        ("signed then compressed", after + sign, ["compressed", "signed"]),
        ("compressed then encrypted", before + encrypt, ["encrypted", "compressed"]),
        ("compressed then signed then encrypted", before + sign + encrypt, ["encrypted", "signed", "compressed"]),
        ("signed then compressed then encrypted", after + sign + encrypt, ["encrypted", "compressed", "signed"]),
    ):
        for payload in ("text", "every-octet", "empty"):
            yield Ours(f"{name}, {payload}", payload, options, layers)
    yield Ours("signed, one octet changed", "text", sign, ["signed"], tamper=True)


# What `--record` keeps. See tests/vectors/recorded.
RECORDED = {
    "signed RSA, BER, 8bit, lf": "signed-8bit-lf",
    "signed RSA, DER, none, text": "signed-der-no-encoding",
    "signed RSA, BER, base64, every-octet": "signed-base64",
    "signed RSA, BER, quoted-printable, utf-8": "signed-quoted-printable",
    "signed RSA, BER, binary, empty": "signed-empty",
    "signed PSS, BER, binary, every-octet": "signed-pss",
    "signed ECDSA, BER, 7bit, lf": "signed-ecdsa-7bit-lf",
    "signed, no encoding taken for 7bit, lf": "signed-7bit-by-default-lf",
    "signed, one octet changed": "signed-changed",
    "AES128_CBC, BER, base64": "encrypted-ber-base64",
    "AES256_GCM, DER, binary": "encrypted-gcm-der",
    "AES256_GCM in EnvelopedData": "encrypted-gcm-in-enveloped",
    "signed, content inside the signature": "signed-inside",
    "compressed, BER, binary": "compressed-ber",
    "signed, oaep512": "signed-encrypted-oaep-sha512",
    "compressed then signed then encrypted, BER": "compressed-signed-encrypted",
    "signed then compressed then encrypted, DER": "signed-compressed-encrypted-der",
}


class Difference(Exception):
    """What was found is not what was expected."""


def expect(condition, message):
    if not condition:
        raise Difference(message)


def read(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


def write(octets, *path):
    with open(os.path.join(*path), "wb") as file:
        file.write(octets)


def digest(algorithm, octets):
    return base64.b64encode(hashlib.new(algorithm.replace("-", ""), octets).digest()).decode()


class Run:
    def __init__(self, options):
        self.options, self.work = options, options.work
        self.known, self.passed, self.failed = KnownDivergences("bcjmail.sh"), 0, 0
        for name, octets in PAYLOADS.items():
            write(octets, self.work, name)

    def java(self, orders):
        """One answer for each order."""
        text = "".join("\t".join(order) + "\n" for order in orders).encode()
        command = [*shlex.split(self.options.smime), self.work]
        with open(os.path.join(self.work, "java.log"), "ab") as log:
            done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=log, timeout=JAVA_TIMEOUT, check=True)
        answers = [line.split("\t") for line in done.stdout.decode().splitlines()]
        expect(len(answers) == len(orders), f"{len(answers)} answers to {len(orders)} orders; see {self.work}/java.log")
        return answers

    def peer(self, *options):
        command = [*shlex.split(self.options.peer), *options]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PEER_TIMEOUT, check=False)
        expect(done.returncode in (0, 3) and done.stdout, f"status {done.returncode}: {done.stderr.decode()}")
        return json.loads(done.stdout)

    def relation(self, own, other):
        keys = os.path.join(self.work, "keys")
        names = ["--us", "LEFT-AS2", "--them", "RIGHT-AS2"]
        own = ["--key", f"{keys}/{own}.key.pem", "--cert", f"{keys}/{own}.crt.pem"]
        return [*names, *own, "--partner-cert", f"{keys}/{other}.crt.pem"]

    # Theirs, opened by us

    def theirs(self):
        cases = list(theirs())
        orders = [["make", f"theirs.{i}", case.payload, TYPE, case.encoding, *case.steps] for i, case in enumerate(cases)]
        for number, (case, answer) in enumerate(zip(cases, self.java(orders))):
            self.run(f"bcjmail -> ours: {case.name}", self.open_theirs, number, case, answer)

    def open_theirs(self, number, case, answer):
        expect(answer[0] == "ok", f"not made: {answer}")
        entity = read(self.work, f"theirs.{number}.mime")
        if case.tamper:
            expect(b"LIN+7++" in entity, "nothing to change")
            entity = entity.replace(b"LIN+7++", b"LIN+8++", 1)
        request = as_request(entity, case.digest, f"<bcjmail-{number}@example>")
        path = os.path.join(self.work, f"theirs.{number}")
        write(request, f"{path}.http")
        relation = [*self.relation("us", case.signer), "--accept", case.accept]
        verdict = self.peer("open", *relation, "--in", f"{path}.http", "--out", f"{path}.out")
        if self.options.record and case.name in RECORDED:
            record(self.options.record, case, request, verdict, number)
        if case.tamper:
            expect(verdict["verdict"] == "refused", f"a changed message was taken: {verdict}")
            return "refused"
        expect(verdict["verdict"] == "accepted", f"refused: {verdict}")
        expect(verdict["layers"] == case.layers, f"layers: {verdict}")
        expect(read(f"{path}.out") == PAYLOADS[case.payload], f"the payload differs: {verdict}")
        mic = answer[1] if "signed" in case.layers else digest("sha-256", entity_of(case))
        expect((verdict["mic"], verdict["mic_alg"]) == (mic, case.digest), f"MIC {mic}: {verdict}")
        return verdict["detail"] or "no notes"

    # Ours, taken apart by them

    def ours(self):
        cases, built = list(ours()), []
        for number, case in enumerate(cases):
            path = os.path.join(self.work, f"ours.{number}")
            files = ["--in", os.path.join(self.work, case.payload), "--out", f"{path}.http", "--content-type", TYPE]
            built.append(self.peer("build", *self.relation(case.signer, "them"), *case.options, *files))
            entity = as_entity(read(f"{path}.http"))
            write(entity.replace(b"LIN+7++", b"LIN+8++", 1) if case.tamper else entity, f"{path}.mime")
        answers = self.java([["read", f"ours.{i}", case.signer, case.reading] for i, case in enumerate(cases)])
        for number, (case, answer) in enumerate(zip(cases, answers)):
            self.run(f"ours -> bcjmail: {case.name}", self.check_ours, number, case, built[number], answer)

    def check_ours(self, number, case, built, answer):
        if case.tamper:
            expect(answer[0] == "failed" and "does not match" in answer[1], f"a changed message was taken: {answer}")
            return "refused"
        expect(answer[0] == "ok", f"not read: {answer}")
        expect(answer[1].split(",") == case.layers, f"layers: {answer}")
        expect(answer[2] == (built["mic"] if "signed" in case.layers else "-"), f"MIC {built}: {answer}")
        expect(read(self.work, f"ours.{number}.out") == PAYLOADS[case.payload], "the payload differs")
        return "MIC equal" if "signed" in case.layers else "no signature"

    def run(self, label, check, *arguments):
        try:
            words = check(*arguments)
            expect(not self.known.of(label), "agrees, but stands in known-divergences.tsv")
            self.passed += 1
            print(f"ok     {label} [{words}]", flush=True)
        except Difference as difference:
            known, line = self.known.check(label, str(difference))
            self.failed += not known
            print(line, flush=True)


def entity_of(case):
    """The document as Smime.java writes it, for what nobody signed."""
    expect(case.encoding == "binary", "only documents in binary")
    return f"Content-Type: {TYPE}\r\nContent-Transfer-Encoding: binary\r\n\r\n".encode() + PAYLOADS[case.payload]


def as_request(entity, micalg, message_id):
    """An AS2 request with this entity; header fields are unfolded, as HTTP wants it."""
    head, body = entity.split(b"\r\n\r\n", 1)
    wish = f"signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, {micalg}"
    fields = ["POST /as2 HTTP/1.1", "AS2-Version: 1.2", "AS2-From: RIGHT-AS2", "AS2-To: LEFT-AS2"]
    fields += [f"Message-ID: {message_id}", "Disposition-Notification-To: right@example"]
    fields += [f"Disposition-Notification-Options: {wish}", f"Content-Length: {len(body)}"]
    fields += re.sub(rb"\r\n[ \t]+", b" ", head).decode("latin-1").split("\r\n")
    return "\r\n".join([*fields, "", ""]).encode("latin-1") + body


def as_entity(request):
    """The entity in an AS2 request."""
    head, body = request.split(b"\r\n\r\n", 1)
    own = (b"content-type:", b"content-transfer-encoding:", b"content-disposition:")
    fields = [line for line in head.split(b"\r\n") if line.lower().startswith(own)]
    return b"\r\n".join([*fields, b"", b""]) + body


def record(folder, case, request, verdict, number):
    """A fixture and its line in cases.tsv, as drive.py writes them."""
    name = RECORDED[case.name]
    write(request, folder, f"{name}.http")
    write(PAYLOADS[case.payload], folder, f"{case.payload}.payload")
    row = [name, verdict["verdict"], ",".join(verdict["layers"]), case.payload, verdict["mic_alg"], verdict["mic"]]
    row += [f"bcjmail-{number}@example", verdict["disposition"], case.signer, case.accept]
    with open(os.path.join(folder, "cases.tsv"), "a", encoding="utf-8") as file:
        file.write("\t".join(cell or "-" for cell in row) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smime", required=True, help="command of Smime.java")
    parser.add_argument("--peer", required=True, help="command of interop_peer")
    parser.add_argument("--work", required=True, help="folder for messages, with keys/{us,them,p256,p384}.{key,crt}.pem")
    parser.add_argument("--record", help="keep the cases of RECORDED in this folder, as fixtures")
    options = parser.parse_args()
    if options.record:
        shutil.rmtree(options.record, ignore_errors=True)
        keys = os.path.join(options.work, "keys")
        shutil.copytree(keys, os.path.join(options.record, "keys"), ignore=shutil.ignore_patterns("*.log"))
    run = Run(options)
    run.theirs()
    run.ours()
    stale = run.known.stale()
    if stale:
        print(f"FAILED known-divergences.tsv: no such case ran: {stale}")
    print(f"{run.known.count} known divergences\n{run.passed} cases agree, {run.failed} differ")
    return 1 if run.failed or stale else 0


if __name__ == "__main__":
    sys.exit(main())
