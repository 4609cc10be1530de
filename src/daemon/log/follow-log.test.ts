import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../base/abort.ts';
import { followLog } from './follow-log.ts';

let dir: string;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'follow-'));
});

after(() => rm(dir, { recursive: true }));

const once = { isFollowed: false, signal: neverAborts() };

test('a missing log is empty, and an existing one is read completely', async () => {
  assert.equal(await text(followLog(join(dir, 'none'), once)), '');
  const content = Buffer.alloc(200_000, 'abc\n');
  await writeFile(join(dir, 'long'), content);
  assert.ok((await buffer(followLog(join(dir, 'long'), once))).equals(content));
});

test('a log is followed from before its creation, across a cut, until the signal aborts', async () => {
  const path = join(dir, 'followed');
  const controller = new AbortController();
  const steps = new Map([
    ['first\n', () => appendFile(path, 'second\n')],
    ['first\nsecond\n', () => writeFile(path, 'cut\n')],
    ['first\nsecond\ncut\n', async () => controller.abort(new Error('enough'))],
  ]);
  let seen = '';
  const following = (async () => {
    for await (const chunk of followLog(path, { isFollowed: true, signal: controller.signal })) {
      seen += String(chunk);
      await steps.get(seen)?.();
    }
  })();
  await writeFile(path, 'first\n');
  await assert.rejects(following, { message: 'enough' });
  assert.equal(seen, 'first\nsecond\ncut\n');
});
