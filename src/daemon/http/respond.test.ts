import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppError } from '../../base/errors.ts';
import { statusOf } from './respond.ts';

for (const [code, status] of [
  ['VM_NOT_FOUND', 404],
  ['GUEST_PATH_NOT_FOUND', 404],
  ['IMAGE_UNKNOWN', 404],
  ['VM_NAME_TAKEN', 409],
  ['VM_NOT_RUNNING', 409],
  ['VM_SHAPE_INVALID', 400],
  ['VMM_NOT_FOUND', 503],
  ['AGENT_NOT_FOUND', 503],
  ['EXEC_NOT_FOUND', 503],
  ['DAEMON_STOPPING', 503],
  ['GUEST_LOST', 500],
] as const) {
  test(`${code} answers with status ${status}`, () => {
    assert.equal(statusOf(new AppError(code, 'x')), status);
  });
}

test('a bug answers with status 500', () => {
  assert.equal(statusOf(new TypeError('x')), 500);
});
