import assert from 'node:assert/strict';
import {
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../src/base/abort.ts';
import { exec, execStream } from '../../src/base/process/exec.ts';
import type { GuestAgent } from '../../src/core/ports/guest.ts';
import { type AgentLab, openAgentLab } from '../support/real-agent.ts';

const signal = neverAborts();

let lab: AgentLab;
let dir: string;
let link: GuestAgent;

before(async () => {
  lab = await openAgentLab();
  ({ dir, link } = lab);
});

after(() => lab[Symbol.asyncDispose]());

test('a tree with unusual names is copied in and out without changes', async () => {
  const [from, into] = [join(dir, 'from'), join(dir, 'new', 'into')];
  const strange = Buffer.from([0x61, 0xff, 0x0a, 0x20]);
  await mkdir(join(from, 'empty'), { recursive: true });
  await writeFile(Buffer.concat([Buffer.from(`${from}/`), strange]), 'bytes');
  await writeFile(join(from, 'n'.repeat(200)), 'x'.repeat(300_000), { mode: 0o751 });
  await symlink('/no\u00ffwhere', join(from, 'link'));
  await utimes(join(from, 'empty'), 1_600_000_000, 1_600_000_000.25);
  const { stdout, done } = execStream(['tar', '--format=posix', '-C', from, '-cf', '-', '.'], { signal });
  assert.deepEqual(await link.putTar(into, stdout, { signal }), { entries: 5, bytes: 300_005 });
  await done;
  assert.deepEqual(
    (await readdir(into, { encoding: 'buffer' })).sort(),
    (await readdir(from, { encoding: 'buffer' })).sort(),
  );
  assert.equal(await readFile(Buffer.concat([Buffer.from(`${into}/`), strange]), 'utf8'), 'bytes');
  assert.equal((await stat(join(into, 'n'.repeat(200)))).mode & 0o7777, 0o751);
  assert.equal(await readlink(join(into, 'link')), '/no\u00ffwhere');
  assert.equal((await lstat(join(into, 'empty'))).mtimeMs, 1_600_000_000_250);

  const back = join(dir, 'back');
  await mkdir(back);
  await exec(['tar', '-C', back, '-xf', '-'], { input: await link.getTar(into, { signal }), signal });
  await exec(['diff', '-r', '--no-dereference', from, back], { signal });
});

test('an archive with paths outside its folder is refused', async () => {
  await symlink('/', join(dir, 'escape'));
  const { stdout } = execStream(['tar', '-C', dir, '-cf', '-', 'escape'], { signal });
  const archive = await buffer(stdout);
  await assert.rejects(
    link.putTar(join(dir, 'new', 'x'), Readable.from([Buffer.from('no archive'.repeat(100))]), { signal }),
    {
      code: 'GUEST_FAILED',
      details: { guestCode: 'bad_request', status: 400 },
    },
  );
  // The symlink itself may be created, but nothing is written through it.
  assert.deepEqual(await link.putTar(join(dir, 'new', 'y'), Readable.from([archive]), { signal }), {
    entries: 1,
    bytes: 0,
  });
  const { stdout: second } = execStream(
    ['tar', '-C', '/', '--transform=s,^,escape/,', '-cf', '-', 'etc/hostname'],
    { signal },
  );
  await assert.rejects(link.putTar(join(dir, 'new', 'y'), second, { signal }), {
    code: 'GUEST_FAILED',
    details: { guestCode: 'bad_request', status: 400 },
  });
});

test('getTar() of a missing path is refused', async () => {
  await assert.rejects(link.getTar(join(dir, 'missing'), { signal }), {
    code: 'GUEST_FAILED',
    details: { guestCode: 'not_found', status: 404 },
  });
});
