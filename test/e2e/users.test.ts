import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makeScratch, put, type Scratch } from '../helpers/scratch-repository.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';

const PROGRAMS = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

describe('a VM with a user', { concurrency: false }, () => {
  let lab: Lab;
  let scratch: Scratch;
  let repo: string;

  before(async () => {
    lab = await openLab();
    scratch = makeScratch();
    repo = scratch.init('repo');
    put(repo, 'file', 'content\n');
    put(repo, 'folder/other', 'content\n');
    scratch.git(repo, 'add', '-A');
    scratch.git(repo, 'commit', '-q', '-m', 'first');
    await lab.text(['vm', 'run', '-d', '--name', 'box', '--user', 'dev', ...SMALL, repo]);
  });
  after(async () => {
    await lab[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
  });

  const exec = (...words: string[]): Promise<string> => lab.text(['vm', 'exec', 'box', ...words]);
  const sh = (script: string, ...options: string[]): Promise<string> =>
    exec(...options, '--', 'sh', '-c', script);

  test('commands and the tree are theirs, git has nothing to say, and sudo asks for nothing', async () => {
    assert.equal(await sh('id -un; id -u; pwd; echo $HOME'), 'dev\n1000\n/home/dev/repo\n/home/dev\n');
    assert.equal(await sh('id -nG | tr " " "\\n" | grep -x docker; sudo -n id -un'), 'docker\nroot\n');
    assert.equal(await sh('git status --porcelain; find /home/dev ! -user dev'), '');
    const commit = 'echo more >> file && git -c user.name=dev -c user.email=dev@box commit -qam second';
    assert.equal(await sh(`${commit} && git status --porcelain && git log --format=%s`), 'second\nfirst\n');
  });

  test('root works on the same tree, and owns it in its own home', async () => {
    const script =
      'id -un; pwd; git status --porcelain; stat -c %U . /root/repo; git -C /root/repo log -1 --format=%s';
    assert.equal(await sh(script, '--user', 'root'), 'root\n/home/dev/repo\ndev\nroot\nsecond\n');
  });

  test('the same programs are found by commands, login shells and over ssh, by both users', async () => {
    const install =
      'mkdir -p ~/.local/bin && printf "#!/bin/sh\\necho mine\\n" > ~/.local/bin/own && chmod +x ~/.local/bin/own';
    await sh(install);
    for (const user of [[], ['--user', 'root']]) {
      assert.equal(await exec(...user, '--', 'own'), 'mine\n');
      assert.equal(await exec(...user, '--', 'bash', '-lc', 'own'), 'mine\n');
    }
    const ssh = await lab.text(['vm', 'ssh', 'box', '--', 'id -un; pwd; own; echo $PATH']);
    const path = `/home/dev/.local/share/mise/shims:/home/dev/.local/bin:${PROGRAMS}`;
    assert.equal(ssh, `dev\n/home/dev\nmine\n${path}\n`);
  });

  test('what is copied in belongs to them, and what they change comes back', async () => {
    const file = join(scratch.dir, 'copied');
    writeFileSync(file, 'copied\n');
    await lab.text(['vm', 'cp', file, 'box:/home/dev/copied']);
    assert.equal(await sh('stat -c %U ~/copied'), 'dev\n');
    assert.match(await lab.text(['vm', 'workspace', 'diff', 'box']), /^\+more$/m);
    await lab.text(['vm', 'workspace', 'pull', 'box', '--apply']);
    await lab.text(['vm', 'workspace', 'pull', 'box', '--branch', 'theirs']);
    assert.equal(readFileSync(join(repo, 'file'), 'utf8'), 'content\nmore\n');
    put(repo, 'folder/other', 'of the host\n');
    const prepared = await exec('--auto-prepare', '--', 'stat', '-c', '%U', 'folder/other');
    assert.equal(prepared, 'dev\n');
    assert.equal(await sh('cat folder/other; find . ! -user dev'), 'of the host\n');
  });

  test('a fork has the user, and so has the VM when it was stopped', async () => {
    assert.match(await lab.text(['vm', 'show', '--format', 'text', 'box']), /^user +dev$/m);
    await lab.text(['vm', 'fork', 'box', '--name', 'copy']);
    assert.equal(await lab.text(['vm', 'exec', 'copy', '--', 'id', '-un']), 'dev\n');
    await lab.text(['vm', 'delete', 'copy']);
    await lab.text(['vm', 'stop', 'box']);
    await lab.text(['vm', 'start', 'box']);
    assert.equal(await sh('id -un; own; find . ! -user dev'), 'dev\nmine\n');
  });

  test('names that are none are refused before anything is made', async () => {
    for (const name of ['..', '1000', 'a b', 'dev:root', 'a'.repeat(33), '-x', '']) {
      const ran = await lab.run(['vm', 'create', `--user=${name}`]);
      assert.equal(ran.code, 2, name);
      assert.match(ran.stderr, /for --user: it is not a name[\s\S]*1 to 32 of a-z/);
    }
    assert.equal(
      await lab.text(['vm', 'list', '--all', '-q']),
      `${await lab.text(['vm', 'show', '--format', '.id', 'box'])}`,
    );
    const system = await lab.run(['vm', 'create', '--user', 'daemon', ...SMALL]);
    assert.equal(system.code, 1);
    assert.match(system.stderr, /Cannot give the VM the user "daemon"[\s\S]*\/home\/daemon/);
  });
});
