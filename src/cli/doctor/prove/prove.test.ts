import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type CliLab, FakeSignals, openCliLab } from '../../../../test/support/cli/cli-harness.ts';
import { fakeVm, sendEvents, sendJson } from '../../../../test/support/fakes/fake-daemon.ts';
import { until } from '../../../../test/support/until.ts';
import { resolvePaths } from '../../../config/settings.ts';
import type { DoctorCheck } from '../../../protocol/api/daemon.ts';

describe('doctor --prove', () => {
  let lab: CliLab;
  beforeEach(async () => {
    lab = await openCliLab();
    lab.daemon.answers.set('GET /v1/doctor', (_request, response) => sendJson(response, 200, { checks: [] }));
    lab.daemon.answers.set('GET /v1/templates', (_request, response) =>
      sendJson(response, 200, { templates: [] }),
    );
  });
  afterEach(() => lab[Symbol.asyncDispose]());

  const checksOf = (stdout: string): Map<string, DoctorCheck> => {
    const { checks } = JSON.parse(stdout) as { checks: DoctorCheck[] };
    return new Map(checks.map((check) => [check.name, check]));
  };

  test('finds what indistinguishable guests have in common, and deletes them all', async () => {
    // All commands of the fake guests run on this host: one machine, with one machine id, one clock and one
    // set of files.
    const { status, stdout } = await lab.run(['doctor', '--prove', '--json']);
    const checks = checksOf(stdout);
    assert.equal(status, 1);
    assert.equal(checks.get('clones')?.status, 'pass');
    assert.equal(checks.get('random: /dev/urandom')?.status, 'pass', stdout);
    assert.notEqual(checks.get("random: Python's secrets")?.status, 'fail', stdout);
    assert.equal(checks.get('machine ids')?.status, 'fail');
    assert.equal(checks.get('files')?.status, 'fail');
    assert.match(checks.get('files')?.message ?? '', /^a file written in "[^"]+" is in "[^"]+"$/);
    assert.notEqual(checks.get('clocks')?.status, 'fail');
    assert.equal(checks.get('template files')?.status, 'warn');
    assert.equal(lab.daemon.vms.size, 0);
  });

  test('checks the template of the VMs before and after', async () => {
    const { shape, image } = fakeVm({ name: 'any' });
    const [used, other] = ['a'.repeat(64), 'b'.repeat(64)];
    const facts = { kernel: 'k', vmm: 'v', diskBytes: 1, createdAt: 'c', lastUsedAt: 'l' };
    lab.daemon.answers.set('GET /v1/templates', (_request, response) =>
      sendJson(response, 200, {
        templates: [
          { key: other, image, shape: { ...shape, memoryMib: 1 }, ...facts },
          { key: used, image, shape, ...facts },
        ],
      }),
    );
    const dir = join(resolvePaths(lab.env).templatesDir, used);
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, 'memory'), 'memory');
    const { stdout } = await lab.run(['doctor', '--prove', '--json']);
    assert.deepEqual(checksOf(stdout).get('template files'), {
      name: 'template files',
      status: 'pass',
      message: '1 file, none of them changed',
    });
  });

  test('says why the clones cannot be created, and leaves none', async () => {
    lab.daemon.answers.set('POST /v1/vms', (_request, response) => {
      const error = { code: 'HOST_NO_SPACE', message: 'Cannot make a VM: full', hint: 'free some' };
      sendEvents(response, [{ event: 'error', error }]);
    });
    const { status, stdout } = await lab.run(['doctor', '--prove', '--json']);
    assert.equal(status, 1);
    assert.deepEqual(checksOf(stdout).get('clones'), {
      name: 'clones',
      status: 'fail',
      message: 'Cannot make a VM: full',
      fix: 'free some',
    });
    assert.equal(lab.daemon.vms.size, 0);
  });

  test('is cancelled by Ctrl-C, and leaves no clone', async () => {
    const signals = new FakeSignals();
    lab.daemon.createMs = 60_000;
    const running = lab.run(['doctor', '--prove'], { signals });
    await until(() => lab.daemon.requests.some(({ method }) => method === 'POST'));
    signals.send('SIGINT');
    assert.equal((await running).status, 130);
    await until(() => lab.daemon.cancelledCount >= 1);
    assert.equal(lab.daemon.vms.size, 0);
  });
});
