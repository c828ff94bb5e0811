# Sourced by the scripts of this folder.

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"

# Says what is missing: a failure under CI=true, otherwise the end of the script.
missing() {
    echo "missing: $*"
    if [[ "${CI:-}" == true ]]; then
        exit 1
    fi
    echo "skipped"
    exit 0
}

need() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null 2>&1 || missing "$tool"
    done
}

# A scratch directory that goes away, unless KEEP=1 or the script failed.
scratch() {
    work="$(mktemp -d "${TMPDIR:-/tmp}/as2-interop.XXXXXX")"
    trap clean_up EXIT
}

clean_up() {
    local status=$?
    if [[ $status -eq 0 && "${KEEP:-}" != 1 ]]; then
        rm -rf "$work"
    else
        echo "left behind: $work"
    fi
}

# make_identity NAME: $work/keys/NAME.{key,crt}.pem, a self-signed certificate as AS2 partners exchange them.
make_identity() {
    mkdir -p "$work/keys"
    openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days "${days:-30}" -subj "/O=AS2 interop/CN=$1" \
        -addext "basicConstraints=critical,CA:FALSE" \
        -addext "keyUsage=critical,digitalSignature,keyEncipherment" \
        -keyout "$work/keys/$1.key.pem" -out "$work/keys/$1.crt.pem" 2>"$work/keys/$1.log"
}

# Prints the command of our peer; AS2_INTEROP_PEER replaces it (a stand-in, or a binary built elsewhere).
our_peer() {
    if [[ -n "${AS2_INTEROP_PEER:-}" ]]; then
        echo "$AS2_INTEROP_PEER"
        return
    fi
    (cd "$root" && timeout 1800 cargo build --quiet --release --features legacy --example interop_peer >&2)
    local target
    target="$(cd "$root" && cargo metadata --format-version 1 --no-deps |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')"
    echo "$target/release/examples/interop_peer"
}

# The virtual environment with pyas2lib in it: $venv/bin/python.
venv="$here/.venv"
install_pyas2lib() {
    python3 -c 'import venv, ensurepip' 2>/dev/null || missing "python3 venv"
    if ! cmp -s "$here/requirements.txt" "$venv/requirements.installed"; then
        rm -rf "$venv"
        python3 -m venv "$venv"
        timeout 600 "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
            --no-deps -r "$here/requirements.txt" || missing "the Python packages of requirements.txt"
        patch_oscrypto
        cp "$here/requirements.txt" "$venv/requirements.installed"
    fi
    "$venv/bin/python" -c 'import pyas2lib'
}

# oscrypto 1.3.0 looks for OpenSSL's version with one digit per component and refuses 3.0.10 and later.
patch_oscrypto() {
    "$venv/bin/python" - <<'PYTHON'
import pathlib, sysconfig

folder = pathlib.Path(sysconfig.get_path("purelib"), "oscrypto", "_openssl")
old, new = r"\\b(\\d\\.\\d\\.\\d[a-z]*)\\b", r"\\b(\\d+\\.\\d+\\.\\d+[a-z]*)\\b"
for name in ("_libcrypto_cffi.py", "_libcrypto_ctypes.py"):
    text = (folder / name).read_text()
    if new not in text:
        assert text.count(old) == 1, f"{name}: the version pattern is not where it was"
        (folder / name).write_text(text.replace(old, new))
PYTHON
}

# The jars of BouncyCastle in $bc_jars.
install_bouncy_castle() {
    bc_jars=/usr/share/java/bcprov.jar:/usr/share/java/bcutil.jar:/usr/share/java/bcpkix.jar
    [[ -e /usr/share/java/bcpkix.jar ]] && return
    [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null || missing "libbcprov-java and libbcpkix-java"
    (timeout 300 apt-get update && timeout 600 apt-get install -y libbcprov-java libbcutil-java libbcpkix-java) \
        >"${TMPDIR:-/tmp}/as2-interop-apt.log" 2>&1 || missing "libbcprov-java and libbcpkix-java"
}

# libas2 and the locked versions below it: $libas2_modules, the folder that has node_modules in it.
install_libas2() {
    libas2_modules="$root/target/interop/libas2"
    if ! cmp -s "$here/libas2/package-lock.json" "$libas2_modules/package-lock.installed"; then
        rm -rf "$libas2_modules"
        mkdir -p "$libas2_modules"
        cp "$here"/libas2/package*.json "$libas2_modules"
        (cd "$libas2_modules" && timeout 300 npm ci --ignore-scripts --no-audit --no-fund) >"$root/target/interop/npm.log" 2>&1 ||
            missing "the packages of libas2/package-lock.json (see target/interop/npm.log)"
        cp "$here/libas2/package-lock.json" "$libas2_modules/package-lock.installed"
    fi
}

# make_ec_identity NAME CURVE: as make_identity, with a key that signs only.
make_ec_identity() {
    openssl req -x509 -newkey ec -pkeyopt "ec_paramgen_curve:$2" -nodes -sha256 -days "${days:-30}" \
        -subj "/O=AS2 interop/CN=$1" -addext "basicConstraints=critical,CA:FALSE" \
        -addext "keyUsage=critical,digitalSignature" \
        -keyout "$work/keys/$1.key.pem" -out "$work/keys/$1.crt.pem" 2>"$work/keys/$1.log"
}

# Bouncy Castle's S/MIME and what it needs, from Maven: $bcjmail_jars, a class path.
install_bcjmail() {
    local folder="$root/target/interop/bcjmail"
    if ! cmp -s "$here/bcjmail/pom.xml" "$folder/pom.installed"; then
        rm -rf "$folder"
        mkdir -p "$folder"
        timeout 300 mvn --quiet --batch-mode --file "$here/bcjmail/pom.xml" dependency:copy-dependencies \
            -DoutputDirectory="$folder" >"$root/target/interop/maven.log" 2>&1 ||
            missing "the jars of bcjmail/pom.xml (see target/interop/maven.log)"
        cp "$here/bcjmail/pom.xml" "$folder/pom.installed"
    fi
    bcjmail_jars="$(printf '%s:' "$folder"/*.jar)"
    bcjmail_jars="${bcjmail_jars%:}"
}
