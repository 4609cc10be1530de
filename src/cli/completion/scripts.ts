/*
 * Each script passes the words up to the cursor to `banger __complete`. Its first output line says what the
 * shell offers as well; its other lines are `word<tab>meaning`.
 */

const BASH = `_banger() {
  local i line part word prefix typed directive='' rest=$COMP_LINE
  local -a words=()
  COMPREPLY=()
  # bash splits at : and = as well as at blanks: what no blank separates is one word.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    part=\${COMP_WORDS[i]}
    if ((i > 0)) && [[ -n $part && $rest != [[:space:]]* ]]; then
      words[\${#words[@]} - 1]+=$part
    else
      words+=("$part")
    fi
    rest=\${rest#"\${rest%%[![:space:]]*}"}
    rest=\${rest#"$part"}
  done
  # What is completed replaces the last part only.
  typed=\${words[\${#words[@]} - 1]}
  prefix=$typed
  [[ $part == *[^:=]* ]] && prefix=\${typed%"$part"}
  typed=\${typed//\\\\/}
  while IFS= read -r line; do
    if [[ -z $directive ]]; then
      directive=$line
      continue
    fi
    printf -v word %q "\${line%%$'\\t'*}"
    COMPREPLY+=("\${word#"$prefix"}")
  done < <("\${words[0]}" __complete -- "\${words[@]:1:\${#words[@]} - 2}" "$typed" 2>/dev/null)
  if [[ $directive == :folders ]] || [[ $directive == :files && \${#COMPREPLY[@]} -eq 0 ]]; then
    compopt -o filenames 2>/dev/null
    part=-f
    [[ $directive == :folders ]] && part=-d
    while IFS= read -r line; do COMPREPLY+=("\${line#"$prefix"}"); done < <(compgen "$part" -- "$typed")
  elif [[ $directive == :files ]]; then
    while IFS= read -r line; do
      [[ -d $line ]] && line+=/
      printf -v word %q "$line"
      COMPREPLY+=("\${word#"$prefix"}")
    done < <(compgen -f -- "$typed")
  fi
  if [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *[/:] ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -F _banger banger
`;

const ZSH = `#compdef banger
_banger() {
  local -a lines described unfinished
  local line word
  lines=("\${(@f)$("\${words[1]}" __complete -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ "\${lines[1]}" == :folders ]]; then
    _files -/
    return
  fi
  for line in "\${(@)lines[2,-1]}"; do
    [[ -n "$line" ]] || continue
    word="\${line%%$'\\t'*}"
    if [[ "$word" == *[/:] ]]; then
      unfinished+=("\${word//:/\\\\:}")
    elif [[ "$line" == *$'\\t'* ]]; then
      described+=("\${word//:/\\\\:}:\${line#*$'\\t'}")
    else
      described+=("\${word//:/\\\\:}")
    fi
  done
  (( \${#unfinished} )) && _describe 'banger' unfinished -S ''
  (( \${#described} )) && _describe 'banger' described
  [[ "\${lines[1]}" == :files ]] && _files
  return 0
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
    if test "$lines[1]" = :files
        __fish_complete_path (commandline -ct)
    end
    printf '%s\\n' $lines[2..-1]
end
complete -c banger -f -a '(__banger_complete)'
`;

/** Completion scripts by shell. */
export const COMPLETION_SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
