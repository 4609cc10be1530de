import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAppError } from '../../../base/errors.ts';
import type { Vm } from '../../../protocol/vm.ts';
import { ownProgram } from './own-program.ts';

const program = (imageConfig: Vm['imageConfig'], args?: readonly string[]): string[] =>
  ownProgram({ id: '1', name: 'web', image: 'x', ...(imageConfig ? { imageConfig } : {}) }, args);

test("an image's own program is its entrypoint and its words, or those of the caller", () => {
  assert.deepEqual(program({ entrypoint: ['/serve', '-v'], cmd: ['all'] }), ['/serve', '-v', 'all']);
  assert.deepEqual(program({ entrypoint: ['/serve'], cmd: ['all'] }, ['one']), ['/serve', 'one']);
  assert.deepEqual(program({ entrypoint: ['/serve'] }), ['/serve']);
  assert.deepEqual(program({ cmd: ['sh', '-l'] }), ['sh', '-l']);
  assert.deepEqual(program({ cmd: ['sh'] }, ['cat', 'file']), ['cat', 'file']);
});

test('an image that names no program is refused', () => {
  for (const config of [undefined, {}, { entrypoint: [], cmd: [] }, { user: 'app' }]) {
    assert.throws(
      () => program(config),
      (error) => isAppError(error, 'IMAGE_NO_PROGRAM'),
    );
  }
});
