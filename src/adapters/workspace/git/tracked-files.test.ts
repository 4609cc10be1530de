import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRawDiff } from './tracked-files.ts';

test('parseRawDiff() distinguishes deleted from changed paths, whatever their names contain', () => {
  const id = '0'.repeat(40);
  const diff = [
    `:100644 000000 ${id} ${id} D\0:gone D\n\0`,
    `:100644 100755 ${id} ${id} M\0run D\0`,
    `:000000 100644 ${id} ${id} U\0conflict\xff\0`,
    `:100644 120000 ${id} ${id} T\0now a link\0`,
  ].join('');
  assert.deepEqual(parseRawDiff(Buffer.from(diff, 'latin1')), {
    deleted: [':gone D\n'],
    changed: [
      { path: 'run D', mode: '100644', modeNow: '100755', object: id },
      { path: 'conflict\xff', mode: '000000', modeNow: '100644', object: id },
      { path: 'now a link', mode: '100644', modeNow: '120000', object: id },
    ],
  });
  assert.deepEqual(parseRawDiff(Buffer.alloc(0)), { deleted: [], changed: [] });
});
