import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { resolvePaths } from '../../../src/config/settings.ts';
import { type BundledCli, bundleCli } from '../../support/cli/bundled-cli.ts';
import { type CliLab, openCliLab } from '../../support/cli/cli-harness.ts';

const run = promisify(execFile);

/** How to ask each shell for the completions of `line`; one candidate per line. */
const SHELLS: Readonly<Record<string, (line: string) => string[]>> = {
  bash: (line) => [
    '-c',
    `source <(banger completion bash); COMP_LINE='${line}'; COMP_WORDS=(${bashWords(line)}); COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 )); _banger 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`,
  ],
  // Without a terminal there is no completion widget, so this prints what the function would describe.
  zsh: (line) => [
    '-fc',
    `autoload -U compinit; compinit -D; source <(banger completion zsh); _describe() { local each; for each in "\${(@P)2}"; do each=\${each//\\\\:/@}; each=\${each%%:*}; print -r -- \${each//@/:}; done }; _files() { if [[ $1 == -/ ]]; then print -l -- \${words[-1]}*(N/); else print -l -- \${words[-1]}*(N); fi }; words=(${line.replace(/ $/, " ''")}); CURRENT=\${#words}; _banger; true`,
  ],
  fish: (line) => [
    '-c',
    `banger completion fish | source; complete -C '${line}' | string split -f1 \\t; true`,
  ],
};

/** The words of a line as bash splits them for completion: at blanks, and at `:` and `=`. */
function bashWords(line: string): string {
  return line.replace(/[:=]+/g, " '$&' ").replace(/ $/, line.endsWith(' ') ? " ''" : '');
}

for (const [shell, argvFor] of Object.entries(SHELLS)) {
  const path = ['/usr/bin', '/bin'].map((folder) => join(folder, shell)).find((file) => existsSync(file));

  describe(`completion in ${shell}`, { skip: path ? false : `${shell} is not installed` }, () => {
    let lab: CliLab;
    let cli: BundledCli;

    before(async () => {
      lab = await openCliLab();
      cli = await bundleCli();
      for (const name of ['web', 'worker']) lab.addVm(name);
      const bin = join(lab.home, 'bin');
      mkdirSync(bin);
      mkdirSync(join(lab.home, 'folder'));
      writeFileSync(join(bin, 'banger'), `#!/bin/sh\nexec "${process.execPath}" "${cli.path}" "$@"\n`, {
        mode: 0o755,
      });
    });
    after(async () => {
      cli[Symbol.dispose]();
      await lab[Symbol.asyncDispose]();
    });

    const candidates = async (line: string): Promise<string[]> => {
      const env = { ...lab.env, PATH: `${join(lab.home, 'bin')}:${lab.env['PATH']}` };
      const { stdout, stderr } = await run(path ?? '', argvFor(line), { env, cwd: lab.home });
      assert.equal(stderr, '');
      return stdout
        .split('\n')
        .filter((word) => word !== '')
        .sort();
    };

    test('offers commands, options, live names and folders', async () => {
      assert.deepEqual(await candidates('banger v'), ['version', 'vm']);
      assert.deepEqual(await candidates('banger vm st'), ['start', 'stats', 'stop']);
      assert.deepEqual(await candidates('banger vm run --v'), ['--vcpu', '--verbose', '--vmm']);
      assert.deepEqual(await candidates('banger vm show '), ['web', 'worker']);
      assert.deepEqual(
        (await candidates('banger vm run fol')).map((word) => word.replace(/\/$/, '')),
        ['folder'],
      );
    });

    test('offers files of both sides to vm cp, tags, signals and states', async () => {
      const folder = join(lab.home, 'guest');
      mkdirSync(join(folder, 'docs'), { recursive: true });
      writeFileSync(join(folder, 'data'), '');
      const lastOf = (words: string[]): string[] =>
        words.map((word) => word.replace(/^web:/, '').replace(/\/$/, ''));
      // bash completes only the text after its last word break.
      const place = (word: string): string => (shell === 'bash' ? word.replace(/^web:/, '') : word);
      assert.deepEqual(await candidates(`banger vm cp web:${folder}/d`), [
        place(`web:${folder}/data`),
        place(`web:${folder}/docs/`),
      ]);
      assert.deepEqual(lastOf(await candidates('banger vm cp fol')), ['folder']);
      assert.deepEqual(await candidates('banger cp ./x we'), ['web:']);
      assert.deepEqual(await candidates('banger vm kill --signal U'), ['USR1', 'USR2']);
      assert.deepEqual(await candidates('banger vm wait --until r'), ['ready', 'running']);
    });

    test('offers nothing, and starts nothing, when no daemon runs', async () => {
      await lab.daemon.die();
      assert.deepEqual(await candidates('banger vm show '), []);
      assert.equal(existsSync(resolvePaths(lab.env).daemonLogFile), false);
    });
  });
}
