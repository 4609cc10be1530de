import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../../../base/errors.ts';
import { listKernels, packageFields } from './kernel-archive.ts';
import { kernelName } from './kernel-name.ts';
import { debianBookworm } from './recipes/debian-bookworm.ts';

/** Says what Debian's archive says; everything that it was asked is in the file `asked`. */
const APT = `#!/bin/sh
echo "$(basename "$0") $*" >> "$(dirname "$APT_CONFIG")/asked"
case $* in
  *linux-image-cloud-*) arch=\${3#*:}; printf 'Package: x\\nDepends: linux-image-6.1.0-57-cloud-%s (= 6.1.192-3)\\n' "$arch" ;;
  *linux-image-6.1.0*) printf 'Package: y\\nVersion: 6.1.192-3\\nSize: 123\\n' ;;
esac
`;

test('the newest kernel of each architecture is what its metapackage depends on, in an apt of its own', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'archive-'));
  const [tools, work] = [join(dir, 'tools'), join(dir, 'work')];
  await mkdir(tools);
  await mkdir(work);
  for (const name of ['apt-get', 'apt-cache']) await writeFile(join(tools, name), APT, { mode: 0o755 });
  const mirrors = { archive: 'http://a.example/debian', security: 'http://s.example/debian' };
  const archive = {
    recipe: debianBookworm,
    host: { mirrors, options: 'Acquire::Retries "3";' },
    archs: ['amd64', 'arm64'] as const,
    uid: 0,
    env: { PATH: `${tools}:/usr/bin:/bin` },
    dir: work,
    signal: AbortSignal.timeout(20_000),
  };
  assert.deepEqual(
    await listKernels(archive),
    archive.archs.map((arch) => ({
      name: `debian-6.1.192-3-cloud-${arch}`,
      release: `6.1.0-57-cloud-${arch}`,
      arch,
      downloadBytes: 123,
    })),
  );
  const config = await readFile(join(work, 'apt.conf'), 'utf8');
  assert.match(config, /^APT::Architectures \{ "amd64"; "arm64"; \};$/m);
  for (const line of config.matchAll(/^Dir::\S+ "(.*)";$/gm)) {
    assert.ok(line[1] === '/dev/null' || line[1]?.startsWith(work), line[0]);
  }
  const sources = await readFile(join(work, 'sources.list'), 'utf8');
  assert.match(sources, /^deb \[signed-by=\S+\] http:\/\/s\.example\/debian bookworm-security main$/m);
  const asked = (await readFile(join(work, 'asked'), 'utf8')).split('\n');
  assert.equal(asked[0], 'apt-get --quiet --quiet update');
  const unknown = { ...archive, host: { options: '' } };
  await assert.rejects(listKernels(unknown), (error) => isAppError(error, 'KERNEL_LIST_UNAVAILABLE'));
  await rm(dir, { recursive: true });
});

test('only the first package of an answer counts, and its fields of one line', () => {
  const fields = packageFields(
    'Package: linux-image-cloud-arm64\nVersion: 6.1.192-3\nDepends: linux-image-6.1.0-56-cloud-arm64 (= 6.1.192-3)\nDescription-en: Linux\n for clouds: yes\nSize: 1484\n\nPackage: other\nSize: 2\n',
  );
  assert.equal(fields.get('Version'), '6.1.192-3');
  assert.equal(fields.get('Size'), '1484');
  assert.equal(fields.get('Depends'), 'linux-image-6.1.0-56-cloud-arm64 (= 6.1.192-3)');
  assert.equal(fields.get('Package'), 'linux-image-cloud-arm64');
});

test('any answer has fields or none', () => {
  fc.assert(fc.property(fc.string(), (text) => packageFields(text).size >= 0));
});

test('the name of a kernel has the version of its package and its flavour', () => {
  assert.equal(kernelName('6.1.0-56-cloud-arm64', '6.1.192-2'), 'debian-6.1.192-2-cloud-arm64');
  assert.equal(kernelName('6.12.9+bpo-amd64', '6.12.9-1~bpo12+1'), 'debian-6.12.9-1.bpo12.1-amd64');
});
