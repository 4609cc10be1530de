import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { fakeBuildTools } from '../../../../test/support/fakes/fake-build-tools.ts';
import { isAppError } from '../../../base/errors.ts';
import { fetchNpmProgram, parsePacked } from './npm-program.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'npm-program-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const program = { package: 'tool@1.0.0', pathInTarball: 'package/bin/tool', installPath: '/usr/bin/tool' };

test('the program of a package with the right hash is unpacked under its own name', async () => {
  const { env, integrity } = await fakeBuildTools(dir);
  const options = { dir: join(dir, 'out'), env, signal: AbortSignal.timeout(20_000) };
  const path = await fetchNpmProgram({ ...program, integrity }, options);
  assert.equal(await readFile(path, 'utf8'), 'program\n');
});

test('a tarball with another hash than that of the recipe is refused, even if the registry declares it valid', async () => {
  const { env } = await fakeBuildTools(dir);
  const options = { dir: join(dir, 'out'), env, signal: AbortSignal.timeout(20_000) };
  const pinned = { ...program, integrity: `sha512-${'A'.repeat(86)}==` };
  await assert.rejects(fetchNpmProgram(pinned, options), (error) =>
    isAppError(error, 'IMAGE_CHECKSUM_MISMATCH'),
  );
});

test('npm names the file of a scoped package with or without its folder', () => {
  const answer = (filename: string) => JSON.stringify([{ filename, integrity: 'sha512-x' }]);
  const wanted = { filename: 'a-b-1.tgz', integrity: 'sha512-x' };
  assert.deepEqual(parsePacked(answer('a-b-1.tgz'), 'x'), wanted);
  assert.deepEqual(parsePacked(answer('@a/b-1.tgz'), 'x'), wanted);
  for (const text of ['', '{}', '[]', '[{}]', '[{"filename":1,"integrity":2}]', 'null']) {
    assert.throws(
      () => parsePacked(text, 'x'),
      (error) => isAppError(error, 'IMAGE_BUILD_FAILED'),
    );
  }
});
