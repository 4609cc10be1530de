import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { Vm } from '../../src/protocol/vm.ts';
import { makeScratch, put, type Scratch } from '../helpers/scratch-repository.ts';
import { until } from '../support/until.ts';
import { busyboxLayer } from './support/busybox-layer.ts';
import { type Lab, openLab } from './support/lab.ts';
import { openRegistry, type TestRegistry } from './support/registry.ts';
import { findStaticBusybox } from './support/small-image.ts';

const SMALL = ['--memory', '256', '--disk-size', '64M', '--system-overlay-size', '64M'];

/** A port of the guest, and of this host. */
const PORT = 42_317;

suite('devcontainer.json with an image', { concurrency: false, timeout: 9 * 60_000 }, () => {
  let dir: string;
  let lab: Lab;
  let registry: TestRegistry;
  let scratch: Scratch;
  let repo: string;
  let image: string | undefined;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'dc-'));
    lab = await openLab();
    registry = await openRegistry();
    scratch = makeScratch();
    repo = scratch.init('shop');
    const busybox = await findStaticBusybox();
    if (busybox === undefined) return;
    const metadata = JSON.stringify([
      {
        remoteUser: 'app',
        containerEnv: { FROM_IMAGE: '1' },
        postCreateCommand: 'echo of the image >>/tmp/log',
      },
    ]);
    image = registry.put('test/dev', {
      tag: '1',
      layers: [await busyboxLayer(join(dir, 'tree'), busybox)],
      config: { env: ['PATH=/bin'], cmd: ['sh'], labels: { 'devcontainer.metadata': metadata } },
    });
    put(repo, '.devcontainer/devcontainer.json', configOf(image));
    put(repo, 'src/index.html', 'hello from the guest\n');
    scratch.git(repo, 'add', '-A');
    scratch.git(repo, 'commit', '-q', '-m', 'first');
  });
  after(async () => {
    if (image !== undefined) await lab.run(['image', 'delete', '--force', image]);
    await lab[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
    await rm(dir, { recursive: true });
  });

  /** Of common shape: comments, several forms of commands, variables, ports. */
  const configOf = (name: string): string => `{
  // The image of the shop
  "name": "shop",
  "image": "${name}",
  "containerEnv": { "SHOP": "\${containerWorkspaceFolderBasename}" },
  "remoteEnv": { "WHO": "\${localEnv:USER}", "PATH": "\${containerEnv:PATH}:\${containerWorkspaceFolder}/bin" },
  "onCreateCommand": "echo on by $(id -un) >>/tmp/log",
  "updateContentCommand": ["sh", "-c", "echo update in $PWD >>/tmp/log"],
  "postCreateCommand": { "one": "touch made-by-one", "two": "touch made-by-two" },
  "postStartCommand": "echo start >>/tmp/log; httpd -p ${PORT} -h src",
  "postAttachCommand": "echo attach >>/tmp/log",
  "forwardPorts": [${PORT}],
  "hostRequirements": { "cpus": 1, "memory": "256mb" }, /* small */
  "customizations": { "vscode": { "extensions": ["a.b"] } },
}`;

  test('the VM is what the file and the image say, and its hooks have run once and in order', async (t) => {
    if (image === undefined)
      return t.skip('no statically linked busybox on this host (package busybox-static)');
    const script =
      'id -un; pwd; echo $SHOP $FROM_IMAGE $WHO; echo $PATH; cat /tmp/log; ls; stat -c %U src/index.html';
    const words = ['vm', 'run', '--name', 'shop', '--devcontainer', ...SMALL, repo, '--', 'sh', '-c', script];
    const ran = await lab.run(words, { env: { USER: 'somebody' } });
    assert.equal(ran.code, 0, ran.stderr);
    assert.deepEqual(ran.stdout.toString().trim().split('\n'), [
      'app',
      '/workspaces/shop',
      'shop 1 somebody',
      '/home/.local/bin:/bin:/workspaces/shop/bin',
      'on by app',
      'update in /workspaces/shop',
      'of the image',
      'start',
      'attach',
      'made-by-one',
      'made-by-two',
      'src',
      'app',
    ]);
    assert.match(ran.stderr, /is not here yet: pulling it/);
    assert.match(ran.stderr, /without effect here: customizations /);
  });

  test('variables of the container last, and its port is one of this host', async (t) => {
    if (image === undefined) return t.skip('see above');
    assert.equal(
      await lab.text(['vm', 'exec', '-w', '/', 'shop', '--', 'sh', '-c', 'id -un; echo $SHOP']),
      'root\nshop\n',
    );
    const vm = JSON.parse(await lab.text(['vm', 'show', '--json', 'shop'])) as Vm;
    assert.equal(vm.workspace?.guestPath, '/workspaces/shop');
    let page = '';
    await until(async () => {
      const answer = await fetch(`http://127.0.0.1:${PORT}/`).catch(() => undefined);
      page = (await answer?.text()) ?? '';
      return answer?.ok === true;
    });
    assert.equal(page, 'hello from the guest\n');
  });

  test('a user that the image lacks and a hook that fails are errors, and --rm leaves nothing', async (t) => {
    if (image === undefined) return t.skip('see above');
    await lab.run(['vm', 'delete', 'shop']);
    for (const [fields, code] of [
      [{ remoteUser: 'nobody-here' }, /Cannot give the working tree .* to the user "nobody-here"/],
      [{ onCreateCommand: 'echo why; exit 3' }, /onCreateCommand \| why\n[\s\S]*ended with status 3/],
    ] as const) {
      put(repo, '.devcontainer/bad/devcontainer.json', JSON.stringify({ image, ...fields }));
      const words = [
        'vm',
        'run',
        '--rm',
        '--devcontainer',
        '--devcontainer-name',
        'bad',
        ...SMALL,
        repo,
        '--',
        'true',
      ];
      const ran = await lab.run(words);
      assert.equal(ran.code, 125, ran.stderr);
      assert.match(ran.stderr, code);
    }
    await lab.nothingLeft();
  });
});
