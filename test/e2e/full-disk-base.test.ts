import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import { fill } from '../support/steps/fill.ts';
import { mountSmallDisk } from '../support/steps/small-disk.ts';
import { until } from '../support/until.ts';
import { type Lab, openLab, type Ran, SMALL } from './support/lab.ts';
import { ownCache } from './support/own-cache.ts';

const skip = process.getuid?.() === 0 ? false : 'only root can mount a file system to fill';

/** An emulated guest is slow, and each look is a command. */
const PATIENT = { everyMs: 500, deadlineMs: 180_000 };

/** `bytes` of the random file that a guest writes. */
const WRITTEN = 24 * 2 ** 20;

async function makeRepository(lab: Lab): Promise<void> {
  const repo = join(lab.scratch, 'repo');
  await mkdir(repo);
  const git = (...args: string[]): Promise<unknown> =>
    exec(['git', '-C', repo, '-c', 'user.name=x', '-c', 'user.email=x@localhost', ...args], {
      signal: neverAborts(),
    });
  await git('init', '-q', '-b', 'main');
  await writeFile(join(repo, 'file'), 'one\n');
  await git('add', '-A');
  await git('commit', '-q', '-m', 'First');
}

function assertSaysFull(ran: Ran): void {
  assert.equal(ran.code, 125, ran.stderr);
  assert.match(ran.stderr, /has no disk space|0B are free, \d+M are needed/);
  assert.doesNotMatch(ran.stderr, /this is a bug/);
}

test('with a full disk, a start from a working tree gets it through the link or says why it cannot, and a guest on a base image is paused', {
  skip,
}, async (context) => {
  const disks = await mkdtemp(join(tmpdir(), 'bd-'));
  // After the lab's own folder and daemon, and after both file systems are unmounted.
  context.after(() => rm(disks, { recursive: true }));
  const [stateDir, cacheDir] = [join(disks, 's'), join(disks, 'h')];
  const env = { ...(await ownCache(cacheDir)), XDG_STATE_HOME: stateDir };
  const basesDir = join(cacheDir, 'banger', 'workspace-bases');
  await using _state = await mountSmallDisk(stateDir, 512 * 2 ** 20);
  await using _bases = await mountSmallDisk(basesDir, 64 * 2 ** 20);
  await using lab = await openLab({ env });
  await makeRepository(lab);
  const start = ['vm', 'run', '--rm', ...SMALL, 'repo', '--', 'sh', '-c', 'cat file; git status --porcelain'];
  const bases = async (): Promise<string[]> =>
    (await readdir(basesDir)).filter((name) => !['filler', '.staging'].includes(name));
  const freeSpace = (dir: string): Promise<void> => rm(join(dir, 'filler'), { force: true });
  // This starts the daemon, which removes unknown files from the cache.
  await lab.text(['vm', 'list']);

  // No base image can be made: the tree gets to the guest through the link.
  fill(basesDir);
  const through = await lab.run(start);
  assert.deepEqual([through.code, through.stdout.toString()], [0, 'one\n'], through.stderr);
  assert.deepEqual(await bases(), []);
  assert.match(
    await readFile(lab.paths.daemonLogFile, 'utf8'),
    /a base image could not be made.*HOST_NO_SPACE/,
  );
  await freeSpace(basesDir);

  // No VM can be made.
  fill(stateDir);
  assertSaysFull(await lab.run(start));
  await freeSpace(stateDir);
  await lab.nothingLeft();

  // The guest of a VM on a base image is paused while it writes.
  const made = await lab.run(['vm', 'run', '-d', '--name', 'box', ...SMALL, 'repo']);
  assert.equal(made.code, 0, made.stderr);
  assert.equal((await bases()).length, 1);
  fill(stateDir);
  const write = `head -c ${WRITTEN} /dev/urandom | tee /root/repo/random | md5sum >/tmp/sum; sync; echo done >/tmp/done`;
  const inGuest = (script: string): Promise<Ran> => lab.run(['vm', 'exec', 'box', '--', 'sh', '-c', script]);
  await inGuest(`(${write}) >/dev/null 2>&1 </dev/null &`);
  let paused: Ran | undefined;
  const isPaused = async (): Promise<boolean> => {
    fill(stateDir);
    paused = await inGuest('true');
    return paused.code !== 0;
  };
  await until(isPaused, { what: 'the guest to be paused', ...PATIENT });
  assert.ok(paused);
  assertSaysFull(paused);
  assert.match(paused.stderr, /guest of vm "box": it is paused, because this host has no disk space/);
  await freeSpace(stateDir);
  assert.equal((await lab.run(['vm', 'delete', 'box'])).code, 0);
  await lab.nothingLeft();
});
