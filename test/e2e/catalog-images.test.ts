import assert from 'node:assert/strict';
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { signText } from '../../scripts/release/checksums.ts';
import type { Image } from '../../src/protocol/api/image.ts';
import { newKey } from '../support/update/release-site.ts';
import { busyboxLayer } from './support/busybox-layer.ts';
import { findKernel } from './support/kernel.ts';
import { type Lab, openLab } from './support/lab.ts';
import { findStaticBusybox } from './support/small-image.ts';

const SMALL = ['--memory', '256', '--vcpu', '1', '--disk-size', '64M', '--system-overlay-size', '64M'];

/** Of the user's store, as the images. */
const OWN_KERNEL = 'own-e2e';

suite('images of a catalog', { concurrency: false, timeout: 9 * 60_000 }, () => {
  let dir: string;
  let lab: Lab;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'ca-'));
    lab = await openLab();
  });
  after(async () => {
    for (const name of ['catalog-tools', 'catalog-copy']) await lab.run(['image', 'delete', '--force', name]);
    await lab.run(['vm', 'delete', 'own']);
    await lab.run(['kernel', 'rm', OWN_KERNEL]);
    await lab[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });

  test('a bundle that make-bundle made of a tar is offered, pulled and run', async (t) => {
    const busybox = await findStaticBusybox();
    if (busybox === undefined)
      return t.skip('no statically linked busybox on this host (package busybox-static)');
    const [tar, site, catalog] = [join(dir, 'root.tar'), join(dir, 'site'), join(dir, 'site/catalog.json')];
    await writeFile(tar, await busyboxLayer(join(dir, 'tree'), busybox));
    await mkdir(site);
    const words = ['--rootfs-tar', tar, '--out', site, '--catalog', catalog, '--description', 'busybox'];
    await lab.text(['internal', 'make-bundle', ...words, 'catalog-tools']);
    const key = newKey();
    await writeFile(join(dir, 'team.pub'), key.publicKey);
    const config = `[[catalog]]\nurl = "file://${catalog}"\nkey = "${join(dir, 'team.pub')}"\n`;
    await appendFile(lab.paths.configFile, config);
    const refused = await lab.run(['image', 'pull', '--name', 'catalog-copy', 'catalog-tools']);
    assert.equal(refused.code, 1, 'it is not signed yet');
    await writeFile(`${catalog}.sig`, signText(await readFile(catalog, 'utf8'), [key.signer]));
    assert.match(await lab.text(['image', 'list', '--available']), /^catalog-tools .* available +busybox$/m);
    const pull = ['image', 'pull', '--name', 'catalog-copy', 'catalog-tools'];
    assert.equal(await lab.text(pull), 'catalog-copy\n');
    const shown = JSON.parse(await lab.text(['image', 'show', '--json', 'catalog-copy'])) as Image;
    assert.equal(await lab.text(pull), 'catalog-copy\n');
    assert.equal(
      (JSON.parse(await lab.text(['image', 'show', '--json', 'catalog-copy'])) as Image).id,
      shown.id,
    );
    assert.match(await lab.text(['image', 'list', '--available']), /^catalog-tools .* pulled +busybox$/m);
    const ran = await lab.run([
      'vm',
      'run',
      '--rm',
      '--cold',
      '--image',
      'catalog-copy',
      ...SMALL,
      '--',
      'id',
      '-un',
      'app',
    ]);
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(ran.stdout.toString(), 'app\n');
  });

  test('a kernel that was imported from files boots, and stays as long as a VM has it', async (t) => {
    const kernel = await findKernel({ signal: AbortSignal.timeout(60_000) });
    if (kernel === undefined) return t.skip('no kernel on this host: no image was built yet');
    const { run, text } = lab;
    if ((await run(['image', 'show', 'catalog-copy'])).code !== 0) return t.skip('see above');
    const folder = dirname(kernel.kernelPath);
    const files = ['--modules', join(folder, 'boot-modules'), '--config', join(folder, 'config')];
    await text(['kernel', 'import', '--name', OWN_KERNEL, ...files, kernel.kernelPath]);
    const words = [
      'vm',
      'run',
      '--cold',
      '--name',
      'own',
      '--kernel-ref',
      OWN_KERNEL,
      '--image',
      'catalog-copy',
    ];
    assert.ok((await text([...words, ...SMALL, '--', 'cat', '/proc/version'])).includes(kernel.release));
    const refused = await run(['kernel', 'rm', OWN_KERNEL]);
    assert.match(refused.stderr, /Cannot delete kernel "own-e2e": it is used by vm "own"/);
    await text(['vm', 'delete', 'own']);
    await text(['kernel', 'rm', OWN_KERNEL]);
    assert.doesNotMatch(await text(['kernel', 'list']), /own-e2e/);
  });
});
