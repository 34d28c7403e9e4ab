#compdef session-warden
# Completions of session-warden for zsh. The program itself answers what fits where the cursor is.

_session-warden() {
    local -a answer values
    answer=("${(@f)$(command session-warden __complete zsh "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
    values=("${(@)answer[2,-1]}")
    [[ $answer[1] == values || $PREFIX != --*=* ]] || compset -P 1 '*='
    case $answer[1] in
        values) (( $#values )) && _describe -V 'session-warden' values ;;
        files) _files ;;
        folders) _files -/ ;;
        commands) _command_names -e ;;
        *) return 1 ;;
    esac
}

if [[ $funcstack[1] == _session-warden ]]; then
    # Loaded from a folder in fpath.
    _session-warden "$@"
else
    compdef _session-warden session-warden
fi
