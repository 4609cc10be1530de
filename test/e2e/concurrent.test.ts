import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openLab, SMALL } from './support/lab.ts';

test('four concurrent VMs each run their command, also as the first commands of a daemon', async () => {
  await using lab = await openLab();
  const runs = await Promise.all(
    [1, 2, 3, 4].map((number) => lab.run(['vm', 'run', '--rm', ...SMALL, '--', 'echo', `vm ${number}`])),
  );
  for (const [index, ran] of runs.entries()) {
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(ran.stdout.toString(), `vm ${index + 1}\n`);
  }
  await lab.nothingLeft();
});
