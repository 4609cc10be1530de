import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { scriptOf } from '../../helpers/random-script.ts';
import { beginning, take, visibleStep } from '../../helpers/random-steps.ts';
import { makeScratch, put, type Scratch, unpack } from '../../helpers/scratch-repository.ts';
import { commitAll, withSubmodules } from '../../helpers/submodules.ts';
import { treeOf } from '../../helpers/tree-of.ts';
import { type Lab, openLab, SMALL } from '../support/lab.ts';

/** Git in the VM is not that of this host, and has none of its filters. */
describe('repositories of every kind in a VM', { concurrency: false }, () => {
  let lab: Lab;
  let scratch: Scratch;

  before(async () => {
    scratch = makeScratch();
    lab = await openLab();
    await lab.text(['vm', 'create', '--name', 'box', ...SMALL]);
  });
  after(async () => {
    await lab[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
  });

  const inVm = (script: string): Promise<string> => lab.text(['vm', 'exec', 'box', '--', 'sh', '-c', script]);
  const prepare = (root: string, ...words: string[]): Promise<string> =>
    lab.text(['vm', 'workspace', 'prepare', 'box', root, ...words]);

  test('submodules and filtered files have the same status as on the host, and nothing is exported', async () => {
    const { root } = withSubmodules(scratch);
    scratch.git(root, 'config', 'filter.case.clean', 'tr A-Z a-z');
    scratch.git(root, 'config', 'filter.case.smudge', 'tr a-z A-Z');
    put(root, '.gitattributes', '*.case filter=case\n*.txt text working-tree-encoding=UTF-16LE\n');
    put(root, 'shout.case', 'SHOUT\n');
    put(root, 'wide.txt', Buffer.from('wide\n', 'utf16le'));
    commitAll(scratch, root, 'filtered');
    rmSync(join(root, 'shout.case'));
    scratch.git(root, 'checkout', '-q', '--', 'shout.case');
    put(root, 'lib/nested/deep', 'edited\n');
    const guestPath = ['--guest-path', '/root/kinds'];
    const ask =
      'cd /root/kinds && git status --porcelain; git submodule status; git -C lib/nested diff; cat shout.case';
    const askHost = (script: string): string => {
      const argv = ['-c', script.replace('/root/kinds', `'${root}'`)];
      return spawnSync('sh', argv, { env: scratch.env }).stdout.toString();
    };
    await prepare(root, ...guestPath);
    assert.equal(await inVm(ask), askHost(ask));
    assert.equal(await lab.text(['vm', 'workspace', 'export', 'box', ...guestPath]), '');
    put(root, 'shout.case', 'LOUDER\n');
    scratch.git(root, 'commit', '-q', '-am', 'louder');
    await prepare(root, ...guestPath);
    const later = askHost(ask);
    assert.match(later, /LOUDER/);
    assert.equal(await inVm(ask), later);
  });

  test('random edits on both sides with copies between: the patch gives the tree of the VM on the host', async () => {
    let count = 0;
    await fc.assert(
      fc.asyncProperty(
        beginning,
        fc.array(visibleStep, { maxLength: 8 }),
        fc.array(visibleStep, { minLength: 1, maxLength: 8 }),
        async (first, onHost, inGuest) => {
          count += 1;
          const root = scratch.init(`random${count}`);
          const guestPath = ['--guest-path', `/root/random${count}`];
          for (const each of first) take(scratch, root, each);
          await prepare(root, '--include-untracked', ...guestPath);
          await inVm(
            `cd /root/random${count} && git config user.name x && git config user.email x@y\n${scriptOf(inGuest)}`,
          );
          for (const each of onHost) take(scratch, root, each);
          const sent = await lab.run([
            'vm',
            'workspace',
            'prepare',
            'box',
            root,
            '--include-untracked',
            ...guestPath,
          ]);
          if (sent.code !== 0) {
            assert.match(sent.stderr, /changes made there would be lost/);
            await prepare(root, '--include-untracked', '--discard-guest', ...guestPath);
          }
          const patch = (await lab.run(['vm', 'workspace', 'export', 'box', ...guestPath])).stdout;
          if (patch.length > 0) {
            const ran = spawnSync('git', ['apply'], { cwd: root, env: scratch.env, input: patch });
            assert.equal(ran.status, 0, `${ran.stderr}\n${patch}`);
          }
          const now = join(scratch.dir, `now${count}`);
          mkdirSync(now);
          const tar = await lab.run([
            'vm',
            'exec',
            'box',
            '--',
            'tar',
            '-C',
            guestPath[1] ?? '',
            '-cf',
            '-',
            '.',
          ]);
          await unpack(Readable.from([tar.stdout], { objectMode: false }), now);
          assert.deepEqual(treeOf(root), treeOf(now));
        },
      ),
      { numRuns: 4 },
    );
  });
});
