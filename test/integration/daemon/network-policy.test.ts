import assert from 'node:assert/strict';
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import type { SetVmRequest } from '../../../src/protocol/api/vm-requests.ts';
import type { Vm } from '../../../src/protocol/vm.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';
import { until } from '../../support/until.ts';

const signal = neverAborts();
let lab: DaemonLab;

before(async () => {
  lab = await openDaemonLab();
  await lab.start();
});

after(async () => {
  await lab[Symbol.asyncDispose]();
});

/** A network with these rules. */
function allowing(
  ...allow: string[]
): NonNullable<SetVmRequest['network']> & { policy: { allow: string[] } } {
  return { mode: 'user', policy: { allow } };
}

type Change = NonNullable<NonNullable<SetVmRequest['network']>['policy']>;

const setPolicy = (ref: string, policy: Change): Promise<Vm> =>
  resultOf(lab.client.setVm(ref, { network: { mode: 'user', policy } }, { signal }));

const NPM = { rule: 'npm.test:443', from: '@npm' };
const API = { rule: 'api.example.com:443' };

test('a new VM keeps its rules, and what its presets stood for', async () => {
  const network = allowing('@npm', 'API.example.com.:443');
  const vm = await resultOf(lab.client.createVm({ name: 'made', network }, { signal }));
  const policy = { allow: ['@npm', 'api.example.com:443'], rules: [NPM, API] };
  assert.deepEqual(vm.network, { mode: 'user', policy });
  assert.equal(vm.nat, true);
  const shown = await lab.client.vmNetwork('made', { signal });
  assert.deepEqual(shown.policy, policy);
});

test('a VM reaches only what its repository asks for, too, until its rules are changed here', async () => {
  const { client } = lab;
  const network = { ...allowing('@npm', '*.example.com'), narrowTo: ['api.example.com:443', 'evil.test'] };
  const vm = await resultOf(client.createVm({ name: 'narrowed', network }, { signal }));
  assert.deepEqual(vm.network?.policy, { allow: ['api.example.com:443'], rules: [API] });
  const changed = await setPolicy('narrowed', { add: ['@npm'] });
  assert.deepEqual(changed.network?.policy?.rules, [API, NPM]);
});

test('ports of the host are exposed and hidden at once, and shown', async () => {
  const { client, guests } = lab;
  await resultOf(client.createVm({ name: 'host', nat: true, exposeHost: [45_691] }, { signal }));
  const set = async (
    exposeHost: NonNullable<SetVmRequest['exposeHost']>,
  ): Promise<(number[] | undefined)[]> => {
    await resultOf(client.setVm('host', { exposeHost }, { signal }));
    const { exposedPorts } = await client.vmNetwork('host', { signal });
    return [exposedPorts, guests.network?.mode === 'user' ? [...guests.network.exposedPorts] : undefined];
  };
  const [one, both] = [[45_691], [45_691, 45_692]];
  assert.deepEqual(await set({ add: [45_692, 45_692] }), [both, both]);
  assert.deepEqual(await set({ add: [45_691], remove: [45_692] }), [one, one]);
  assert.deepEqual(await set({ remove: [45_693] }), [one, one]);
  await resultOf(client.setVm('host', { nat: false }, { signal }));
  assert.deepEqual((await client.vmNetwork('host', { signal })).exposedPorts, one);
  const forwards = [{ hostPort: 45_691, guestPort: 45_691, isReverse: true }];
  assert.deepEqual((await client.showVm('host', { signal })).forwards, forwards);
  assert.deepEqual(await set({ remove: [45_691] }), [[], undefined]);
  const many = Array.from({ length: 257 }, (_, at) => 20_000 + at);
  await assert.rejects(set({ add: many }), { code: 'PORT_UNAVAILABLE' });
});

test('rules are added and taken away at once, and stay while the guest is cut off', async () => {
  const { client, guests } = lab;
  await resultOf(client.createVm({ name: 'changed', nat: true }, { signal }));
  await setPolicy('changed', { add: ['api.example.com:443'] });
  assert.deepEqual(guests.network, {
    mode: 'user',
    exposedPorts: [],
    policy: { mode: 'enforce', rules: [API] },
  });
  await setPolicy('changed', { add: ['@npm'], remove: ['api.example.com.:443'] });
  await resultOf(client.setVm('changed', { nat: false }, { signal }));
  assert.deepEqual(guests.network, { mode: 'none' });
  const again = await resultOf(client.setVm('changed', { nat: true }, { signal }));
  assert.deepEqual(again.network?.policy, { allow: ['@npm'], rules: [NPM] });
  assert.deepEqual(guests.network?.mode === 'user' && guests.network.policy?.rules, [NPM]);
  const none = await setPolicy('changed', { remove: ['@npm'] });
  assert.deepEqual(none.network?.policy, { allow: [], rules: [] });
  const open = await setPolicy('changed', { lift: true });
  assert.deepEqual(open.network, { mode: 'user' });
});

test('a rule that cannot be read changes nothing, and makes no VM', async () => {
  const { client } = lab;
  await resultOf(client.createVm({ name: 'kept', network: allowing('@npm') }, { signal }));
  const before = (await client.listVms({ isAll: true, signal })).length;
  for (const rule of ['*', 'https://example.com', '@nmp', '127.0.0.1', '']) {
    const error = { code: 'NETWORK_RULE_INVALID' };
    await assert.rejects(setPolicy('kept', { add: [rule] }), error);
    const network = allowing(rule);
    await assert.rejects(resultOf(client.createVm({ name: 'never', network }, { signal })), error);
  }
  await assert.rejects(setPolicy('kept', { remove: ['example.com'] }), { code: 'NETWORK_RULE_UNKNOWN' });
  assert.equal((await client.listVms({ isAll: true, signal })).length, before);
  assert.deepEqual((await client.showVm('kept', { signal })).network?.policy?.allow, ['@npm']);
});

test('a fork and a restored snapshot have the rules of their source', async () => {
  const { client } = lab;
  const network = allowing('@npm');
  await resultOf(client.createVm({ name: 'source', network }, { signal }));
  const { vms } = await resultOf(client.forkVm('source', { count: 1 }, { signal }));
  assert.deepEqual(vms[0]?.network?.policy?.rules, [NPM]);
  await resultOf(client.createSnapshot('source', { tag: 'one' }, { signal }));
  await setPolicy('source', { add: ['api.example.com:443'] });
  const restored = await resultOf(client.restoreSnapshot('source', 'one', { signal }));
  assert.deepEqual(restored.network?.policy?.rules, [NPM]);
});

test('learning ends with the rules of before, also when it is cancelled', async () => {
  const { client, guests } = lab;
  const network = allowing('@npm');
  await resultOf(client.createVm({ name: 'learns', network }, { signal }));
  const learned = await resultOf(client.learnNetwork('learns', { forMs: 20, signal }));
  assert.deepEqual(learned, { rules: [{ rule: 'learned.test:443', warnings: [], uses: 1 }], missed: 0 });
  const mode = (): string | undefined =>
    guests.network?.mode === 'user' ? guests.network.policy?.mode : undefined;
  assert.equal(mode(), 'enforce');
  const cancel = new AbortController();
  const cancelled = resultOf(client.learnNetwork('learns', { forMs: 60_000, signal: cancel.signal }));
  await until(() => mode() === 'learn');
  cancel.abort(new Error('enough'));
  await assert.rejects(cancelled, /enough/);
  await until(() => mode() === 'enforce');
  await resultOf(client.setVm('learns', { nat: false }, { signal }));
  await assert.rejects(resultOf(client.learnNetwork('learns', { forMs: 20, signal })), {
    code: 'NETWORK_OFF',
  });
});

test('a check asks about one port of one host of a running guest', async () => {
  const { client } = lab;
  await resultOf(client.createVm({ name: 'checked', nat: true }, { signal }));
  assert.equal((await client.checkNetwork('checked', 'example.com:443', { signal })).allowed, true);
  for (const target of ['example.com', '*.example.com:443', '10.0.0.0/8:80', '@npm']) {
    await assert.rejects(client.checkNetwork('checked', target, { signal }), {
      code: 'NETWORK_RULE_INVALID',
    });
  }
  await resultOf(client.stopVm('checked', { signal }));
  await assert.rejects(client.checkNetwork('checked', 'example.com:443', { signal }), {
    code: 'NETWORK_OFF',
  });
});

test('the log begins with the older file', async () => {
  const { client } = lab;
  const { id } = await resultOf(client.createVm({ name: 'logged', noStart: true }, { signal }));
  const path = join(lab.settings.paths.vmsDir, id, 'decisions', 'decisions.jsonl');
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.1`, 'older\n');
  await appendFile(path, 'newer\n');
  const text = Buffer.concat(await Array.fromAsync(client.networkLog('logged', { signal }))).toString();
  assert.equal(text, 'older\nnewer\n');
});
