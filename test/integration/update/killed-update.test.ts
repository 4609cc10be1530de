import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { plainFile } from '../../../scripts/release/entries.ts';
import { archiveOf, fakeRelease } from '../../support/update/fake-release.ts';
import { ARCHIVE, NEW, OLD, UpdateLab } from '../../support/update/update-lab.ts';

const RUN_UPDATE = join(import.meta.dirname, '../../support/update/run-update.ts');

describe('an update that does not come to its end', () => {
  let lab: UpdateLab;
  beforeEach(async () => {
    lab = await UpdateLab.open();
  });
  afterEach(() => lab[Symbol.asyncDispose]());

  /** Starts an update in a process of its own; settles when it has ended. */
  async function updateProcess(begun: (pid: number) => void = () => {}): Promise<string> {
    return await runToEnd([process.execPath, RUN_UPDATE, lab.install.home, lab.install.programPath], begun);
  }

  /** The signal that ended a program, otherwise what it wrote to stderr. */
  async function runToEnd(argv: readonly string[], begun: (pid: number) => void = () => {}): Promise<string> {
    const [program = '', ...args] = argv;
    const child = spawn(program, args, { stdio: 'pipe' });
    let text = '';
    child.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    begun(child.pid ?? 0);
    const { promise, resolve } = Promise.withResolvers<string>();
    child.once('close', (_, signal) => resolve(signal ?? text));
    return await promise;
  }

  for (const [step, behaviour] of [
    ['it runs the new program', { command: '[ "$1" = --version ] && kill -9 $PPID' }],
    ['it checks the records', { daemon: '[ "$2" = --check-migrations ] && kill -9 $PPID' }],
    ['it checks saved guests', { daemon: '[ "$2" = --check-saved-guests ] && kill -9 $PPID' }],
    ['the new daemon starts', { command: '[ "$1" = doctor ] && { start; kill -9 $PPID; }' }],
    ['the new daemon lists VMs', { command: '[ "$1" = vm ] && kill -9 $PPID' }],
  ] as const) {
    test(`killed when ${step}, leaves the old command; the next update succeeds`, async () => {
      await lab.publish(NEW, behaviour);
      lab.set('daemon', OLD);
      assert.equal(await updateProcess(), 'SIGKILL');
      assert.equal(lab.current(), join(lab.install.releasesDir, OLD, 'bin/banger'));
      await lab.publish();
      await lab.update();
      lab.assertNew();
      assert.deepEqual(
        readdirSync(join(lab.install.home, '.local/bin')).concat(lab.releases()).sort(),
        ['banger', OLD, NEW],
        'nothing half-made is left',
      );
    });
  }

  for (const path of ['/manifest.json', ARCHIVE]) {
    test(`killed when it downloads ${path}, leaves the old command; the next update succeeds`, async () => {
      await lab.publish();
      let pid = 0;
      lab.site.answers.set(path, (_, response) => {
        response.writeHead(200);
        response.write((lab.site.files.get(path) ?? Buffer.alloc(0)).subarray(0, 10), () =>
          process.kill(pid, 'SIGKILL'),
        );
      });
      assert.equal(
        await updateProcess((begun) => {
          pid = begun;
        }),
        'SIGKILL',
      );
      assert.equal(lab.current(), join(lab.install.releasesDir, OLD, 'bin/banger'));
      lab.site.answers.clear();
      await lab.update();
      lab.assertNew();
    });
  }

  for (const [what, isCounted] of [
    ['too small for the archive', true],
    ['full in the middle of the archive', false],
  ] as const) {
    test(`changes nothing on a disk that is ${what}; the next update succeeds`, {
      skip: process.getuid?.() === 0 ? false : 'needs root to mount a small file system',
    }, async () => {
      const entries = fakeRelease(NEW, { stateDir: lab.install.stateDir });
      const large = plainFile('dist/large', randomBytes(3 * 2 ** 20));
      lab.site.publish(NEW, await archiveOf(NEW, [...entries, large]));
      if (!isCounted)
        lab.site.answers.set(ARCHIVE, (_, response) => response.end(lab.site.files.get(ARCHIVE)));
      const script = `
        mv '${lab.install.releasesDir}/${OLD}' '${lab.install.home}/${OLD}'
        mount -t tmpfs -o size=2m tmpfs '${lab.install.releasesDir}'
        mv '${lab.install.home}/${OLD}' '${lab.install.releasesDir}/${OLD}'
        "$@"
        echo "status $?" >&2
        ls -A '${lab.install.releasesDir}' >&2
        mv '${lab.install.releasesDir}/${OLD}' '${lab.install.home}/${OLD}'
        umount '${lab.install.releasesDir}'
        mv '${lab.install.home}/${OLD}' '${lab.install.releasesDir}/${OLD}'`;
      const argv = ['unshare', '--mount', 'sh', '-c', script, 'sh', process.execPath, RUN_UPDATE];
      const text = await runToEnd([...argv, lab.install.home, lab.install.programPath]);
      assert.match(text, /Cannot make the .*release.*( are free|no space left)/);
      assert.match(text, /status 1\n\.update\.lock\nv0\.1\.0\n/);
      lab.assertOld();
      lab.site.answers.clear();
      await lab.update();
      lab.assertNew();
    });
  }
});
