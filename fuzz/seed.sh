#!/bin/sh
# Fills fuzz/corpus/TARGET with small seeds made from the vectors of the tests.
set -eu
cd "$(dirname "$0")/.."
worked=tests/vectors/worked
seed() { mkdir -p "fuzz/corpus/$1"; cat > "fuzz/corpus/$1/$2"; }
# The header of a saved message, and its body.
head_of() { LC_ALL=C sed "/^$(printf '\r')\$/q" "$1"; }
body() { tail -c "$(head_of "$1" | grep -a -i '^content-length' | tr -dc 0-9)" "$1"; }

for message in "$worked"/*.http; do
    name=$(basename "$message" .http)
    case $name in
    mdn-*) seed settlement "$name" < "$message" ;;
    *) seed request "$name" < "$message" ;;
    esac
    seed inspect "$name" < "$message"
    # The start line is dropped: what remains is an entity.
    tail -n +2 "$message" | seed entity "$name"
done
for entity in "$worked"/*.mic-input.bin; do
    name=$(basename "$entity" .mic-input.bin)
    seed entity "mic-$name" < "$entity"
    { printf '\002'; cat "$entity"; } | seed inside "plain-$name"
done
for name in 02-signed 05-compressed 06-compressed-then-signed 07-signed-then-compressed; do
    # Content-Type and body, behind an octet for each kind of cipher.
    for choice in 2 5; do
        { printf "\\00$choice"; head_of "$worked/$name.http" | grep -a -i '^content-' | grep -a -i -v '^content-length'
          printf '\r\n'; body "$worked/$name.http"; } | seed inside "$name-$choice"
    done
done
for name in 03-encrypted 13-encrypted-aes128gcm; do body "$worked/$name.http" | seed enveloped "$name"; done
for name in 05-compressed 07-signed-then-compressed; do body "$worked/$name.http" | seed compressed "$name"; done
for name in 02-signed 16-signed-sha512 18-signed-pss-sha256; do
    body "$worked/$name.http" | sed -n '/pkcs7-signature/,$p' | tr -d '\r' |
        grep -E '^[A-Za-z0-9+/=]+$' | base64 -d 2> /dev/null | seed signed "$name" || true
done
for kind in signed enveloped compressed; do
    for file in fuzz/corpus/$kind/*; do seed ber "$kind-$(basename "$file")" < "$file"; done
done
for receipt in "$worked"/mdn-*.http; do
    tr -d '\r' < "$receipt" | sed -n '/^Reporting-UA/,/^$/p' | seed report "$(basename "$receipt" .http)"
    tr -d '\r' < "$receipt" | sed -n 's/^Disposition: //p' | seed disposition "$(basename "$receipt" .http)"
done
grep -a -h -i '^content-type\|^content-disposition' "$worked"/*.http | tr -d '\r' | sed 's/^[^:]*: //' | sort -u |
    { n=0; while IFS= read -r line; do n=$((n + 1)); printf '%s' "$line" | seed parameters "$n"; done; }
printf '%s' "attachment; filename*0*=UTF-8''%e2%82%ac; filename*1=\" rates.txt\"" | seed parameters rfc2231
printf '%s' 'attachment; filename="=?utf-8?B?w6Q=?=.edi"' | seed parameters rfc2047
for file in tests/vectors/keys/*; do seed keystore "$(basename "$file")" < "$file"; done
