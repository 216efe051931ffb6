#!/usr/bin/env bash
# An instance-store bundle by hand, with openssl, tar, gzip, split and sha1sum.
#
#   bundle.sh make IMAGE DIR KEY CERT EC2CERT [TAR OPTION]...
#   bundle.sh read MANIFEST KEY CERT IMAGE
#
# make bundles the file IMAGE in DIR; read checks everything and writes IMAGE.
set -euo pipefail

bytes() { local hex; read -r hex || true; printf "$(sed 's/../\\x&/g' <<<"$hex")"; }
digits() { od -An -v -tx1 | tr -d ' \n'; }
fail() { echo "bundle.sh: $*" >&2; exit 1; }

make() {
  local image=$1 dir=$2 key=$3 cert=$4 ec2cert=$5
  shift 5
  local name=${image##*/} work
  work=$(mktemp -d)
  tar "$@" --owner 0 --group 0 -S -C "${image%/*}" -cf "$work/tar" "$name"
  local aes iv
  aes=$(openssl rand -hex 16) iv=$(openssl rand -hex 16)
  gzip -9 <"$work/tar" | openssl enc -e -aes-128-cbc -K "$aes" -iv "$iv" >"$work/cipher"
  local size=$(($(stat -c %s "$work/cipher")))
  local count=$(((size + 10485759) / 10485760))
  split -b 10485760 -d -a ${#count} "$work/cipher" "$dir/$name.part."
  local parts= i=0 p
  for p in "$dir/$name".part.*; do
    parts+="<part index='$i'><filename>${p##*/}</filename><digest algorithm='SHA1'>$(sha1sum <"$p" | cut -d' ' -f1)</digest></part>"
    i=$((i + 1))
  done
  wrap() { printf %s "$2" | openssl pkeyutl -encrypt -certin -inkey "$1" | digits; }
  local machine="<machine_configuration><architecture>x86_64</architecture></machine_configuration>"
  local body="<image><name>$name</name><user>123456789012</user><type>machine</type>\
<digest algorithm='SHA1'>$(sha1sum <"$work/tar" | cut -d' ' -f1)</digest><size>$(stat -c %s "$image")</size>\
<bundled_size>$size</bundled_size>\
<ec2_encrypted_key algorithm='AES-128-CBC'>$(wrap "$ec2cert" "$aes")</ec2_encrypted_key>\
<user_encrypted_key algorithm='AES-128-CBC'>$(wrap "$cert" "$aes")</user_encrypted_key>\
<ec2_encrypted_iv>$(wrap "$ec2cert" "$iv")</ec2_encrypted_iv><user_encrypted_iv>$(wrap "$cert" "$iv")</user_encrypted_iv>\
<parts count='$count'>$parts</parts></image>"
  local signature
  signature=$(printf %s "$machine$body" | openssl dgst -sha1 -sign "$key" | digits)
  printf %s "<?xml version='1.0'?><manifest><version>2007-10-10</version><bundler><name>bundle.sh</name><version>1</version>\
<release>1</release></bundler>$machine$body<signature>$signature</signature></manifest>" >"$dir/$name.manifest.xml"
  rm -r "$work"
}

read_bundle() {
  local manifest=$1 key=$2 cert=$3 image=$4 work
  work=$(mktemp -d)
  # One line, no white space between elements, no final newline.
  [ "$(wc -l <"$manifest")" = 0 ] || fail "the manifest has line breaks"
  text() { sed -n "s:.*<$1\( [^>]*\)\?>\([^<]*\)</$1>.*:\2:p" "$manifest"; }
  [ "$(text user)" = 123456789012 ] || fail "user $(text user)"

  text signature | bytes >"$work/signature"
  sed 's:.*\(<machine_configuration>.*</image>\).*:\1:' "$manifest" | tr -d '\n' >"$work/signed"
  openssl x509 -in "$cert" -noout -pubkey >"$work/public"
  openssl dgst -sha1 -verify "$work/public" -signature "$work/signature" "$work/signed"

  unwrap() { text "$1" | bytes | openssl pkeyutl -decrypt -inkey "$key"; }
  local aes iv
  aes=$(unwrap user_encrypted_key) iv=$(unwrap user_encrypted_iv)
  [ ${#aes}${#iv} = 3232 ] || fail "key and vector are no 32 digits"

  grep -o "<filename>[^<]*</filename><digest algorithm='SHA1'>[0-9a-f]*" "$manifest" |
    sed "s:<filename>\(.*\)</filename><digest algorithm='SHA1'>\(.*\):\2  \1:" >"$work/sums"
  (cd "${manifest%/*}" && sha1sum --quiet -c "$work/sums")
  grep -q "<parts count='$(wc -l <"$work/sums")'>" "$manifest" || fail "the number of parts"
  local name list
  list=$(sed 's/^[^ ]*  //' "$work/sums")
  local total=0
  for name in $list; do
    total=$((total + $(stat -c %s "${manifest%/*}/$name")))
    cat "${manifest%/*}/$name"
  done >"$work/cipher"
  [ "$total" = "$(text bundled_size)" ] || fail "bundled_size"
  openssl enc -d -aes-128-cbc -K "$aes" -iv "$iv" <"$work/cipher" | gunzip >"$work/tar"
  grep -q "<digest algorithm='SHA1'>$(sha1sum <"$work/tar" | cut -d' ' -f1)</digest><size>" "$manifest" || fail "the digest of the image"
  name=$(tar -tf "$work/tar")
  [ "$name" = "$(text name)" ] || fail "the tar member is $name"
  tar --numeric-owner -tvf "$work/tar" | grep -q ' 0/0 ' || fail "owner and group are not 0"
  mkdir "$work/out"
  tar -C "$work/out" -xf "$work/tar"
  [ "$(stat -c %s "$work/out/$name")" = "$(text size)" ] || fail "size"
  mv "$work/out/$name" "$image"
  rm -r "$work"
}

case $1 in
make) shift && make "$@" ;;
read) shift && read_bundle "$@" ;;
*) fail "make or read" ;;
esac
