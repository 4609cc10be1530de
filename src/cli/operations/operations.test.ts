import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type CliLab, openCliLab } from '../../../test/support/cli/cli-harness.ts';
import { sendEvents, sendJson } from '../../../test/support/fakes/fake-daemon.ts';

let lab: CliLab;

beforeEach(async () => {
  lab = await openCliLab();
});
afterEach(() => lab[Symbol.asyncDispose]());

describe('operations', () => {
  const operation = {
    id: 'op-0000cafe',
    kind: 'vm.create',
    target: 'web',
    state: 'running',
    stage: 'boot',
    detail: 'waiting for the guest',
    isDetached: false,
    isCancellable: true,
    startedAt: '2026-01-01T00:00:00.000Z',
  } as const;

  test('are listed as a table, as ids, as JSON', async () => {
    lab.daemon.operations.push(operation);
    assert.match(
      (await lab.run(['operations', 'list'])).stdout,
      /^ID +KIND +TARGET +STATE +STEP +STARTED\nop-0000cafe +vm\.create +web +running +boot: waiting for the guest +\d+ days ago\n$/,
    );
    assert.equal((await lab.run(['operations', 'list', '-q'])).stdout, 'op-0000cafe\n');
    assert.deepEqual(JSON.parse((await lab.run(['operations', 'list', '--json', '-a'])).stdout), [operation]);
    assert.ok(lab.daemon.requests.some(({ path }) => path === '/v1/operations?all=1'));
  });

  test('are followed to their end, and cancelled', async () => {
    lab.daemon.answers.set('GET /v1/operations/op-0000cafe/events', (_request, response) =>
      sendEvents(response, [
        { event: 'operation', id: 'op-0000cafe' },
        { event: 'progress', stage: 'boot', elapsedMs: 1 },
        { event: 'result', value: { some: 'thing' } },
      ]),
    );
    const followed = await lab.run(['operations', 'follow', '-v', 'op-0000cafe']);
    assert.deepEqual([followed.stdout, followed.stderr], ['op-0000cafe: done\n', '[op-0000cafe] boot\n']);
    const json = await lab.run(['operations', 'follow', '--json', 'op-0000cafe']);
    assert.deepEqual(JSON.parse(json.stdout), { some: 'thing' });
    lab.daemon.answers.set('POST /v1/operations/op-0000cafe/cancel', (_request, response) =>
      sendJson(response, 200, { ...operation, state: 'cancelled' }),
    );
    const cancelled = await lab.run(['operations', 'cancel', 'op-0000cafe']);
    assert.deepEqual([cancelled.status, cancelled.stdout], [0, 'op-0000cafe: cancelled\n']);
    assert.equal((await lab.run(['operations', 'cancel', '../vms'])).status, 1);
  });

  test('continue when vm create detaches from them, and are printed by their id', async () => {
    const { status, stdout, stderr } = await lab.run(['vm', 'create', '-d', '--name', 'web']);
    assert.deepEqual([status, stdout], [0, 'op-0000cafe\n']);
    assert.match(stderr, /^spec: .*\nto see its progress: banger operations follow op-0000cafe\n$/);
    assert.ok(lab.daemon.requests.some(({ path }) => path === '/v1/vms?detach=1'));
    const json = await lab.run(['vm', 'create', '-d', '--name', 'web', '--json', '-q']);
    assert.deepEqual(JSON.parse(json.stdout), { operation: 'op-0000cafe', name: 'web' });
  });
});
