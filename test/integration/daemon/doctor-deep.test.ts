import assert from 'node:assert/strict';
import { open, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import type { DoctorCheck } from '../../../src/protocol/api/daemon.ts';
import { resultOf, type WorkNews } from '../../../src/sdk/work.ts';
import { runCli } from '../../support/cli/cli-harness.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';

const signal = neverAborts();

let lab: DaemonLab;

before(async () => {
  lab = await openDaemonLab();
  await lab.start({ canSave: true });
});

after(async () => {
  await lab[Symbol.asyncDispose]();
});

test('without saved guests there are no findings', async () => {
  const { checks } = await checkSaved();
  assert.deepEqual(
    checks.map(({ name, status, message }) => [name, status, message]),
    [
      ['templates', 'pass', 'there are none'],
      ['snapshots', 'pass', 'there are none'],
    ],
  );
});

test('unchanged saved guests pass, and each is listed', async () => {
  await resultOf(lab.client.createVm({ name: 'web' }, { signal }));
  await resultOf(lab.client.createVm({ name: 'db', memoryMib: 256 }, { signal }));
  await resultOf(lab.client.createSnapshot('web', { tag: 'one' }, { signal }));
  const { checks, news } = await checkSaved();
  assert.deepEqual(
    checks.map(({ status, message }) => [status, message]),
    [
      ['pass', '2 read, all as saved'],
      ['pass', '1 read, all as saved'],
    ],
  );
  assert.deepEqual(
    news.flatMap((one) => (one.event === 'progress' ? [`${one.stage} ${one.detail?.split(':')[0]}`] : [])),
    ['templates 1 of 2', 'templates 2 of 2', 'snapshots web one'],
  );
});

test('a flipped byte in the memory is found, its template is discarded with a warning, and the next VM creates a new one', async () => {
  const [newest, other] = await lab.client.listTemplates({ signal });
  assert.ok(newest && other);
  await flipByte(join(lab.settings.paths.templatesDir, newest.key, 'memory'));
  const { checks, news } = await checkSaved();
  assert.equal(checks[0]?.status, 'fail');
  assert.equal(checks[0].message, '1 of 2 damaged');
  assert.deepEqual(checks[0].details, [`${newest.key.slice(0, 12)}: the memory is not what was saved`]);
  assert.match(news.flatMap((one) => (one.event === 'notice' ? [one.message] : [])).join(), /set aside/);
  assert.deepEqual(
    (await lab.client.listTemplates({ signal })).map(({ key }) => key),
    [other.key],
  );
  assert.equal((await checkSaved()).checks[0]?.status, 'pass');
  await resultOf(lab.client.createVm({ name: 'again', memoryMib: newest.shape.memoryMib }, { signal }));
  assert.equal((await lab.client.listTemplates({ signal })).length, 2);
});

test('the command line fails with status 1, warns on stderr, and prints the same as JSON', async () => {
  const [newest] = await lab.client.listTemplates({ signal });
  assert.ok(newest);
  const run = (...words: string[]) => runCli(['doctor', '--deep', ...words], { env: lab.env });
  await truncate(join(lab.settings.paths.templatesDir, newest.key, 'memory'), 4096);
  const { status, stdout, stderr } = await run('--json');
  assert.equal(status, 1);
  assert.match(
    stderr,
    /warm template "[0-9a-f]{12}" is damaged and set aside: files are missing or have another size/,
  );
  const { checks } = JSON.parse(stdout) as { checks: DoctorCheck[] };
  assert.deepEqual(
    checks
      .filter(({ name }) => /^(templates|snapshots)$/.test(name))
      .map(({ name, status: found }) => [name, found]),
    [
      ['templates', 'fail'],
      ['snapshots', 'pass'],
    ],
  );
  assert.match((await run()).stdout, /templates +1 read, all as saved/);
});

test('a flipped byte in the state of a snapshot is found; the snapshot is kept', async () => {
  const { id } = await lab.client.showVm('web', { signal });
  await flipByte(join(lab.settings.paths.vmsDir, id, 'snapshots', 'one', 'state'));
  const { checks } = await checkSaved();
  assert.deepEqual([checks[0]?.status, checks[1]?.status], ['pass', 'fail']);
  assert.match(checks[1]?.details?.join() ?? '', /^web one: .*device state is not what was saved/);
  assert.match(checks[1]?.fix ?? '', /banger vm snapshot delete web one/);
  assert.equal((await lab.client.listSnapshots('web', { signal })).length, 1);
});

async function checkSaved(): Promise<{ checks: DoctorCheck[]; news: WorkNews[] }> {
  const news: WorkNews[] = [];
  const { checks } = await resultOf(lab.client.checkSaved({ signal }), (one) => news.push(one));
  return { checks, news };
}

async function flipByte(path: string): Promise<void> {
  await using file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, 0);
  await file.write(Buffer.from([byte[0] === 0 ? 1 : 0]), 0, 1, 0);
}
