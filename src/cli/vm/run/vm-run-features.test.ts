// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is a variable of devcontainer.json
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type CliLab, type CliResult, openCliLab } from '../../../../test/support/cli/cli-harness.ts';
import { sendEvents, sendJson } from '../../../../test/support/fakes/fake-daemon.ts';
import type { Image } from '../../../protocol/api/image.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const BASE: Image = {
  ...{ name: 'localhost:5000/base:1', id: `sha256:${'0'.repeat(64)}`, arch: 'amd64', distro: '', kernel: '' },
  ...{ sizeBytes: 1, diskBytes: 1, createdAt: '2026-01-01T00:00:00.000Z', usedBy: [] },
  config: { user: 'node', labels: { 'devcontainer.metadata': '[{"remoteUser":"dev"}]' } },
};

describe('features of a devcontainer.json', () => {
  let lab: CliLab;
  let repo: string;
  let fetched: string[];
  let built: { dockerfile: string; options: string }[];
  let tmp: string;

  beforeEach(async () => {
    lab = await openCliLab();
    repo = join(lab.home, 'shop');
    tmp = join(lab.home, 'tmp');
    mkdirSync(join(repo, '.git'), { recursive: true });
    mkdirSync(tmp);
    fetched = [];
    built = [];
    put('.devcontainer/own/install.sh', '');
    put('.devcontainer/own/devcontainer-feature.json', { id: 'own', options: { color: { default: 'red' } } });
    const { answers } = lab.daemon;
    answers.set(`GET /v1/images/${encodeURIComponent(BASE.name)}`, (_request, response) =>
      sendJson(response, 200, BASE),
    );
    answers.set('POST /v1/artifacts/fetch', ({ body }, response) => {
      const { reference, dir } = body as { reference: string; dir: string };
      fetched.push(reference);
      writeFileSync(join(dir, 'install.sh'), '');
      const id = reference.includes('/base') ? 'base' : 'go';
      const needs =
        id === 'go' ? { dependsOn: { 'x.example/f/base:1': {} }, onCreateCommand: 'feature hook' } : {};
      writeFileSync(join(dir, 'devcontainer-feature.json'), JSON.stringify({ id, mounts: [], ...needs }));
      sendEvents(response, [{ event: 'result', value: { reference, digest: DIGEST, files: 2 } }]);
    });
    answers.set('POST /v1/images/dockerfile', ({ body }, response) => {
      const { dockerfile, context } = body as { dockerfile: string; context: string };
      const options = readdirSync(context).filter((name) => existsSync(join(context, name, 'options')));
      const texts = options.map((name) => readFileSync(join(context, name, 'options'), 'utf8'));
      built.push({ dockerfile: readFileSync(dockerfile, 'utf8'), options: texts.join('') });
      // What follows would boot: it is enough to know what was asked for.
      sendEvents(response, [
        { event: 'error', error: { code: 'IMAGE_BUILD_FAILED', message: 'no builder here' } },
      ]);
    });
  });
  afterEach(() => lab[Symbol.asyncDispose]());

  function put(name: string, content: string | object): void {
    mkdirSync(dirname(join(repo, name)), { recursive: true });
    writeFileSync(join(repo, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  async function run(fields: object): Promise<CliResult> {
    put('.devcontainer/devcontainer.json', { image: BASE.name, ...fields });
    return await lab.run(['vm', 'run', '--devcontainer', repo, '--', 'true'], { env: { TMPDIR: tmp } });
  }

  test('are fetched with what they depend on, built in their order on the image, and leave no file', async () => {
    const ran = await run({
      features: { 'x.example/f/go:1': '1.22', './own': { color: 'blue' } },
      overrideFeatureInstallOrder: ['x.example/f/base', 'x.example/f/go'],
    });
    assert.match(ran.stderr, /no builder here/);
    assert.match(ran.stderr, /feature x.example\/f\/go:1: without effect here: mounts/);
    assert.deepEqual(fetched.sort(), ['x.example/f/base:1', 'x.example/f/go:1']);
    const lines = built[0]?.dockerfile.split('\n') ?? [];
    assert.equal(lines[0], `FROM ${BASE.name}`);
    const scripts = lines
      .filter((line) => line.startsWith('RUN'))
      .map((line) => JSON.parse(line.slice(4)).at(-1));
    assert.deepEqual(scripts.slice(0, 3), ['x.example/f/base:1', 'x.example/f/go:1', './own']);
    assert.equal(lines.at(-2), 'USER node');
    const users = "_REMOTE_USER='dev'\n_CONTAINER_USER='node'\n";
    assert.equal(built[0]?.options, `${users}VERSION='1.22'\n${users}COLOR='blue'\n${users}`);
    assert.deepEqual(readdirSync(tmp), []);
  });

  test('of a lock file are fetched by their digests, and a file that names another one is refused', async () => {
    const resolved = `x.example/f/go@${DIGEST}`;
    put('.devcontainer/devcontainer-lock.json', { features: { 'x.example/f/go:1': { resolved } } });
    await run({ features: { 'x.example/f/go:1': {} } });
    assert.deepEqual(fetched, [resolved, 'x.example/f/base:1']);
    for (const wrong of ['x.example/evil/go', 'x.example/f/go:1', 7]) {
      fetched = [];
      const entry = {
        resolved: typeof wrong === 'number' ? wrong : `${wrong}@${DIGEST}`.replace(/:1@.*/, ':1'),
      };
      put('.devcontainer/devcontainer-lock.json', { features: { 'x.example/f/go:1': entry } });
      const ran = await run({ features: { 'x.example/f/go:1': {} } });
      assert.match(
        ran.stderr,
        /devcontainer-lock.json: "x.example\/f\/go:1" has no digest of the same feature/,
      );
      assert.deepEqual([fetched, readdirSync(tmp)], [[], []]);
    }
  });

  test('that are wrong are refused before anything is fetched', async () => {
    for (const [features, why] of [
      [{ 'github-cli': {} }, /neither a folder of the repository/],
      [{ 'a/b/c:1': {} }, /neither a folder of the repository/],
      [{ 'https://x.example/f.tgz': {} }, /neither a folder of the repository/],
      [{ './none': {} }, /it has no devcontainer-feature.json/],
      [{ '../../elsewhere': {} }, /outside of the repository/],
      [{ './own': { colour: 'x' } }, /it has no option "colour"; its options: color/],
    ] as const) {
      const ran = await run({ features });
      assert.equal(ran.status, 2, ran.stderr);
      assert.match(ran.stderr, why);
    }
    assert.deepEqual([fetched, built], [[], []]);
  });
});
