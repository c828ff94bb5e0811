#!/usr/bin/env bash
# Our messages taken apart by `openssl cms`, and messages made by `openssl cms` opened by us. See README.md.
#   openssl.sh               our interop_peer against openssl
#   openssl.sh --self-test   pyas2lib's station in place of ours: proves this script
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need openssl python3 timeout cmp mktemp awk
self_test=no
if [[ "${1:-}" == --self-test ]]; then
    self_test=yes
    install_pyas2lib
    peer_command="${AS2_INTEROP_PEER:-$venv/bin/python $here/pyas2_peer.py}"
else
    [[ -n "${AS2_INTEROP_PEER:-}" ]] || need cargo
    peer_command="$(our_peer)"
fi
read -r -a peer <<<"$peer_command"

scratch
make_identity us
make_identity them
make_identity stranger
keys="$work/keys"
passed=0
omitted=0
diverged=0

tool() { timeout 60 python3 -I -S "$here/mime_tool.py" "$@"; }
cms() { timeout 60 openssl cms "$@" 2>>"$work/openssl.log"; }
ours() { timeout 120 "${peer[@]}" "$@" 2>>"$work/peer.log"; }
# field FILE KEY: a string of one JSON object, or nothing; the strings that are looked at need no escapes.
field() { sed -n "s/.*\"$2\": *\"\([^\"]*\)\".*/\1/p" "$1"; }
digest() { openssl dgst "-$1" -binary "$2" | openssl base64 -A; }

fail() {
    echo "FAILED $current: $*"
    exit 1
}

same() { cmp "$1" "$2" || fail "$3 differs"; }

pass() {
    [[ -z "$(divergence)" ]] || fail "agrees, but stands in known-divergences.tsv"
    passed=$((passed + 1))
    echo "ok     $current${1:+ [$1]}"
}

# Prints the reason why the current case is known to be unsupported, or nothing.
divergence() {
    [[ $self_test == yes ]] || awk -F '\t' -v "name=$current" \
        '$1 == "openssl.sh" && $2 == name { print $3 }' "$here/known-divergences.tsv"
}

# diverges: the peer ended with 3; that must be known.
diverges() {
    local reason
    reason="$(divergence)"
    [[ -n "$reason" ]] || fail "unsupported, and not in known-divergences.tsv: $(tail -n 1 "$work/peer.log")"
    diverged=$((diverged + 1))
    echo "known  $current [unsupported: $reason]"
}

# Every line of known-divergences.tsv stands for a case that ran.
no_stale_divergence() {
    local listed
    listed="$(grep -c '^openssl\.sh' "$here/known-divergences.tsv" || true)"
    current="known-divergences.tsv"
    [[ $self_test == yes || $listed -eq $diverged ]] || fail "$listed cases listed, $diverged met"
}

# sha-256 and sha256 -> sha256
plain_name() { tr -d '_-' <<<"${1,,}"; }

# check_mic JSON FILE: the MIC that the peer reports is the digest of FILE.
check_mic() {
    local mic alg
    mic="$(field "$1" mic)"
    alg="$(plain_name "$(field "$1" mic_alg)")"
    if [[ -z "$mic" ]]; then
        # pyas2lib has no MIC for unsigned messages.
        [[ $self_test == yes ]] || fail "no MIC reported"
        mic_word="no MIC"
        return
    fi
    [[ "$(digest "$alg" "$2")" == "$mic" ]] || fail "MIC $mic ($alg) is not the digest of $2"
    mic_word="MIC $alg equal"
}

# Payloads: EDI text, and every octet with line ends of all kinds and something like a delimiter.
make_payloads() {
    python3 - "$work" <<'PYTHON'
import sys, pathlib
work = pathlib.Path(sys.argv[1])
work.joinpath("text").write_bytes(b"".join(b"LIN+%d++4000862141404:EN'\r\n" % i for i in range(300)))
work.joinpath("binary").write_bytes(bytes(range(256)) * 20 + b"\r\n--\r\n\n\r------=_openssl.sh_part-not\r\n")
PYTHON
}

# (a) Ours, taken apart by openssl

uncompress() {
    if [[ $zlib == yes ]]; then
        cms -uncompress -binary -inform DER -in "$1" -out "$2" || fail "openssl cannot uncompress"
    else
        tool inflate "$1" "$2" || fail "not a CompressedData over zlib"
    fi
}

# take_apart REQUEST: leaves the payload in $work/apart.payload, what the MIC covers in $mic_input, the layers in $layers.
take_apart() {
    local current_file="$1" step=0 kind detail out
    layers=""
    mic_input=""
    while :; do
        out="$work/apart.$step"
        read -r kind detail < <(tool layer "$current_file" "$out") || fail "layer $step cannot be read"
        case "$kind" in
        enveloped | auth-enveloped)
            cms -decrypt -debug_decrypt -binary -inform DER -in "$out.der" -recip "$keys/them.crt.pem" \
                -inkey "$keys/them.key.pem" -out "$out.inner" || fail "openssl cannot decrypt"
            ;;
        compressed) uncompress "$out.der" "$out.inner" ;;
        signed)
            cms -verify -binary -noverify -nointern -certfile "$keys/us.crt.pem" -inform DER -in "$out.sig" \
                -content "$out.part" -out "$out.inner" || fail "openssl cannot verify"
            same "$out.part" "$out.inner" "signed content"
            mic_input="$out.part"
            signed_micalg="$(plain_name "$detail")"
            ;;
        leaf)
            # RFC 4130 7.3.1, RFC 5402 4.3: the innermost entity with its header; without any layer the body alone.
            if [[ -z "$mic_input" ]]; then
                mic_input="$current_file"
                [[ -n "$layers" ]] || mic_input="$out.body"
            fi
            mv "$out.body" "$work/apart.payload"
            [[ "$mic_input" != "$out.body" ]] || mic_input="$work/apart.payload"
            return
            ;;
        *) fail "unknown layer '$kind'" ;;
        esac
        layers+="${layers:+ }$kind"
        current_file="$out.inner"
        step=$((step + 1))
    done
}

# from_us SIGN ENCRYPT COMPRESS PAYLOAD LAYERS
from_us() {
    local type=application/edi-x12 status=0
    current="ours -> openssl: sign $1, encrypt $2, compress $3, $4"
    [[ $4 == text ]] || type=application/octet-stream
    ours build --us LEFT --them RIGHT --key "$keys/us.key.pem" --cert "$keys/us.crt.pem" \
        --partner-cert "$keys/them.crt.pem" --sign "$1" --encrypt "$2" --compress "$3" --content-type "$type" \
        --in "$work/$4" --out "$work/ours.http" >"$work/ours.json" || status=$?
    if [[ $status -eq 3 && $self_test == yes ]]; then
        omitted=$((omitted + 1))
        return
    fi
    if [[ $status -eq 3 ]]; then
        diverges
        return
    fi
    [[ $status -eq 0 ]] || fail "build ended with $status: $(tail -n 3 "$work/peer.log")"
    signed_micalg=""
    take_apart "$work/ours.http"
    [[ "$layers" == "$5" ]] || fail "layers '$layers' instead of '$5'"
    same "$work/$4" "$work/apart.payload" payload
    [[ $1 == none || "$signed_micalg" == "$(plain_name "$1")" ]] || fail "micalg $signed_micalg for $1"
    check_mic "$work/ours.json" "$mic_input"
    pass "$mic_word"
}

all_from_us() {
    local payload digest cipher
    for payload in text binary; do
        from_us none none none $payload ""
        for digest in sha-256 sha-384 sha-512; do
            from_us $digest none none $payload signed
        done
        for cipher in aes128-cbc aes192-cbc aes256-cbc; do
            from_us none $cipher none $payload enveloped
            from_us sha-256 $cipher none $payload "enveloped signed"
        done
        for cipher in aes128-gcm aes256-gcm; do
            from_us sha-256 $cipher none $payload "auth-enveloped signed"
        done
        from_us none none before $payload compressed
        from_us none aes256-cbc before $payload "enveloped compressed"
        from_us sha-256 none before $payload "signed compressed"
        from_us sha-256 none after $payload "compressed signed"
        from_us sha-256 aes256-cbc before $payload "enveloped signed compressed"
        from_us sha-512 aes128-cbc after $payload "enveloped compressed signed"
        from_us sha-256 aes256-gcm before $payload "auth-enveloped signed compressed"
    done
}

# (b) Made by openssl, opened by us

# make_entity PAYLOAD: $work/made is the entity of the payload.
make_entity() {
    if [[ $1 == text ]]; then
        tool entity "$work/$1" "$work/made"
    else
        tool entity "$work/$1" "$work/made" --type application/octet-stream --encoding binary
    fi
    cp "$work/made" "$work/made.mic"
}

# sign_with NAME DIGEST ENCODING [openssl options]: $work/made becomes a multipart/signed by NAME.
sign_with() {
    local name="$1" digest="$2" encoding="$3"
    shift 3
    cms -sign -binary -outform DER -md "${digest/-/}" -signer "$keys/$name.crt.pem" -inkey "$keys/$name.key.pem" \
        -in "$work/made" -out "$work/made.sig" "$@" || fail "openssl cannot sign"
    cp "$work/made" "$work/made.mic"
    tool wrap-signed "$work/made.mic" "$work/made" --signature "$work/made.sig" --micalg "$digest" --encoding "$encoding"
}

# encrypt_for NAME CIPHER ENCODING [openssl options]
encrypt_for() {
    local name="$1" cipher="$2" encoding="$3" type=enveloped-data
    shift 3
    [[ $cipher != *gcm ]] || type=authEnveloped-data
    cms -encrypt -binary -outform DER "-$cipher" -in "$work/made" -out "$work/made.der" \
        "$@" -recip "$keys/$name.crt.pem" || fail "openssl cannot encrypt"
    tool wrap-cms "$work/made.der" "$work/made" --smime-type "$type" --encoding "$encoding"
}

compress_made() {
    if [[ $zlib == yes ]]; then
        cms -compress -binary -outform DER -in "$work/made" -out "$work/made.der" || fail "openssl cannot compress"
    else
        tool deflate "$work/made" "$work/made.der"
    fi
    tool wrap-cms "$work/made.der" "$work/made" --smime-type compressed-data
}

# we_open: sends $work/made through `open`; the answer is $work/opened.json and $work/opened. False: unsupported.
we_open() {
    tool request "$work/made" "$work/made.http" --from RIGHT --to LEFT --id "$passed"
    open_request
}

open_request() {
    local status=0
    rm -f "$work/opened"
    ours open --us LEFT --them RIGHT --key "$keys/us.key.pem" --cert "$keys/us.crt.pem" \
        --partner-cert "$keys/them.crt.pem" --in "$work/made.http" --out "$work/opened" >"$work/opened.json" || status=$?
    [[ $status -eq 0 || $status -eq 3 ]] || fail "open ended with $status: $(tail -n 3 "$work/peer.log")"
    if [[ $status -eq 3 ]]; then
        [[ ! -e "$work/opened" ]] || fail "an unsupported message left a payload"
        diverges
        return 1
    fi
}

# accepted PAYLOAD: and the MIC covers $work/made.mic (a plain message: the body).
accepted() {
    we_open || return 0
    [[ "$(field "$work/opened.json" verdict)" == accepted ]] || fail "refused: $(cat "$work/opened.json")"
    same "$work/$1" "$work/opened" payload
    check_mic "$work/opened.json" "$work/made.mic"
    pass "$mic_word"
}

# refused: with a disposition that says so and without a payload.
refused() {
    we_open || fail "unsupported instead of refused"
    [[ "$(field "$work/opened.json" verdict)" == refused ]] || fail "accepted: $(cat "$work/opened.json")"
    [[ ! -e "$work/opened" ]] || fail "a refused message left a payload"
    pass "$(field "$work/opened.json" disposition)"
}

# begin TITLE PAYLOAD
begin() {
    current="openssl -> ours: $1, $2"
    make_entity "$2"
}

signed_by_openssl() {
    local payload="$1" digest form
    for digest in sha-256 sha-384 sha-512; do
        begin "signed $digest" "$payload"
        sign_with them $digest base64
        accepted "$payload"
    done
    for form in -stream -nocerts -keyid -noattr -nosmimecap "-nocerts -keyid -noattr" "-stream -nocerts -keyid"; do
        begin "signed, openssl $form" "$payload"
        # shellcheck disable=SC2086 # one or more options
        sign_with them sha-256 base64 $form
        accepted "$payload"
    done
    begin "signed, signature in binary" "$payload"
    sign_with them sha-256 binary
    accepted "$payload"
    begin "signed, BER signature in binary" "$payload"
    sign_with them sha-256 binary -stream
    accepted "$payload"
}

encrypted_by_openssl() {
    local payload="$1" cipher form
    for cipher in aes128 aes192 aes256; do
        begin "encrypted $cipher" "$payload"
        encrypt_for us $cipher binary
        accepted "$payload"
        for form in "" -stream; do
            begin "signed, encrypted $cipher $form" "$payload"
            sign_with them sha-256 base64 $form
            encrypt_for us $cipher binary $form
            accepted "$payload"
        done
    done
    begin "encrypted, recipient by -keyid" "$payload"
    encrypt_for us aes256 binary -keyid
    accepted "$payload"
    begin "signed, encrypted -stream -keyid" "$payload"
    sign_with them sha-512 base64 -keyid
    encrypt_for us aes256 binary -stream -keyid
    accepted "$payload"
    if [[ $self_test == yes ]]; then
        # pyas2lib decodes the payload by the outer encoding, and looks at the first recipient only.
        omitted=$((omitted + 2))
        return
    fi
    begin "signed, encrypted, body in base64" "$payload"
    sign_with them sha-256 base64
    encrypt_for us aes256 base64
    accepted "$payload"
    begin "signed, encrypted for two recipients, us last" "$payload"
    sign_with them sha-256 base64
    encrypt_for us aes256 binary -recip "$keys/stranger.crt.pem"
    accepted "$payload"
}

gcm_by_openssl() {
    local payload="$1" cipher form
    if [[ $self_test == yes ]]; then
        omitted=$((omitted + 6)) # pyas2lib has no AuthEnvelopedData
        return
    fi
    for cipher in aes-128-gcm aes-256-gcm; do
        for form in "" -stream -keyid; do
            begin "signed, encrypted $cipher $form" "$payload"
            sign_with them sha-256 base64
            encrypt_for us $cipher binary $form
            accepted "$payload"
        done
    done
}

compressed_by_openssl() {
    local payload="$1"
    begin "compressed" "$payload"
    compress_made
    accepted "$payload"
    begin "compressed, then signed" "$payload"
    compress_made
    sign_with them sha-256 base64
    accepted "$payload"
    begin "signed, then compressed, encrypted" "$payload"
    sign_with them sha-256 base64
    compress_made
    encrypt_for us aes256 binary
    accepted "$payload"
    begin "compressed, encrypted" "$payload"
    compress_made
    encrypt_for us aes256 binary
    accepted "$payload"
}

# What partners may send beyond the algorithms above; all of it with the text payload.
further_by_openssl() {
    begin "signed-data around the content" text
    cms -sign -nodetach -binary -outform DER -md sha256 -signer "$keys/them.crt.pem" -inkey "$keys/them.key.pem" \
        -in "$work/made" -out "$work/made.der" || fail "openssl cannot sign"
    tool wrap-cms "$work/made.der" "$work/made" --smime-type signed-data
    accepted text
    begin "encrypted des3" text
    encrypt_for us des3 binary
    accepted text
    begin "signed with RSASSA-PSS" text
    sign_with them sha-256 base64 -keyopt rsa_padding_mode:pss
    accepted text
    begin "encrypted with RSAES-OAEP" text
    cms -encrypt -binary -outform DER -aes256 -in "$work/made" -out "$work/made.der" -recip "$keys/us.crt.pem" \
        -keyopt rsa_padding_mode:oaep || fail "openssl cannot encrypt"
    tool wrap-cms "$work/made.der" "$work/made"
    accepted text
}

refused_from_openssl() {
    begin "signed by a stranger" text
    sign_with stranger sha-256 base64
    refused
    begin "signed, payload changed" text
    sign_with them sha-256 base64
    tool flip "$work/made" "$work/made" --find "LIN+"
    refused
    begin "signed, encrypted for a stranger" text
    sign_with them sha-256 base64
    encrypt_for stranger aes256 binary
    refused
    begin "signed, encrypted, ciphertext changed" text
    sign_with them sha-256 base64
    encrypt_for us aes256 binary
    tool flip "$work/made" "$work/made"
    refused
    if [[ $self_test == no ]]; then
        begin "GCM, ciphertext changed" text
        encrypt_for us aes-256-gcm binary
        tool flip "$work/made" "$work/made"
        refused
    fi
}

all_from_openssl() {
    local payload
    for payload in text binary; do
        begin plain $payload
        cp "$work/$payload" "$work/made.mic"
        accepted $payload
        signed_by_openssl $payload
        encrypted_by_openssl $payload
        gcm_by_openssl $payload
        compressed_by_openssl $payload
    done
    if [[ $self_test == yes ]]; then
        omitted=$((omitted + 4))
    else
        further_by_openssl
    fi
    refused_from_openssl
}

current="start"
make_payloads
zlib=yes
cms -compress -binary -outform DER -in "$work/text" -out "$work/zlib.der" || zlib=no
openssl version
[[ $zlib == yes ]] || echo "this openssl has no zlib: mime_tool.py compresses and uncompresses"
all_from_us
all_from_openssl
[[ $omitted -eq 0 ]] || echo "$omitted cases left out: pyas2lib cannot do them"
no_stale_divergence
echo "$passed messages agree, $diverged known divergences"
