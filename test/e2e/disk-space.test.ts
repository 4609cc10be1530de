import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Vm } from '../../src/protocol/vm.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';

const MIB = 2 ** 20;

/** What is written on each drive, and deleted again. */
const WRITTEN_MIB = 250;

/**
 * The most space that a drive takes on the host after everything on it was deleted. Files in blocks that the
 * image has free stay in the overlay for good (up to about 120 MiB), and a drive is not trimmed
 * again for less than 64 MiB.
 */
const MOST_LEFT_BYTES = 150 * MIB;

/** How often a guest is asked to trim at most. */
const MOST_ROUNDS = 5;

let lab: Lab;

before(async () => {
  lab = await openLab();
  await lab.text(['vm', 'create', '--name', 'box', ...SMALL]);
});

after(() => lab[Symbol.asyncDispose]());

test('deleted files of a guest are not copied into forks, and take no space in a suspended VM', async () => {
  for (const folder of ['/root', '/var/tmp']) {
    // No zeros: those take no space in the first place.
    const write = `yes banger | head -c ${WRITTEN_MIB * MIB} > ${folder}/big && sync ${folder}/big`;
    await lab.text(['vm', 'exec', 'box', '--', 'sh', '-c', write]);
  }
  for (const drive of ['work', 'overlay']) {
    assert.ok((await takenBytes('box', drive)) >= WRITTEN_MIB * MIB, `${drive} was written to`);
  }
  await lab.text([
    'vm',
    'exec',
    'box',
    '--',
    'sh',
    '-c',
    'echo kept > /root/kept; echo kept > /var/tmp/kept',
  ]);
  // Synced, so that the measurement does not depend on how fast this host writes.
  await lab.text(['vm', 'exec', 'box', '--', 'sh', '-c', 'rm /root/big /var/tmp/big; sync']);

  await giveBack('copy', {
    give: ['vm', 'fork', 'box', '--name', 'copy'],
    undo: ['vm', 'delete', 'copy'],
  });
  await giveBack('box', { give: ['vm', 'suspend', 'box'], undo: ['vm', 'start', 'box'] });

  await lab.text(['vm', 'start', 'box']);
  for (const name of ['box', 'copy']) {
    assert.equal(
      await lab.text(['vm', 'exec', name, '--', 'cat', '/root/kept', '/var/tmp/kept']),
      'kept\nkept\n',
    );
    // All files of the image are there, so nothing in use was discarded.
    await lab.text(['vm', 'exec', name, '--', 'sh', '-c', 'cd / && dpkg --verify libc6 coreutils bash git']);
  }
});

test('a guest discards all unused blocks, whatever is in its root and work disk', async () => {
  // As a user would do it by hand, also over the image's part of the root.
  await lab.text(['vm', 'exec', 'box', '--', 'sh', '-c', 'cp -a /etc /var/tmp/s && rm -r /var/tmp/s']);
  await lab.text(['vm', 'exec', 'box', '--', 'sh', '-c', 'fstrim / && fstrim /root']);
  await lab.text(['vm', 'exec', 'box', '--', 'dpkg', '--verify', 'libc6', 'coreutils', 'bash', 'git']);
  assert.doesNotMatch(await lab.text(['vm', 'exec', 'box', '--', 'dmesg']), /EXT4-fs error|I\/O error/);
});

/**
 * Repeats `give` until both drives of `name` take little. A guest has two seconds each time, and may need
 * several on a busy host.
 */
async function giveBack(
  name: string,
  { give, undo }: { give: readonly string[]; undo: readonly string[] },
): Promise<void> {
  for (let round = 1; ; round += 1) {
    await lab.text([...give]);
    const taken = { work: await takenBytes(name, 'work'), overlay: await takenBytes(name, 'overlay') };
    if (Math.max(taken.work, taken.overlay) <= MOST_LEFT_BYTES) return;
    assert.ok(round < MOST_ROUNDS, `the drives of ${name} still take ${JSON.stringify(taken)} bytes`);
    await lab.text([...undo]);
  }
}

async function takenBytes(name: string, drive: string): Promise<number> {
  const { id } = JSON.parse(await lab.text(['vm', 'show', name])) as Vm;
  return statSync(join(lab.paths.vmsDir, id, `${drive}.qcow2`)).blocks * 512;
}
