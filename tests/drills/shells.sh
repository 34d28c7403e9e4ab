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

missing=0
for tool in bash zsh fish man lexgrog groff; do
  command -v "$tool" >/dev/null || { wrong "$tool is not installed"; missing=1; }
done
[ "$missing" -eq 0 ] || exit 1

# What can be completed: a configuration, a map, a run that removed a chat, a pin.
mkdir -p 'a bridge' home/.config/session-warden home/.claude/projects/-w home/.codex/sessions/2026/01/05 a-folder
touch a-file
cat >home/.config/session-warden/config.toml <<EOF
[[profile]]
name = "dev"
session_dir = "$folder/a bridge"
EOF
jobs=''
if session-warden keepalive --help >/dev/null 2>&1; then
  jobs='keepalive disable ow|own-job'
  cat >>home/.config/session-warden/config.toml <<'EOF'
[[keepalive]]
id = "own-job"
action = "command"
command = "true"
every = "1h"
EOF
fi
id() { printf '%s0000000-0000-4000-8000-000000000000' "$1"; }
echo '{"type":"user"}' >"home/.claude/projects/-w/$(id 1).jsonl"
touch -d '2 days ago' "home/.claude/projects/-w/$(id 1).jsonl" home/.claude/projects/-w home/.claude/projects home/.claude
printf '{"type":"session_meta","payload":{"id":"%s"}}\n' "$(id 7)" \
  >"home/.codex/sessions/2026/01/05/rollout-2026-01-05T10-00-00-$(id 7).jsonl"
cat >'a bridge/session_map.json' <<EOF
{"claude-cli": {"gone": "$(id 1)", "website": "$(id 2)", "pinned": "$(id 3)", "my chat": "$(id 4)",
  "telegram:123": "$(id 5)", "shop": "$(id 6)"}, "codex-cli": {"shop": "$(id 7)"}}
EOF
quiet 'pin' session-warden pin --profile dev pinned
quiet 'clean' session-warden clean --profile dev --bridge off --missing keep
session-warden history --json >out
run=$(sed -n 's/.*"run": *"\([^"]*\)".*/\1/p' out | head -n 1)
[ -n "$run" ] || wrong 'there is no run to complete'
map_before=$(sha256sum 'a bridge/session_map.json')

# What is typed, and what its last word must become.
cases() {
  cat <<EOF
--dr|--dry-run
und|undo
clean --max-rem|--max-remove
undo --ch|--chat
man --di|--dir
completions fi|fish
help sche|schedule
list --state id|idle
list --state=id|--state=idle
--state id|idle
schedule install --method systemd-u|systemd-user
clean --provider cod|codex
clean --profile de|dev
undo 20|$run
history 20|$run
undo --chat gon|gone
hold --chat web|website
--profile dev remove web|website
remove --profile dev my|my chat
remove --profile dev 'my|my chat
remove --profile dev telegram:1|telegram:123
remove --profile dev claude-cli/sh|claude-cli/shop
--session-dir 'a bridge' remove website pinn|pinned
pin --profile dev tele|telegram:123
pin --profile dev --remove pi|pinned
clean --map a-fi|a-file
clean --map=a-fi|--map=a-file
clean --session-dir a-fo|a-folder/
hold --session x -- realpat|realpath
EOF
  [ -z "$jobs" ] || printf '%s\n' "$jobs"
}
# What stays as it is: an option that is hidden, and what no chat is called.
nothing='hold --bec|--bec
remove --profile dev nope|nope'

for shell in bash zsh fish elvish powershell; do
  quiet "completions $shell" session-warden completions "$shell"
  [ -s out ] || wrong "completions $shell prints nothing"
  cp out "script.$shell"
done

# A shell completes where somebody types: so somebody does, on a terminal of its own, and a function
# with the program's name writes down the words that have come of it.
cat >ask.zsh <<'EOF'
zmodload zsh/zpty || exit 1
shell=$1 setup=$2 typed=$3 answer=$PWD/answer
rm -f -- $answer
zpty terminal "TERM=dumb $shell"
zpty -w terminal "PS1= ; $setup; session-warden() { printf '%s\n' \"\$@\" >$answer; }"
zpty -w -n terminal "session-warden $typed"$'\t\n'
for (( waited = 0; waited < 300; waited++ )); do
  [[ -s $answer ]] && break
  sleep 0.1
done
zpty -d terminal
cat -- $answer
EOF
# typed WHAT SHELL SETUP: every case, typed into that shell.
typed() {
  local words wanted made
  while IFS='|' read -r words wanted; do
    quiet "$1: $words" zsh -f ask.zsh "$2" "$3" "$words"
    made=$(tail -n 1 out)
    # zsh takes the slash of a folder away again.
    [ "$made" = "$wanted" ] || [ "$made/" = "$wanted" ] || wrong "$1 makes of $words: $(tr '\n' ' ' <out)"
  done < <(cases; printf '%s\n' "$nothing")
}

# In both ways that each is loaded: as a script, and from where the shell looks for it.
quiet "bash: loading" bash --norc --noprofile -c 'source ./script.bash'
typed bash 'bash --norc --noprofile -i' 'source ./script.bash'
mkdir functions
cp script.zsh functions/_session-warden
load="autoload -U compinit; compinit -u -D"
quiet "zsh: loading" zsh -f -c "$load; source ./script.zsh"
quiet "zsh: loading from fpath" zsh -f -c "fpath+=./functions; $load; autoload +X _session-warden"
typed zsh 'zsh -f -i' "$load; source ./script.zsh"
typed 'zsh, from fpath' 'zsh -f -i' "fpath+=./functions; $load"

# fish prints what it would offer, each with its description.
quiet "fish: loading" fish --no-config -c 'source ./script.fish'
mkdir -p home/.config/fish/completions
cp script.fish home/.config/fish/completions/session-warden.fish
fish_offers() {
  # shellcheck disable=SC2016 # fish expands it
  quiet "fish: $1" fish -c 'complete -C $argv[1]' "session-warden $1"
}
while IFS='|' read -r words wanted; do
  fish_offers "$words"
  cut -f 1 out | sed 's/\\\(.\)/\1/g' | grep -qxF -- "$wanted" ||
    wrong "fish does not offer $wanted for $words, but: $(head -n 5 out | tr '\n' ' ')"
done < <(cases)
while IFS='|' read -r words _; do
  fish_offers "$words"
  [ ! -s out ] || wrong "fish offers for $words: $(head -n 5 out | tr '\n' ' ')"
done <<<"$nothing"
[ "$map_before" = "$(sha256sum 'a bridge/session_map.json')" ] || wrong 'a completion has changed the map'

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
grep -q 'Restore mappings' out || wrong "man undo | man -l - does not show the page"

[ "$failures" -eq 0 ] || { printf '%s wrong\n' "$failures" >&2; exit 1; }
printf 'completions: bash, zsh, fish; man pages: %s\n' "${#pages[@]}"
