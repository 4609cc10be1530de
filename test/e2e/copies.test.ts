import assert from 'node:assert/strict';
import { mkdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { neverAborts, poll } from '../../src/base/abort.ts';
import { tarHeader } from '../../src/base/tar/write-tar.ts';
import { until } from '../support/until.ts';
import { type Lab, openLab, type RunningCommand, SMALL } from './support/lab.ts';

const signal = neverAborts();

const KILL_AGENT = 'kill -9 $(pgrep -f "banger/agent serve")';

describe('copies into a VM', () => {
  let lab: Lab;
  before(async () => {
    lab = await openLab();
    await lab.text(['vm', 'create', '--name', 'box', ...SMALL]);
    await inGuest('mkdir /root/data; echo old and whole > /root/data/old');
  });
  after(() => lab[Symbol.asyncDispose]());

  const inGuest = (script: string): Promise<string> =>
    lab.text(['vm', 'exec', 'box', '--', 'sh', '-c', script]);

  /** Starts to send a file, and waits until the agent writes it. */
  async function halfSent(name: string): Promise<RunningCommand> {
    const input = new PassThrough();
    const names = { name: Buffer.from(name), linkName: Buffer.alloc(0) };
    input.write(tarHeader({ kind: 'file', mode: 0o644, mtimeMs: 0, sizeBytes: 30_000_000, ...names }));
    input.write(Buffer.alloc(4_000_000, 'x'));
    const running = lab.start(['vm', 'cp', '-', 'box:/root/data'], { input });
    // The agent opens and closes files meanwhile, so ls may miss one that it has just listed and say so.
    const openFiles = 'ls -l /proc/$(pgrep -f "banger/agent serve" | head -n 1)/fd 2>/dev/null || true';
    const isWritten = async (): Promise<true | undefined> =>
      (await inGuest(openFiles)).includes('/root/data/') || undefined;
    await poll(isWritten, { everyMs: 200, deadlineMs: 60_000, what: 'the agent to write the file', signal });
    return running;
  }

  const isAlone = async (): Promise<boolean> => (await inGuest('ls -A /root/data')) === 'old\n';

  for (const [what, end] of [
    ['a client that is killed', async (copying: RunningCommand) => copying.kill('SIGKILL')],
    [
      'an agent that is killed',
      async () => {
        await lab.run(['vm', 'exec', 'box', '--', 'sh', '-c', KILL_AGENT]);
      },
    ],
  ] as const) {
    test(`${what} leaves the old file complete, and nothing beside it`, async () => {
      for (const name of ['old', 'new']) {
        const copying = await halfSent(name);
        await end(copying);
        assert.notEqual((await copying.done).code, 0);
        // Before the next copy begins, whose file would be taken for this one's.
        await until(isAlone, { what: 'the old file to be alone', everyMs: 200 });
      }
      assert.equal(await inGuest('cat /root/data/old'), 'old and whole\n');
    });
  }

  test('a mount point is overwritten; a link is replaced; another hard link of a file keeps the old content', async () => {
    const name = join(lab.scratch, 'given');
    await writeFile(name, 'given\n', { mode: 0o640 });
    await inGuest(
      'cd /srv; echo 1 > below; echo 2 > mounted; mount --bind below mounted; ln -s below link; echo 3 > one; ln one two',
    );
    for (const target of ['mounted', 'link', 'one']) await lab.text(['vm', 'cp', name, `box:/srv/${target}`]);
    assert.equal(
      await inGuest('cd /srv; cat below link one two; stat -c "%F %a %U" link one; ls -A'),
      'given\ngiven\ngiven\n3\nregular file 640 root\nregular file 640 root\nbelow\nlink\nmounted\none\ntwo\n',
    );
  });

  test('a sparse file stays sparse in the guest, and on the way back', async () => {
    await mkdir(join(lab.scratch, 'holes'));
    const name = join(lab.scratch, 'holes', 'disk');
    await writeFile(name, 'begin');
    await truncate(name, 100 * 2 ** 20);
    await lab.text(['vm', 'cp', join(lab.scratch, 'holes'), 'box:/root']);
    const [size = 0, blocks = 0] = (await inGuest('sync; stat -c "%s %b" /root/holes/disk'))
      .split(' ')
      .map(Number);
    assert.equal(size, 100 * 2 ** 20);
    assert.ok(blocks * 512 < 2 ** 20, `${blocks} blocks in the guest`);
    await lab.text(['vm', 'cp', 'box:/root/holes/disk', join(lab.scratch, 'back')]);
    const back = await stat(join(lab.scratch, 'back'));
    assert.ok(back.blocks * 512 < 2 ** 20, `${back.blocks} blocks on the host`);
    assert.ok((await readFile(join(lab.scratch, 'back'))).equals(await readFile(name)));
  });
});
