import assert from 'node:assert/strict';
import { posix } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../../../base/errors.ts';
import { type CopyTarget, copyTarget, nameOf, type PathKind } from './target.ts';

const KNOWN: Readonly<Record<string, PathKind>> = {
  '/': 'directory',
  '/d': 'directory',
  '/f': 'file',
  '/dev': 'other',
};
const kindOf = async (path: string): Promise<PathKind> =>
  KNOWN[posix.normalize(path).replace(/(?<=.)\/$/, '')] ?? 'missing';

for (const [source, target, expected] of [
  ['file /s/a', '/d', { kind: 'file', dir: '/d', name: 'a' }],
  ['file /s/a', '/d/', { kind: 'file', dir: '/d/', name: 'a' }],
  ['file /s/a', '/d/new', { kind: 'file', dir: '/d', name: 'new' }],
  ['file /s/a', '/f', { kind: 'file', dir: '/', name: 'f' }],
  ['file /s/a', '/d/new/', 'it does not exist'],
  ['file /s/a', '/f/', 'it is not a directory'],
  ['file /s/a', '/no/new', '"/no" is not a directory'],
  ['file /s/a', '/dev', 'it is neither a file nor a directory'],
  ['directory /s/a', '/d', { kind: 'directory', dir: '/d/a' }],
  ['directory /s/a/', '/d', { kind: 'directory', dir: '/d/a' }],
  ['directory /s/a/.', '/d', { kind: 'directory', dir: '/d' }],
  ['directory /', '/d', { kind: 'directory', dir: '/d' }],
  ['directory /s/a', '/d/new', { kind: 'directory', dir: '/d/new' }],
  ['directory /s/a', '/d/new/', { kind: 'directory', dir: '/d/new' }],
  ['directory /s/a/.', '/d/new', { kind: 'directory', dir: '/d/new' }],
  ['directory /s/a', '/f', 'it is a file'],
  ['directory /s/a', '/f/x', '"/f" is not a directory'],
] as const) {
  test(`a copy of ${source} to ${target} is ${typeof expected === 'string' ? 'refused' : 'accepted'}`, async () => {
    const [kind, path] = source.split(' ') as ['file' | 'directory', string];
    const found = copyTarget({ kind, path }, target, kindOf);
    if (typeof expected !== 'string') assert.deepEqual(await found, expected);
    else await assert.rejects(found, { code: 'COPY_TARGET_INVALID', message: new RegExp(`: ${expected}$`) });
  });
}

test('a copy only writes to the target or below it', async () => {
  const part = fc
    .oneof(fc.string(), fc.constantFrom('.', '..', 'a', 'd', ''))
    .map((text) => text.replaceAll('\0', ''));
  const path = fc.array(part, { maxLength: 5 }).map((parts) => `/${parts.join('/')}`);
  const kinds = fc.constantFrom<PathKind>('file', 'directory', 'missing', 'other');
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('file', 'directory'),
      path,
      path,
      kinds,
      kinds,
      async (kind, from, to, at, above) => {
        let asked = 0;
        let target: CopyTarget;
        try {
          target = await copyTarget({ kind: kind as 'file', path: from }, to, async () =>
            asked++ === 0 ? at : above,
          );
        } catch (error) {
          assert.ok(isAppError(error, 'COPY_TARGET_INVALID'));
          return;
        }
        const end = posix.resolve(target.kind === 'file' ? posix.join(target.dir, target.name) : target.dir);
        const allowed = [posix.resolve(to), posix.join(posix.resolve(to), nameOf(from))];
        assert.ok(allowed.includes(end), `${from} to ${to}: ${end}`);
      },
    ),
    { numRuns: 1000 },
  );
});
