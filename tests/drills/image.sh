#!/usr/bin/env bash
# The first stage of packaging/container/Dockerfile, without an engine: its instructions, one by one, in a
# Debian 12 of its own that has what rust:…-slim-bookworm has, with the toolchain of this machine. What it
# compiles has to be BINARY to the byte, the static one that is released: so the image has no other.
#
# usage: tests/drills/image.sh BINARY [CACHE]
#
# Needs root, mounts, debootstrap, Debian's archive and crates.io; as long as a release build, and two minutes.
set -Eeuo pipefail
here=$(realpath -- "$(dirname "${BASH_SOURCE[0]}")")
project=$(realpath -- "$here/../..")
[ $# -ge 1 ] || { sed -n 's/^# usage: /usage: /p' "$0" >&2; exit 2; }
if ! [ "$(id -u)" -eq 0 ] || ! unshare --mount --pid --fork mount -t tmpfs drill /mnt; then
  echo 'not run here: it needs root, and may not mount here'
  exit 0
fi
binary=$(realpath -- "$1")
folder=$(mktemp -d)
cache=$(realpath -m -- "${2:-"$folder/cache"}")
trap 'rm -rf --one-file-system -- "$folder"' EXIT
docker=$project/packaging/container/Dockerfile

mkdir -p "$cache"
if [ ! -d "$cache/slim" ]; then
  debootstrap --variant=minbase --include=ca-certificates,gcc,libc6-dev bookworm "$cache/slim.part" >"$folder/log" 2>&1 ||
    { tail -n 5 "$folder/log" >&2; rm -rf --one-file-system -- "$cache/slim.part"; exit 1; }
  mv -- "$cache/slim.part" "$cache/slim"
fi
root=$folder/root
cp -a -- "$cache/slim" "$root"
# What an engine gives to a build: names and, of this machine, whom it trusts.
cp -L /etc/resolv.conf /etc/hosts "$root/etc"
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
mkdir -p "$root/usr/local/rust" "$root/usr/local/cargo"

# inside FOLDER COMMAND: by the Dockerfile's own shell, with the variables of its base image.
inside() {
  # shellcheck disable=SC2016
  unshare --mount --pid --ipc --uts --fork --kill-child bash -euc '
    mount --bind "$2" "$1/usr/local/rust"
    mount -t proc proc "$1/proc"
    mount --bind /dev "$1/dev"
    exec env -i HOME=/root CARGO_HOME=/usr/local/cargo PATH=/usr/local/cargo/bin:/usr/local/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin \
      chroot "$1" /bin/bash -o pipefail -c "cd \"\$0\" && $4" "$3"
  ' inside "$root" "$(rustc --print sysroot)" "$1" "$2"
}

has=$(rustc --version | cut -d' ' -f2)
at=/ ended=no
while read -r instruction rest; do
  [ "$ended" = no ] || break
  case $instruction in
    '' | '#'*) ;;
    FROM)
      case $rest in
        scratch) ended=yes ;;
        "rust:$has-slim-bookworm AS build") ;;
        *) echo "this machine has Rust $has, and the image is built from $rest" >&2; exit 1 ;;
      esac
      ;;
    SHELL) [ "$rest" = '["/bin/bash", "-o", "pipefail", "-c"]' ] ;;
    WORKDIR) at=$rest && mkdir -p "$root$at" ;;
    COPY)
      [ "$rest" = '. .' ]
      [ "$(grep -v '^[#!]' "$docker.dockerignore")" = '*' ]
      sed -n 's/^!//p' "$docker.dockerignore" | (cd "$project" && xargs git ls-files -z --) |
        tar -C "$project" --null --files-from=- -c | tar -C "$root$at" -x
      ;;
    RUN) echo "RUN $rest" && inside "$at" "$rest" </dev/null ;;
    *) echo "the drill does not know what $instruction does" >&2; exit 1 ;;
  esac
done <"$docker"
[ "$ended" = yes ]

find "$root/image" -printf '%M %s /%P\n'
sha256sum -- "$binary" "$root/image/session-warden"
cmp -- "$binary" "$root/image/session-warden"
[ "$(stat -c %a "$root/image/state")" = 1777 ]
echo 'the image has the binary that is released'
