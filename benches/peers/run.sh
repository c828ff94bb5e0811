#!/usr/bin/env bash
# Times the work of one AS2 message (sign and encrypt; decrypt and verify) in this crate, OpenSSL, pyas2lib, libas2 and
# BouncyCastle, on the same keys and payloads, each in a loop within one process, and prints one table.
#   run.sh [SECONDS]     per operation; 2 if not given
# A peer that cannot be installed or fails is named and left out. Everything downloaded goes under target/.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../tests/interop/common.sh"
peers="$root/benches/peers"
seconds="${1:-2}"
sizes=(4096 1048576 52428800)

need cargo python3 timeout mktemp
scratch
target="$root/target/peers"
mkdir -p "$target"
CARGO_TARGET_DIR="$root/target" cargo build --quiet --release --manifest-path "$peers/Cargo.toml"
ours="$root/target/release/as2-protocol-peers"
"$ours" keys "$work"
for size in "${sizes[@]}"; do
    python3 - "$size" > "$work/$size" <<'PYTHON'
import sys
size, text, item = int(sys.argv[1]), bytearray(b"ISA*00*          *00*          *ZZ*ALICE          *ZZ*BOB~\r\n"), 4711
while len(text) < size:
    item = (item * 1664525 + 1013904223) % 2**32
    text += b"PO1**%d*EA*%d.%02d**VP*%010d*PD*ASSORTED~\r\n" % (item >> 24, item >> 12 & 1023, item % 100, item >> 3)
sys.stdout.buffer.write(text[:size])
PYTHON
done

pyas2() { "$venv/bin/python" "$peers/pyas2.py" "$@"; }

libas2() {
    # libas2 unwraps PKCS #1 v1.5 with a call that Node has taken away (20.11.1 and later).
    local node=(node)
    node --security-revert=CVE-2023-46809 -e 0 > /dev/null 2>&1 && node+=(--security-revert=CVE-2023-46809)
    # Its time grows faster than the payload.
    AS2_LIBAS2_MODULES="$target/libas2" timeout 60 "${node[@]}" "$peers/libas2.mjs" "$@"
}

bouncy() { java -Xmx3g -cp "$target/classes:$bouncy_jars" Bouncy "$@"; }

install_libas2() {
    mkdir -p "$target/libas2"
    cp "$peers"/libas2/package*.json "$target/libas2"
    (cd "$target/libas2" && timeout 300 npm ci --ignore-scripts --no-audit --no-fund > npm.log 2>&1)
}

install_bouncy() {
    timeout 300 mvn --quiet --batch-mode --file "$peers/pom.xml" dependency:copy-dependencies \
        -DoutputDirectory="$target/bouncy" > "$target/maven.log" 2>&1
    bouncy_jars="$(printf '%s:' "$target"/bouncy/*.jar)"
    javac -d "$target/classes" -cp "$bouncy_jars" "$peers/Bouncy.java"
}

# missing() of common.sh ends the script; here a peer that is missing is left out.
install_peer() {
    local name="$1" log="$work/install.log"
    shift
    if [[ "$name" == bouncycastle ]]; then
        "$@" > "$log" 2>&1 && return
    elif ("$@") > "$log" 2>&1 && ! grep -q '^skipped' "$log"; then
        return
    fi
    echo "left out: $name cannot be installed" >&2
    return 1
}

installed=()
install_peer pyas2lib install_pyas2lib && installed+=(pyas2lib)
install_peer libas2 install_libas2 && installed+=(libas2)
install_peer bouncycastle install_bouncy && installed+=(bouncycastle)

# Round by round, so that a machine that is busy for a while touches all alike.
for size in "${sizes[@]}"; do
    for who in ours openssl "${installed[@]}"; do
        case "$who" in
            pyas2lib) run=(pyas2 "$work" "$work/$size" "$seconds") ;;
            libas2) run=(libas2 "$work" "$work/$size" "$seconds") ;;
            bouncycastle)
                bouncy "$work" "$work/$size" "$seconds" JDK >> "$work/times" 2> "$work/log" || echo "left out: bouncycastle-jdk, $size" >&2
                run=(bouncy "$work" "$work/$size" "$seconds" BC)
                ;;
            *) run=("$ours" time "$who" "$work" "$work/$size" "$seconds") ;;
        esac
        echo "timing $who, $size octets" >&2
        "${run[@]}" >> "$work/times" 2> "$work/log" ||
            { echo "left out: $who, $size octets: $(grep -m 1 -i error "$work/log" || true)" >&2; }
    done
done

python3 - "$work/times" <<'PYTHON'
import sys

rows = {}
for line in open(sys.argv[1]):
    # Node warns on its standard output.
    if len(line.split()) != 4:
        continue
    who, operation, octets, seconds = line.split()
    rows.setdefault(who, {})[operation, int(octets)] = float(seconds)
columns = [(operation, size) for size in (4096, 1 << 20, 50 << 20) for operation in ("make", "open")]
names = {4096: "4 KB", 1 << 20: "1 MB", 50 << 20: "50 MB"}
print("| milliseconds (times as long as ours) |", " | ".join(f"{operation} {names[size]}" for operation, size in columns), "|")
print("|---|" + "---|" * len(columns))
for who, times in rows.items():
    cells = []
    for column in columns:
        took, ours = times.get(column), rows["ours"].get(column)
        cells.append(f"{took * 1e3:.2f} ({took / ours:.2f})" if took and ours else "-")
    print(f"| {who} |", " | ".join(cells), "|")
PYTHON
