#!/usr/bin/env bash
# Completions and man pages, as real shells, man and groff take them: they load without a word, and
# offer what there is. What is wrong is said, one line each, and the end is 1. A tool that is missing
# is wrong as well: nothing is skipped.
#
# usage: tests/drills/shells.sh [BINARY]
set -euo pipefail
binary=$(realpath -- "${1:-"$(dirname "$0")/../../target/debug/session-warden"}")
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
cd "$folder"
# None of the user's own settings, and the binary under its name.
mkdir home bin
ln -s "$binary" bin/session-warden
export HOME="$folder/home" PATH="$folder/bin:$PATH" LC_ALL=C.UTF-8 MANWIDTH=80 MANPAGER=cat MANROFFOPT=''
unset MANPATH MANOPT GROFF_TMAC_PATH FPATH ZDOTDIR BASH_ENV XDG_CONFIG_HOME XDG_DATA_HOME

failures=0
wrong() {
  printf 'wrong: %s\n' "$*" >&2
  failures=$((failures + 1))
}

# quiet WHAT COMMAND...: it succeeds, and says nothing on standard error; standard output is in `out`.
quiet() {
  local what=$1
  shift
  "$@" >out 2>err </dev/null || wrong "$what: exit code $?"
  [ ! -s err ] || wrong "$what says: $(head -n 3 err)"
}

# offers WHAT WANTED: one of the lines in `out` begins with that word.
offers() {
  grep -qE -- "^$2([[:space:]]|\$)" out || wrong "$1 does not offer $2, but: $(head -n 5 out | tr '\n' ' ')"
}

missing=0
for tool in bash zsh fish man lexgrog groff; do
  command -v "$tool" >/dev/null || { wrong "$tool is not installed"; missing=1; }
done
[ "$missing" -eq 0 ] || exit 1

# What is typed, and what it must become.
cases() {
  cat <<'EOF'
--dr --dry-run
und undo
clean --max --max-remove
undo --ch --chat
man --di --dir
EOF
}
# Values behind a command are not offered by fish: clap_complete has none for it.
values='completions fi fish'

for shell in bash zsh fish elvish powershell; do
  quiet "completions $shell" session-warden completions "$shell"
  [ -s out ] || wrong "completions $shell prints nothing"
  cp out "script.$shell"
done

# bash: what `complete` has registered is called as bash calls it.
cat >ask.bash <<'EOF'
source ./script.bash
registered=$(complete -p session-warden)
function=${registered#* -F }
function=${function%% *}
COMP_WORDS=(session-warden "$@")
COMP_CWORD=$#
"$function" session-warden "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
EOF
quiet "bash: loading" bash --norc --noprofile -c 'source ./script.bash'
while read -ra words; do
  wanted=${words[-1]}
  unset 'words[-1]'
  quiet "bash: ${words[*]}" bash --norc --noprofile ask.bash "${words[@]}"
  offers "bash: ${words[*]}" "$wanted"
done < <(cases; printf '%s\n' "$values")

# fish says what it would offer.
quiet "fish: loading" fish --no-config -c 'source ./script.fish'
while read -ra words; do
  wanted=${words[-1]}
  unset 'words[-1]'
  quiet "fish: ${words[*]}" fish --no-config -c "source ./script.fish; complete -C 'session-warden ${words[*]}'"
  offers "fish: ${words[*]}" "$wanted"
done < <(cases)

# zsh completes only where somebody types: so somebody does, on a terminal of its own, and a function
# with the program's name writes down what has become of it. The script is loaded in both ways.
mkdir functions
cp script.zsh functions/_session-warden
quiet "zsh: loading" zsh -f -c 'autoload -U compinit; compinit -u -D; source ./script.zsh'
quiet "zsh: loading from fpath" zsh -f -c 'fpath+=./functions; autoload -U compinit; compinit -u -D; autoload +X _session-warden'
cat >ask.zsh <<'EOF'
zmodload zsh/zpty || exit 1
typed=$1 setup=$2 answer=$PWD/answer
rm -f -- $answer
zpty terminal "TERM=dumb zsh -f -i"
zpty -w terminal "PS1= ; $setup; session-warden() { print -r -- \$* >$answer }"
zpty -w -n terminal "session-warden $typed"$'\t\n'
for (( waited = 0; waited < 300; waited++ )); do
  [[ -s $answer ]] && break
  sleep 0.1
done
zpty -d terminal
cat -- $answer
EOF
load="autoload -U compinit; compinit -u -D"
while read -r setup; do
  while read -ra words; do
    wanted=${words[-1]}
    unset 'words[-1]'
    quiet "zsh: ${words[*]}" zsh -f ask.zsh "${words[*]}" "$setup"
    grep -qE -- "(^| )$wanted\$" out || wrong "zsh makes of ${words[*]}: $(cat out)"
  done < <(cases; printf '%s\n' "$values")
done <<EOF
$load; source ./script.zsh
fpath+=./functions; $load
EOF

# Every page: read as a user reads it, without a warning of any formatter, within 80 columns, and
# with a name that whatis finds.
quiet "man --dir" session-warden man --dir pages
said=$(cat out)
pages=(pages/*)
[ "$said" = "Wrote ${#pages[@]} man pages to $folder/pages" ] || wrong "man --dir says: $said"
[ "${#pages[@]}" -ge 2 ] || wrong "there are ${#pages[@]} pages"
for page in "${pages[@]}"; do
  name=$(basename "$page" .1)
  quiet "man --warnings $name" man --warnings -E UTF-8 -l -Tutf8 -Z "$page"
  quiet "groff $name" groff -man -ww -rLL=80n -Tutf8 -z "$page"
  quiet "lexgrog $name" lexgrog "$page"
  quiet "man $name" man -l "$page"
  grep -q '^NAME' out || wrong "man $name shows no NAME"
  grep -qF -- "$name - " out || wrong "man $name does not show its name"
  [ "$(wc -L <out)" -le 80 ] || wrong "man $name is wider than 80 columns"
done
quiet "man | man -l -" bash -c 'session-warden man undo | man --warnings -l -'
grep -q 'Put back' out || wrong "man undo | man -l - does not show the page"

[ "$failures" -eq 0 ] || { printf '%s wrong\n' "$failures" >&2; exit 1; }
printf 'completions: bash, zsh, fish; man pages: %s\n' "${#pages[@]}"
