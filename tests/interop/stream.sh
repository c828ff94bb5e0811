#!/usr/bin/env bash
# What we stream, of known and of unknown length, taken apart by others: segments of BER by OpenSSL and Bouncy Castle.
# See README.md.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need openssl python3 timeout cmp mktemp java javac
install_bouncy_castle
[[ -n "${AS2_INTEROP_PEER:-}" ]] || need cargo
read -r -a peer <<<"$(our_peer)"

scratch
make_identity us
make_identity them
keys="$work/keys"
passed=0
javac -d "$work" -cp "$bc_jars" "$here/Decrypt.java" "$here/Inflate.java"

fail() {
    echo "FAILED $current: $*"
    exit 1
}

body_of() {
    python3 -I -S -c 'import sys; o = open(sys.argv[1], "rb").read(); sys.stdout.buffer.write(o[o.index(b"\r\n\r\n") + 4:])' "$1"
}

# The layers of $work/entity, one after the other, each by who knows it.
encrypted() {
    body_of "$work/entity" >"$work/cms"
    timeout 300 openssl cms -decrypt -binary -inform DER -in "$work/cms" -recip "$keys/them.crt.pem" \
        -inkey "$keys/them.key.pem" -out "$work/plain" 2>>"$work/openssl.log" || fail "openssl cannot decrypt"
    timeout 300 java -cp "$work:$bc_jars" Decrypt "$work/cms" "$keys/them.crt.pem" "$keys/them.key.pem" "$work/plain.bc" \
        2>>"$work/java.log" || fail "Bouncy Castle cannot decrypt: $(tail -n 3 "$work/java.log")"
    cmp "$work/plain" "$work/plain.bc" || fail "OpenSSL and Bouncy Castle read different octets"
    mv "$work/plain" "$work/entity"
}

compressed() {
    body_of "$work/entity" >"$work/cms"
    timeout 300 java -cp "$work:$bc_jars" Inflate "$work/cms" "$work/plain" 2>>"$work/java.log" ||
        fail "Bouncy Castle cannot inflate: $(tail -n 3 "$work/java.log")"
    mv "$work/plain" "$work/entity"
}

signed() {
    python3 -I -S "$here/mime_tool.py" layer "$work/entity" "$work/layer" >/dev/null
    timeout 300 openssl cms -verify -binary -inform DER -in "$work/layer.sig" -content "$work/layer.part" -noverify \
        -certfile "$keys/us.crt.pem" -out "$work/plain" 2>>"$work/openssl.log" || fail "openssl does not verify"
    mv "$work/plain" "$work/entity"
}

# streamed SIZE known|unknown SIGN CIPHER COMPRESS LAYER...
streamed() {
    local size="$1" length="$2" sign="$3" cipher="$4" compress="$5"
    shift 5
    current="$size octets, length $length: $* ($cipher)"
    head -c "$size" "$work/source" >"$work/payload"
    timeout 300 "${peer[@]}" build --stream "$length" --us LEFT --them RIGHT --key "$keys/us.key.pem" \
        --cert "$keys/us.crt.pem" --partner-cert "$keys/them.crt.pem" --sign "$sign" --encrypt "$cipher" \
        --compress "$compress" --in "$work/payload" --out "$work/ours.http" >"$work/ours.json" 2>>"$work/peer.log" ||
        fail "not built: $(tail -n 1 "$work/peer.log")"
    cp "$work/ours.http" "$work/entity"
    local layer
    for layer in "$@"; do
        "$layer"
    done
    body_of "$work/entity" | cmp - "$work/payload" || fail "the payload differs"
    passed=$((passed + 1))
    echo "ok     $current"
}

head -c 3000000 /dev/urandom | openssl base64 >"$work/source"
for size in 1 65000 3000000; do
    for length in known unknown; do
        for cipher in aes256-cbc aes128-gcm; do
            streamed "$size" "$length" none "$cipher" none encrypted
            streamed "$size" "$length" sha-256 "$cipher" none encrypted signed
        done
        streamed "$size" "$length" sha-256 none none signed
        streamed "$size" "$length" none none before compressed
        streamed "$size" "$length" none aes256-gcm before encrypted compressed
        streamed "$size" "$length" sha-256 aes256-gcm before encrypted signed compressed
        streamed "$size" "$length" sha-512 aes256-cbc after encrypted compressed signed
    done
done
echo "$passed cases agree"
