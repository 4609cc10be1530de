// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is a variable of a Dockerfile
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { Image } from '../../src/protocol/api/image.ts';
import { busyboxLayer } from '../e2e/support/busybox-layer.ts';
import { pushFeature } from '../e2e/support/feature-artifact.ts';
import { type Lab, openLab } from '../e2e/support/lab.ts';
import { openRegistry, type TestRegistry } from '../e2e/support/registry.ts';
import { findStaticBusybox } from '../e2e/support/small-image.ts';
import { makeScratch, put, type Scratch } from '../helpers/scratch-repository.ts';

const SMALL = ['--memory', '256', '--vcpu', '1', '--disk-size', '64M', '--system-overlay-size', '64M'];

suite('devcontainer.json with a Dockerfile', { concurrency: false, timeout: 40 * 60_000 }, () => {
  let dir: string;
  let lab: Lab;
  let registry: TestRegistry;
  let scratch: Scratch;
  let repo: string;
  let base: string | undefined;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'dd-'));
    lab = await openLab();
    registry = await openRegistry();
    scratch = makeScratch();
    repo = scratch.init('api');
    const busybox = await findStaticBusybox();
    if (busybox === undefined) return;
    const layers = [await busyboxLayer(join(dir, 'tree'), busybox)];
    base = registry.put('test/base', { tag: '1', layers, config: { env: ['PATH=/bin'], cmd: ['sh'] } });
    put(
      repo,
      '.devcontainer/Dockerfile',
      'ARG BASE\nFROM ${BASE} AS dev\nARG WHO\nWORKDIR /app\nCOPY data .\nRUN echo "hello $WHO" >/greeting && id -u >/by\nENV STAGE=dev\nUSER app\nFROM dev\nRUN exit 1\n',
    );
    put(repo, '.devcontainer/devcontainer.json', configOf('world'));
    put(repo, 'data', 'first\n');
    scratch.git(repo, 'add', '-A');
    scratch.git(repo, 'commit', '-q', '-m', 'first');
  });
  after(async () => {
    const ours = (await images()).filter(({ name }) => name === base || name.startsWith('devcontainer-api-'));
    for (const { name } of ours) await lab.run(['image', 'delete', '--force', name]);
    await lab[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
    await rm(dir, { recursive: true });
  });

  const images = async (): Promise<Image[]> =>
    JSON.parse(await lab.text(['image', 'list', '--json'])) as Image[];

  const configOf = (who: string): string =>
    JSON.stringify({
      build: { dockerfile: 'Dockerfile', context: '..', target: 'dev', args: { BASE: base, WHO: who } },
      workspaceFolder: '/app',
      postCreateCommand: 'cp /greeting copied',
    });

  const run = async (): Promise<{ lines: string[]; stderr: string }> => {
    const script = 'cat copied /by; id -un; echo $STAGE; pwd; cat data';
    const words = ['vm', 'run', '--rm', '--cold', '--devcontainer', ...SMALL, repo, '--', 'sh', '-c', script];
    const ran = await lab.run(words, { deadlineMs: 20 * 60_000 });
    assert.equal(ran.code, 0, ran.stderr);
    return { lines: ran.stdout.toString().trim().split('\n'), stderr: ran.stderr };
  };

  test('is built in the builder, and built again only when its content changes', async (t) => {
    if (base === undefined)
      return t.skip('no statically linked busybox on this host (package busybox-static)');
    const first = await run();
    assert.deepEqual(first.lines, ['hello world', '0', 'app', 'dev', '/app', 'first']);
    assert.match(first.stderr, /STEP/);
    const again = await run();
    assert.deepEqual(again.lines, first.lines);
    assert.doesNotMatch(again.stderr, /STEP/);
    put(repo, '.devcontainer/devcontainer.json', configOf('you'));
    put(repo, 'data', 'second\n');
    const changed = await run();
    assert.deepEqual(changed.lines, ['hello you', '0', 'app', 'dev', '/app', 'second']);
    assert.match(changed.stderr, /STEP/);
    assert.equal((await images()).filter(({ name }) => name.startsWith('devcontainer-api-')).length, 1);
  });

  test('features are installed in the builder, each once and in its order, and their hooks run first', async (t) => {
    if (base === undefined) return t.skip('see above');
    const feature = (name: string, metadata: object, script: string): void => {
      const fields = JSON.stringify({ id: name, version: '1.0.0', ...metadata });
      put(repo, `.devcontainer/tools/${name}/devcontainer-feature.json`, fields);
      put(repo, `.devcontainer/tools/${name}/install.sh`, `#!/bin/sh\nset -e\n${script}\n`);
    };
    const say = 'echo "${PWD##*/} $WHAT $_REMOTE_USER $_REMOTE_USER_HOME $(id -u)" >>/installed';
    feature('first', {}, 'echo first >>/installed');
    feature(
      'second',
      {
        options: { what: { type: 'string', default: 'nothing' } },
        dependsOn: { '../tools/first': {} },
        containerEnv: { PATH: '/second:${PATH}' },
        postCreateCommand: 'echo of the feature >>/tmp/log',
      },
      `${say}; mkdir /second; cp program /second/program; chmod +x /second/program`,
    );
    put(repo, '.devcontainer/tools/second/program', '#!/bin/sh\necho the program runs\n');
    const third = join(repo, '.devcontainer/tools/third');
    feature('third', { installsAfter: ['second'] }, 'echo "third of the registry" >>/installed');
    const published = { host: registry.host, repository: 'features/third', tag: '1' };
    const artifact = await pushFeature(third, published);
    await rm(third, { recursive: true });
    const fields = (what: string) => ({
      image: base,
      remoteUser: 'app',
      features: { [artifact]: {}, '../tools/second': { what } },
      postCreateCommand: 'echo of the file >>/tmp/log',
    });
    const write = (what: string): void =>
      put(repo, '.devcontainer/tooled/devcontainer.json', JSON.stringify(fields(what)));
    write('one');
    const words = (script: string) => [
      ...['vm', 'run', '--rm', '--cold', '--devcontainer', '--devcontainer-name', 'tooled', ...SMALL],
      ...[repo, '--', 'sh', '-c', script],
    ];
    const go = async () => {
      const ran = await lab.run(words('cat /installed /tmp/log; id -un; program; ls -a /tmp'), {
        deadlineMs: 20 * 60_000,
      });
      assert.equal(ran.code, 0, ran.stderr);
      return { lines: ran.stdout.toString().trim().split('\n'), stderr: ran.stderr };
    };
    const first = await go();
    assert.deepEqual(first.lines.slice(0, 7), [
      'first',
      'feature one app /home 0',
      'third of the registry',
      'of the feature',
      'of the file',
      'app',
      'the program runs',
    ]);
    assert.ok(!first.lines.includes('.banger-features'), first.lines.join(' '));
    assert.doesNotMatch((await go()).stderr, /STEP/);
    write('two');
    assert.equal((await go()).lines[1], 'feature two app /home 0');
    feature('first', {}, 'echo why; exit 3');
    const failed = await lab.run(words('true'), { deadlineMs: 20 * 60_000 });
    assert.notEqual(failed.code, 0);
    assert.match(failed.stderr, /feature .*tools\/first: install.sh ended with status 3/);
  });
});
