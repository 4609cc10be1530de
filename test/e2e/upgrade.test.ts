import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { neverAborts } from '../../src/base/abort.ts';
import { buildOldAgent } from '../support/fakes/old-agent.ts';
import { until } from '../support/until.ts';
import { GUEST_ARCH } from './support/kernel.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const signal = neverAborts();

/** A checkout whose guests get the agent `program`; returns its `bin/banger`. */
async function earlierCheckout(dir: string, agent: string): Promise<string> {
  for (const part of ['bin', 'dist', 'host/bin']) {
    await cp(join(ROOT, part), join(dir, part), { recursive: true });
  }
  await symlink(join(ROOT, 'node_modules'), join(dir, 'node_modules'));
  await mkdir(join(dir, 'agent/bin'), { recursive: true });
  await cp(agent, join(dir, 'agent/bin', `banger-agent-${GUEST_ARCH}`));
  return join(dir, 'bin/banger');
}

suite('a VM that was created before an upgrade', () => {
  let dir: string;
  let lab: Lab;
  let whyNone: string | undefined;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'up-'));
    lab = await openLab();
    const old = await buildOldAgent(dir, { signal });
    if ('whyNone' in old) {
      whyNone = old.whyNone;
      return;
    }
    const program = await earlierCheckout(join(dir, 'earlier'), old.program);
    await lab.text(['vm', 'create', '--name', 'old', '--cold', ...SMALL], { program });
    await lab.text(['daemon', 'stop'], { program });
    const running = await lab.text([
      'vm',
      'exec',
      'old',
      '--',
      'sh',
      '-c',
      'sha256sum /proc/[0-9]*/exe 2>/dev/null; true',
    ]);
    const digest = createHash('sha256')
      .update(await readFile(old.program))
      .digest('hex');
    assert.ok(running.includes(digest), 'the VM runs the older agent');
  });

  after(async () => {
    await lab[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  test('runs commands, and passes their input, output and status on', async (t) => {
    if (whyNone !== undefined) return t.skip(whyNone);
    const input = Buffer.alloc(2_000_000, 'payload ');
    const ran = await lab.run(['vm', 'exec', 'old', '--', 'sh', '-c', 'cat; exit 9'], { input });
    assert.equal(ran.code, 9, ran.stderr);
    assert.ok(ran.stdout.equals(input));
  });

  test('supports copies in both directions', async (t) => {
    if (whyNone !== undefined) return t.skip(whyNone);
    const file = join(dir, 'file');
    await writeFile(file, Buffer.alloc(1_000_000, 'file '));
    // With a hole at its end, because an older agent does not know the mark of sparse files.
    await truncate(file, 8_000_000);
    await lab.text(['vm', 'cp', file, 'old:/root/copied']);
    await lab.text(['vm', 'cp', 'old:/root/copied', join(dir, 'back')]);
    assert.ok((await readFile(join(dir, 'back'))).equals(await readFile(file)));
  });

  test('reports its ports and its load', async (t) => {
    if (whyNone !== undefined) return t.skip(whyNone);
    const hasSsh = async (): Promise<boolean> => {
      const ran = await lab.run(['vm', 'ports', 'old', '--json']);
      // A guest that is emulated on a busy host does not always answer in time.
      if (ran.code !== 0) return false;
      const [{ ports }] = JSON.parse(ran.stdout.toString());
      return ports.some(({ port }: { port: number }) => port === 22);
    };
    await until(hasSsh, { what: 'sshd to be listed', everyMs: 200 });
    const { now } = JSON.parse(await lab.text(['vm', 'stats', 'old', '--json']));
    assert.ok(now.guest.memory.totalBytes > 0);
  });

  test('can be suspended and resumed with its memory, forked, and stopped with its data', async (t) => {
    if (whyNone !== undefined) return t.skip(whyNone);
    await lab.text(['vm', 'exec', 'old', '--', 'sh', '-c', 'echo kept > /dev/shm/m; echo written > /root/f']);
    await lab.text(['vm', 'suspend', 'old']);
    await lab.text(['vm', 'resume', 'old']);
    await lab.text(['vm', 'fork', 'old', '-n', '1']);
    for (const name of ['old', 'old-1']) {
      assert.equal(await lab.text(['vm', 'exec', name, '--', 'cat', '/dev/shm/m']), 'kept\n');
    }
    await lab.text(['vm', 'stop', 'old']);
    // After its next start it has the agent of this version.
    await lab.text(['vm', 'start', 'old']);
    assert.equal(await lab.text(['vm', 'exec', 'old', '--', 'cat', '/root/f']), 'written\n');
  });
});
