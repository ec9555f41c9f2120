"""The scripts that `holdfast completion` prints. They know nothing of Holdfast: at a TAB they ask `holdfast complete`.

Its answer has a line for each word that may stand there, in zsh and fish with a tab and a description; or the line
`:files` or `:directories`, which the shell completes better itself. A gateway that is not there is no line at all.
"""

from enum import StrEnum

FILES, DIRECTORIES = ":files", ":directories"


class Shell(StrEnum):
    """Those that have a script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


# COMP_WORDS is split at "=" as well; `complete` joins what belongs together
BASH = r"""_holdfast() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        case "$line" in
            :files) compopt -o bashdefault -o default 2>/dev/null ;;
            :directories) compopt -o dirnames 2>/dev/null ;;
            *) COMPREPLY+=("$line") ;;
        esac
    done < <("${1/#\~\//$HOME/}" complete bash -- "${COMP_WORDS[@]:0:COMP_CWORD+1}" 2>/dev/null)
}
complete -F _holdfast holdfast
"""

# the file is sourced, or is found in $fpath as _holdfast: then it is the body of that function
ZSH = r"""#compdef holdfast
_holdfast() {
    local line value program="${(Q)words[1]/#\~\//$HOME/}"
    local -a described before=("${(@)words[1,CURRENT-1]}")
    for line in "${(@f)$("$program" complete zsh -- "${(@)before}" "$PREFIX" 2>/dev/null)}"; do
        case "$line" in
            "") ;;
            :files) compset -P '--*='; _files ;;
            :directories) compset -P '--*='; _files -/ ;;
            *)
                value="${line%%$'\t'*}"
                described+=("${value//:/\\:}:${line#*$'\t'}")
                ;;
        esac
    done
    (( $#described )) && _describe holdfast described
}
if [[ "${funcstack[1]}" == _holdfast ]]; then
    _holdfast "$@"
else
    compdef _holdfast holdfast
fi
"""

FISH = r"""function __holdfast_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l option (string match -r '^--[^=]*=' -- $current)
    set -l rest (string replace -r '^--[^=]*=' '' -- $current)
    for line in (eval $words[1] complete fish -- (string escape -- $words "$current") 2>/dev/null)
        switch $line
            case :files
                string replace -r -- '^' "$option" (__fish_complete_path "$rest")
            case :directories
                string replace -r -- '^' "$option" (__fish_complete_directories "$rest")
            case '*'
                echo $line
        end
    end
end
complete --command holdfast --no-files --arguments '(__holdfast_complete)'
"""

SCRIPTS = {Shell.BASH: BASH, Shell.ZSH: ZSH, Shell.FISH: FISH}
