# Completions of session-warden for fish. The program itself answers what fits where the cursor is.

function __session_warden_complete
    set -l current (commandline -ct)
    set -l answer (command session-warden __complete fish (commandline -opc) "$current" 2>/dev/null)
    set -l prefix (string match -r -- '^--[^=]+=' "$current")
    set -l path (string replace -r -- '^--[^=]+=' '' "$current")
    switch "$answer[1]"
        case values
            if set -q answer[2]
                printf '%s\n' $answer[2..-1]
            end
        case files
            for found in (__fish_complete_path "$path")
                echo -- "$prefix$found"
            end
        case folders
            for found in (__fish_complete_directories "$path" '')
                echo -- "$prefix$found"
            end
        case commands
            complete -C "$current"
    end
end

complete -c session-warden -f -k -a '(__session_warden_complete)'
