import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { neverAborts, poll } from '../../src/base/abort.ts';
import { mountFuse, whyNoFuse } from '../support/fuse.ts';
import { openLab, SMALL } from './support/lab.ts';

const skip = whyNoFuse();

// A test cannot mount NFS. Like NFS, bindfs renames files that are deleted while they are open.
for (const options of [[], ['-o', 'direct_io']]) {
  test(`VMs work with a state folder on FUSE ${options.join(' ')}`, { skip }, async () => {
    const dir = await mkdtemp(join(tmpdir(), 'bf-'));
    await using _dir = { [Symbol.asyncDispose]: () => rm(dir, { recursive: true }) };
    await using mount = await mountFuse({ under: join(dir, 'u'), path: join(dir, 'm') }, options);
    const lab = await openLab({ env: { XDG_STATE_HOME: mount.path } });
    try {
      const read = (name: string): Promise<string> => lab.text(['vm', 'exec', name, '--', 'cat', '/root/f']);
      const write = (text: string): Promise<string> =>
        lab.text(['vm', 'exec', 'a', '--', 'sh', '-c', `echo ${text} > /root/f`]);
      await lab.text(['vm', 'create', '--name', 'a', ...SMALL]);
      await write('one');
      await lab.text(['vm', 'suspend', 'a']);
      await lab.text(['vm', 'resume', 'a']);
      assert.equal(await read('a'), 'one\n');
      await lab.text(['vm', 'fork', 'a', '--name', 'b']);
      assert.equal(await read('b'), 'one\n');
      await lab.text(['vm', 'snapshot', 'create', 'a', 's1']);
      await write('two');
      await lab.text(['vm', 'snapshot', 'restore', 'a', 's1']);
      assert.equal(await read('a'), 'one\n');
      await lab.killDaemon();
      assert.equal(await read('a'), 'one\n');
      // A forked guest maps a file of its source VM.
      await lab.text(['vm', 'delete', 'a']);
      assert.equal(await read('b'), 'one\n');
      assert.doesNotMatch(await lab.text(['vm', 'list', '--all']), /deleting/);
      await lab.text(['vm', 'delete', 'b']);
      await lab.text(['daemon', 'stop']);
      await lab.text(['vm', 'list']);
      const names = async (): Promise<true | undefined> =>
        (await readdir(lab.paths.vmsDir)).length === 0 ? true : undefined;
      await poll(names, {
        everyMs: 100,
        deadlineMs: 30_000,
        what: 'nothing to be left',
        signal: neverAborts(),
      });
    } finally {
      await lab[Symbol.asyncDispose]();
    }
  });
}
