#!/bin/sh
# Stands in for systemctl, loginctl, systemd-analyze, crontab and launchctl, by the name it is called
# by. Beside it lie what it was called with (calls), what fails (fail: how such calls begin) and what
# it answers from (tab, timer, linger).
PATH=/usr/bin:/bin
here=${0%/*}
name=${0##*/}
call="$name $*"
printf '%s\n' "$(printf %s "$call" | tr '\n' ' ')" >>"$here/calls"
while IFS= read -r start; do
    case "$call$" in
    "$start"*)
        echo "this fails" >&2
        exit 1
        ;;
    esac
done <"$here/fail"
case $call in
"systemctl"*" show --property=Version") echo Version=252 ;;
"systemctl"*" show --property=FragmentPath --value "*) [ ! -f "$here/fragment" ] || cat "$here/fragment" ;;
"systemctl"*" show --property=ActiveState,"*) cat "$here/timer" ;;
"loginctl show-user "*) cat "$here/linger" ;;
"systemd-analyze calendar -- nonsense") exit 1 ;;
"crontab -l")
    if [ ! -f "$here/tab" ]; then
        # As this cron has it: an exit code and its message.
        [ ! -f "$here/none" ] || exec sh "$here/none"
        echo "no crontab for somebody" >&2
        exit 1
    fi
    cat "$here/tab"
    ;;
"crontab -r") rm "$here/tab" ;;
"crontab -")
    cat >"$here/new"
    if [ -s "$here/new" ] && [ "$(tail -c 1 "$here/new" | wc -l)" = 0 ]; then
        echo "new crontab file is missing newline before EOF, can't install." >&2
        exit 1
    fi
    mv "$here/new" "$here/tab"
    ;;
"crontab "*) exit 1 ;;
esac
