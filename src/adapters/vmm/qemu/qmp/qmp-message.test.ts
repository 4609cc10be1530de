import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../../../../base/errors.ts';
import { parseQmpMessage } from './qmp-message.ts';

test('the lines that QEMU 7.2 sends are understood', () => {
  const greeting =
    '{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"}, "capabilities": ["oob"]}}\r';
  assert.deepEqual(parseQmpMessage(greeting), { kind: 'greeting' });
  assert.deepEqual(parseQmpMessage('{"return": {"status": "running"}, "id": 3}'), {
    kind: 'return',
    id: 3,
    value: { status: 'running' },
  });
  assert.deepEqual(
    parseQmpMessage(
      '{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "SHUTDOWN", "data": {"guest": true}}',
    ),
    { kind: 'event', event: 'SHUTDOWN', data: { guest: true } },
  );
  assert.deepEqual(
    parseQmpMessage('{"id": 4, "error": {"class": "CommandNotFound", "desc": "no\\u001b[31m such"}}'),
    {
      kind: 'error',
      id: 4,
      errorClass: 'CommandNotFound',
      text: 'no [31m such',
    },
  );
});

for (const line of [
  '',
  '{',
  'null',
  '[]',
  '"x"',
  '{}',
  '{"return": {}}',
  '{"id": "1", "return": {}}',
  '{"id": 1}',
]) {
  test(`the line ${JSON.stringify(line)} is refused`, () => {
    assert.throws(() => parseQmpMessage(line), { code: 'VMM_PROTOCOL' });
  });
}

test('any line is either a message or a protocol error', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), (line) => {
      try {
        return typeof parseQmpMessage(line).kind === 'string';
      } catch (error) {
        return isAppError(error, 'VMM_PROTOCOL');
      }
    }),
  );
});
