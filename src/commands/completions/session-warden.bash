# Completions of session-warden for bash. The program itself answers what fits where the cursor is.

_session_warden() {
    local line kind=''
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ -z $kind ]]; then kind=$line; else COMPREPLY+=("$line"); fi
    done < <(command session-warden __complete bash "$COMP_WORDBREAKS" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
    case $kind in
        files) compopt -o default 2>/dev/null ;;
        folders) compopt -o dirnames 2>/dev/null ;;
        commands)
            while IFS= read -r line; do
                COMPREPLY+=("$line")
            done < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}")
            ;;
    esac
}

if [[ ${BASH_VERSINFO[0]} -gt 4 || ${BASH_VERSINFO[0]} -eq 4 && ${BASH_VERSINFO[1]} -ge 4 ]]; then
    complete -o nosort -F _session_warden session-warden
elif [[ ${BASH_VERSINFO[0]} -eq 4 ]]; then
    complete -F _session_warden session-warden
else
    # There is no compopt yet.
    complete -o default -F _session_warden session-warden
fi
