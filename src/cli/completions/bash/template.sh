# Completions of @program@ for bash.

_yescale_dl_words() {
    COMPREPLY=($(compgen -W "$1" -- "$cur"))
}

# Words that are separated by commas: completes the last one.
_yescale_dl_list() {
    local before="" last="${cur##*,}"
    [[ $cur == *,* ]] && before="${cur%,*},"
    COMPREPLY=($(compgen -P "$before" -W "$1" -- "$last"))
}

_yescale_dl_paths() {
    local IFS=$'\n'
    type compopt > /dev/null 2>&1 && compopt -o filenames
    COMPREPLY=($(compgen "$1" -- "$cur"))
}

# Completes the value of the option $1. Fails if it takes none.
_yescale_dl_value() {
    case "$1" in
@values@        *) return 1 ;;
    esac
}

_yescale_dl() {
    local cur="$2" prev="$3" command="" options="" before="" word count=0
    COMPREPLY=()
    if [[ $cur == "=" ]]; then
        cur=""
    elif [[ $prev == "=" ]]; then
        prev="${COMP_WORDS[COMP_CWORD - 2]}"
    fi
    _yescale_dl_value "$prev" && return 0
    if ((COMP_CWORD > 1)); then
        case "${COMP_WORDS[1]}" in
        @commands@) command="${COMP_WORDS[1]}" ;;
        esac
    fi
    case "$command" in
@options@    esac
    if [[ $cur == -* ]]; then
        _yescale_dl_words "$options"
        return 0
    fi
    if ((COMP_CWORD == 1)); then
        _yescale_dl_words "@names@"
        return 0
    fi
    # The arguments of the command before this word.
    for word in "${COMP_WORDS[@]:2:COMP_CWORD-2}"; do
        if [[ $word != -* && $word != "=" && $before != "=" ]] && ! _yescale_dl_value "$before"; then
            count=$((count + 1))
        fi
        before="$word"
    done
    COMPREPLY=()
    case "$command,$count" in
@arguments@    esac
}

complete -F _yescale_dl @program@
