import assert from 'node:assert/strict';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { resultOf, type WorkNews } from '../../../src/sdk/work.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';
import { guestRootOf } from '../../support/fakes/fake-vm-driver.ts';

const signal = neverAborts();

let lab: DaemonLab;

before(async () => {
  lab = await openDaemonLab();
  await lab.start({ canSave: true });
});

after(async () => {
  await lab[Symbol.asyncDispose]();
});

test('the first VM of a shape creates a template, and the next ones start from it', async () => {
  assert.deepEqual(await create('one'), ['template', 'drives', 'start', 'restore', 'agent', 'personalise']);
  const [template, ...others] = await lab.client.listTemplates({ signal });
  assert.ok(template && others.length === 0);
  assert.deepEqual(
    [template.image, template.vmm, template.shape.memoryMib],
    ['debian-bookworm', 'fake', 128],
  );
  assert.deepEqual(await create('two'), ['drives', 'start', 'restore', 'agent', 'personalise']);
  assert.equal((await lab.client.showTemplate(template.key.slice(0, 6), { signal })).key, template.key);
  const named = lab.guests.personalised.flatMap(({ hostname }) => hostname ?? []);
  assert.deepEqual(named.slice(-2), ['one', 'two']);
});

test('another shape has another template', async () => {
  assert.deepEqual(await create('larger', { memoryMib: 256 }), [
    'template',
    'drives',
    'start',
    'restore',
    'agent',
    'personalise',
  ]);
  assert.equal((await lab.client.listTemplates({ signal })).length, 2);
});

test('concurrent creations of VMs with one shape create its template once', async () => {
  const starts = await Promise.all(['x1', 'x2', 'x3'].map((name) => create(name, { vcpuCount: 2 })));
  assert.equal(starts.filter((stages) => stages.includes('template')).length, 1);
  for (const stages of starts) assert.ok(stages.includes('restore'));
});

test('a VM boots cold on request, and if it was created without a start', async () => {
  assert.deepEqual(await create('cold', { cold: true }), ['drives', 'start', 'boot', 'personalise', 'init']);
  await create('later', { noStart: true });
  const news: WorkNews[] = [];
  await resultOf(lab.client.startVm('later', { signal }), (one) => news.push(one));
  assert.deepEqual(stagesOf(news), ['drives', 'start', 'restore', 'agent', 'personalise']);
  // It now has its own drives, which no template has.
  await resultOf(lab.client.stopVm('later', { signal }));
  const again: WorkNews[] = [];
  await resultOf(lab.client.startVm('later', { signal }), (one) => again.push(one));
  assert.deepEqual(stagesOf(again), ['start', 'boot', 'personalise', 'init']);
});

test('a restored guest that cannot be personalised is not used, the step is reported, and the template stays', async () => {
  const { client } = lab;
  const { id } = await resultOf(client.createVm({ name: 'not-own', noStart: true }, { signal }));
  const sabotaged = join(guestRootOf(join(lab.settings.paths.vmRuntimeDir, id)), 'kernel', 'entropy');
  await mkdir(sabotaged, { recursive: true });
  const before = await lab.leftovers();
  await assert.rejects(resultOf(client.startVm('not-own', { signal })), {
    code: 'GUEST_PERSONALISE_FAILED',
    details: { step: 'entropy' },
  });
  assert.deepEqual(await lab.leftovers(), before);
  await rm(sabotaged, { recursive: true });
  const news: WorkNews[] = [];
  await resultOf(client.startVm('not-own', { signal }), (one) => news.push(one));
  assert.deepEqual(stagesOf(news), ['drives', 'start', 'restore', 'agent', 'personalise']);
});

test('a template that cannot be restored is discarded with a notice, and the VM boots cold', async () => {
  const [newest] = await lab.client.listTemplates({ signal });
  assert.ok(newest);
  await lab.client.pruneTemplates({ all: true }, { signal });
  await create('makes-it');
  const [template] = await lab.client.listTemplates({ signal });
  assert.ok(template);
  const { memoryPath } = { memoryPath: join(lab.settings.paths.templatesDir, template.key, 'state') };
  await writeFile(memoryPath, 'spoiled');
  const news: WorkNews[] = [];
  await resultOf(lab.client.createVm({ name: 'unlucky' }, { signal }), (one) => news.push(one));
  const notices = news.filter((one) => one.event === 'notice').map(({ message }) => message);
  assert.match(notices.join(), /warm template/);
  // Created again, because it is a cache.
  assert.equal((await lab.client.listTemplates({ signal })).length, 1);
});

test('deleting templates affects no VM, and leaves nothing of their creation', async () => {
  assert.ok((await lab.client.pruneTemplates({ all: true }, { signal })).length > 0);
  assert.deepEqual(await lab.client.listTemplates({ signal }), []);
  assert.equal((await lab.client.showVm('one', { signal })).state, 'running');
  for (const { name } of await lab.client.listVms({ signal, isAll: true })) {
    await resultOf(lab.client.deleteVm(name, { signal }));
  }
  assert.deepEqual(await lab.leftovers(), { records: [], folders: [], processes: 0 });
  assert.deepEqual(await readdir(lab.settings.paths.templatesDir), ['.lock', '.staging']);
});

test('if the guest of a new template never becomes ready, there is no template, and the VM boots cold', async () => {
  await using other = await openDaemonLab();
  await other.start({ canSave: true, bootDeadlineMs: 3_000 });
  const comesUp = Promise.withResolvers<void>();
  other.guests.readyGate = comesUp.promise;
  const news: WorkNews[] = [];
  const create = other.client.createVm({ name: 'slow' }, { signal });
  const vm = await resultOf(create, (one) => {
    news.push(one);
    if (one.event === 'notice' && /could not be made/.test(one.message)) comesUp.resolve();
  });
  assert.equal(vm.state, 'running');
  assert.deepEqual(stagesOf(news), ['template', 'drives', 'start', 'boot', 'personalise', 'init']);
  assert.deepEqual(await other.client.listTemplates({ signal }), []);
  await resultOf(other.client.deleteVm('slow', { signal }));
  assert.deepEqual(await other.leftovers(), { records: [], folders: [], processes: 0 });
});

async function create(name: string, request: object = {}): Promise<string[]> {
  const news: WorkNews[] = [];
  await resultOf(lab.client.createVm({ name, ...request }, { signal }), (one) => news.push(one));
  return stagesOf(news);
}

/** Each stage once, in order. */
function stagesOf(news: readonly WorkNews[]): string[] {
  return [...new Set(news.filter((one) => one.event === 'progress').map(({ stage }) => stage))];
}
