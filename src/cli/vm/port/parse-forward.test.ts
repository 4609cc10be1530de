import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseForward } from './parse-forward.ts';

test('a forward is two ports, or one for both', () => {
  assert.deepEqual(parseForward('8080:80'), { hostPort: 8080, guestPort: 80 });
  assert.deepEqual(parseForward('5432'), { hostPort: 5432, guestPort: 5432 });
});

test('what is no port is refused', () => {
  for (const text of ['', ':', '0', '1:0', '65536', '1:65536', '80:', ':80', '1:2:3', 'http', '-1', '1e3']) {
    assert.throws(() => parseForward(text), { code: 'USAGE_ARGUMENTS' }, text);
  }
});
