import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { DoctorCheck } from '../../src/protocol/api/daemon.ts';
import { type Lab, openLab } from './support/lab.ts';

/** The shape of the other tests' VMs, whose template may already exist. */
const SMALL_BY_DEFAULT = '[vm_defaults]\nmemory_mib = 512\ndisk_size = "1G"\nsystem_overlay_size = "1G"\n';

suite('doctor --prove', { timeout: 6 * 60_000 }, () => {
  let lab: Lab;
  before(async () => {
    lab = await openLab();
    await mkdir(dirname(lab.paths.configFile), { recursive: true });
    await writeFile(lab.paths.configFile, SMALL_BY_DEFAULT);
  });
  after(() => lab[Symbol.asyncDispose]());

  test('shows that three clones of one template share nothing, deletes them, and leaves the template unchanged', async () => {
    const { code, stdout, stderr } = await lab.run(['doctor', '--prove', '--json']);
    const { checks } = JSON.parse(stdout.toString()) as { checks: DoctorCheck[] };
    const told = stdout.toString() + stderr;
    assert.equal(code, 0, told);
    const statuses = new Map(checks.map(({ name, status }) => [name, status]));
    for (const name of [
      ...['clones', 'random: /dev/urandom', 'random: uuidgen', "random: Python's secrets"],
      ...['machine ids', 'ssh host keys', 'files', 'template files'],
    ]) {
      assert.equal(statuses.get(name), 'pass', `${name}: ${told}`);
    }
    // On a busy host the result may be unknown.
    assert.notEqual(statuses.get('clocks') ?? 'fail', 'fail', told);
    await lab.nothingLeft();
  });
});
