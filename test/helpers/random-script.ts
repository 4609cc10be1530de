import type { Step } from './random-steps.ts';

/** A script for a POSIX shell that takes the steps in its working folder, as `take` does on this host. */
export function scriptOf(steps: readonly Step[]): string {
  return [...steps.map((each) => `( ${linesOf(each)} ) >/dev/null 2>&1`), 'true'].join('\n');
}

function linesOf(each: Step): string {
  switch (each.do) {
    case 'write': {
      const old = each.isOld ? '; touch -d @1500000000 "./$p"' : '';
      const folder = `case $p in */*) mkdir -p -- "./\${p%/*}" ;; esac`;
      return `${name('p', each.path)}; ${folder}; ${bytes(Buffer.from(each.content))} >"./$p"${old}`;
    }
    case 'remove':
      return `${name('p', each.path)}; rm -r -- "./$p"`;
    case 'chmod': {
      const isFile = '[ -f "./$p" ] && [ ! -L "./$p" ]';
      const flip = 'if [ -x "./$p" ]; then chmod a-x "./$p"; else chmod a+x "./$p"; fi';
      return `${name('p', each.path)}; if ${isFile}; then ${flip}; fi`;
    }
    case 'move':
      return `${name('p', each.path)}; ${name('t', each.to)}; mv -T -- "./$p" "./$t"`;
    case 'link':
      return `${name('p', each.path)}; ${name('t', each.to)}; ln -s -T -- "$t" "./$p"`;
    case 'stage':
      return gitWith('add -f', each.path);
    case 'unstage':
      return gitWith('rm -q --cached -r', each.path);
    case 'intend':
      return gitWith('add -N', each.path);
    case 'assume':
      return `${bytes(each.path)} | git update-index --assume-unchanged -z --stdin`;
    case 'stage-all':
      return 'git add -A';
    case 'commit':
      return 'git commit -q --allow-empty -m x';
  }
}

function gitWith(command: string, path: Buffer): string {
  return `${bytes(path)} | git --literal-pathspecs ${command} --pathspec-from-file=- --pathspec-file-nul`;
}

/** A command that prints bytes. */
function bytes(content: Buffer): string {
  return `echo ${content.toString('base64')} | base64 -d`;
}

/** A variable with the bytes of a name; a shell would drop line breaks at its end. */
function name(variable: string, path: Buffer): string {
  return `${variable}=$(${bytes(path)}; echo .); ${variable}=\${${variable}%.}`;
}
