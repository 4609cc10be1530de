/*
 * Each script passes the words up to the cursor to `banger __complete`, whose first line says what else fits
 * and whose other lines are `word<tab>meaning`.
 */

const BASH = `_banger() {
  local line first=1
  COMPREPLY=()
  while IFS= read -r line; do
    if [ "$first" = 1 ]; then
      first=0
      if [ "$line" = :folders ]; then
        compopt -o filenames 2>/dev/null
        while IFS= read -r line; do COMPREPLY+=("$line"); done \\
          < <(compgen -d -- "\${COMP_WORDS[COMP_CWORD]}")
      fi
      continue
    fi
    COMPREPLY+=("\${line%%$'\\t'*}")
  done < <("\${COMP_WORDS[0]}" __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _banger banger
`;

const ZSH = `#compdef banger
_banger() {
  local -a lines described
  local line
  lines=("\${(@f)$("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ "\${lines[1]}" == :folders ]]; then
    _files -/
    return
  fi
  for line in "\${(@)lines[2,-1]}"; do
    [[ -n "$line" ]] || continue
    if [[ "$line" == *$'\\t'* ]]; then
      described+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
    else
      described+=("\${line//:/\\\\:}")
    fi
  done
  (( \${#described} )) && _describe 'banger' described
}
if [[ "$funcstack[1]" == _banger ]]; then
  _banger "$@"
else
  compdef _banger banger
fi
`;

const FISH = `function __banger_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l lines (command $words[1] __complete -- $words[2..-1] 2>/dev/null)
    if test "$lines[1]" = :folders
        __fish_complete_directories (commandline -ct)
        return
    end
    printf '%s\\n' $lines[2..-1]
end
complete -c banger -f -a '(__banger_complete)'
`;

/** Completion scripts by shell. */
export const COMPLETION_SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
