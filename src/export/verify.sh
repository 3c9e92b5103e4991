#!/bin/sh
# Checks this folder with sha256sum and openssl alone. Usage: sh verify.sh [key.pem of the operator]
# Exit code 0: nothing was changed. 1: every fault is named.
key=$(realpath "${1:-$(dirname "$0")/key.pem}"); cd "$(dirname "$0")" || exit 1; bad=0
fault() { echo "FAULT $1"; bad=1; }
fact() { sed -n "s/^# $1: //p" "$2" | head -n 1; }
sum() { sha256sum "$1" | cut -d ' ' -f 1; }
id=$(openssl pkey -pubin -in "$key" -outform DER | sha256sum | cut -d ' ' -f 1)
signed() { # Is the text what the key signed?
  [ -f "$1.sig" ] || { fault "$1: has no signature"; return 1; }
  openssl pkeyutl -verify -pubin -inkey "$key" -rawin -in "$1" -sigfile "$1.sig" >/dev/null 2>&1 && return 0
  if [ "$(fact key "$1")" = "$id" ]; then fault "$1: it or its signature was changed"
  else fault "$1: signed by a foreign key"; fi; return 1
}
sorted() { sed 's/.*"seq\(uence\)\{0,1\}":\([0-9]*\).*/\2 &/' "$1" | sort -n -s -k 1,1 | cut -d ' ' -f 2- | sha256sum | cut -d ' ' -f 1; }
file() { # path, signed sum, signed records, list of sums
  [ -f "$1" ] || { fault "$1: is missing"; return; }
  found=$(sum "$1"); [ "$found" = "$2" ] && return
  if [ "$(sorted "$1")" = "$2" ] || grep -q "^$found  " "$4"; then fault "$1: was reordered"
  elif [ -n "$3" ] && [ "$(wc -l < "$1")" -lt "$3" ]; then fault "$1: its end was cut off"
  else fault "$1: bytes were changed"; fi
}
chain() { # a folder with digests and records
  last=; link=; end=; seen=
  for d in "$1"/digests/*.digest; do
    n=$(basename "$d" .digest | sed 's/^0*//')
    [ -n "$last" ] && [ "$n" -ne $((last + 1)) ] && { fault "$1: digests $((last + 1)) to $((n - 1)) are missing"; link=; }
    last=$n; before=$link; link=; own=$(sum "$d")
    signed "$d" || continue
    case $seen in *"$own"*) fault "$d: holds an older digest, replayed"; continue;; esac; seen="$seen $own"
    [ "$(fact sequence "$d")" = "$n" ] || { fault "$d: digests were reordered"; continue; }
    [ -z "$before" ] || [ "$before" = "$(fact previous-digest "$d")" ] || fault "digest $n belongs to another history: the chain was forked"
    from=$(fact period "$d" | cut -d ' ' -f 1)
    [ -n "$end" ] && [ "$(printf '%s\n%s\n' "$end" "$from" | LC_ALL=C sort | head -n 1)" != "$end" ] && fault "$d: the clock was set back"
    end=$(fact period "$d" | cut -d ' ' -f 2); link=$own
    grep -v '^#' "$d" | while read -r s p; do file "$1/$p" "$s" "$(fact records "$d")" "$d"; [ $bad = 0 ] || exit 1; done || bad=1
  done
  grep "^# chain-head: $(basename "$1") " MANIFEST 2>/dev/null | { read -r _ _ _ known digest || exit 0
    if [ "$known" -gt "$last" ]; then fault "the chain ends at digest $last and had reached $known: its tail was cut"; exit 1; fi
    [ "$(sum "$(printf '%s/digests/%010d.digest' "$1" "$known")")" = "$digest" ] || { fault "digest $known belongs to another history: the chain was forked"; exit 1; }
  } || bad=1
}
if [ -f MANIFEST ] && signed MANIFEST; then
  while read -r s p; do
    [ "$s" = '#' ] || file "$p" "$s" "$(sed -n "s|^# records: \([0-9]*\) $p\$|\1|p" MANIFEST)" MANIFEST
  done < MANIFEST
  find . -type f | sed 's|^\./||' | { while read -r p; do case $p in MANIFEST | MANIFEST.sig) ;; *)
    grep -q "  $p\$" MANIFEST || { fault "$p: was added"; };; esac; done; exit $bad; } || bad=1
fi
[ -f MANIFEST ] || [ -d digests ] || [ -n "$(ls -d ./*/digests 2>/dev/null)" ] || fault "MANIFEST: is missing"
for c in accesses/* ./*; do [ -d "$c/digests" ] && chain "$c"; done
[ $bad = 0 ] && echo "nothing was changed; signed by key $id"; exit $bad
