// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are variables of a Dockerfile
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../../../base/errors.ts';
import { variableOf, writeBuildContext } from './build-context.ts';
import { type Feature, type FeatureWish, withoutVersion } from './feature.ts';
import { findLocalFeature } from './local-feature.ts';
import { orderFeatures } from './order.ts';
import { readFeatureMetadata } from './read-metadata.ts';
import { readWishes } from './read-wishes.ts';

let outside: string;
let repoRoot: string;
let configDir: string;

beforeEach(() => {
  outside = mkdtempSync(join(tmpdir(), 'features-'));
  repoRoot = join(outside, 'repo');
  configDir = join(repoRoot, '.devcontainer');
  mkdirSync(configDir, { recursive: true });
});
afterEach(() => rmSync(outside, { recursive: true }));

function put(name: string, metadata: object | string, dir = configDir): void {
  mkdirSync(join(dir, name), { recursive: true });
  const text = typeof metadata === 'string' ? metadata : JSON.stringify({ id: name, ...metadata });
  writeFileSync(join(dir, name, 'devcontainer-feature.json'), text);
  writeFileSync(join(dir, name, 'install.sh'), '#!/bin/sh\n');
}
const find = (ref: string, options = {}) => findLocalFeature({ ref, options }, { configDir, repoRoot });

test('options are texts or truths, and a text alone is the version', () => {
  assert.deepEqual(readWishes({ './a': '2', './b': true, './c': {}, './d': { x: false, y: 'z' } }), [
    { ref: './a', options: { version: '2' } },
    { ref: './b', options: {} },
    { ref: './c', options: {} },
    { ref: './d', options: { x: 'false', y: 'z' } },
  ]);
  for (const wrong of [
    [],
    'a',
    null,
    { a: 1 },
    { a: false },
    { a: { b: 1 } },
    { a: { b: 'x\0' } },
    { a: { '-': '' } },
  ]) {
    assert.equal(typeof readWishes(wrong), 'string', JSON.stringify(wrong));
  }
});

test('a folder of the repository is a feature, and no link leads out of it', () => {
  put('tool', {
    version: '1.2.0',
    options: { 'my-opt': { type: 'string', default: 'd' }, flag: { type: 'boolean' } },
  });
  const found = find('./tool/', { flag: 'true' });
  assert.ok(typeof found !== 'string');
  assert.deepEqual(found.metadata.defaults, { 'my-opt': 'd', flag: '' });
  put('evil', {}, outside);
  symlinkSync('../../evil', join(configDir, 'link'));
  put('stolen', {});
  rmSync(join(configDir, 'stolen/install.sh'));
  symlinkSync('../../../evil/install.sh', join(configDir, 'stolen/install.sh'));
  for (const ref of ['../../evil', './link', './stolen'])
    assert.match(String(find(ref)), /out(side)? of the repository/, ref);
  put('broken', '{"id": ');
  put('nameless', '{}');
  for (const ref of ['./none', './broken', './nameless', './a\0b'])
    assert.equal(typeof find(ref), 'string', ref);
});

test('any text is metadata or refused', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json({ maxDepth: 4 })), (text) => {
      const found = readFeatureMetadata(text);
      if (typeof found !== 'string') assert.match(found.id, /^[\w.-]+$/);
    }),
  );
  const fields = { id: 'a', dependsOn: {}, installsAfter: [], options: {}, containerEnv: {} };
  assert.equal(typeof readFeatureMetadata(JSON.stringify(fields)), 'object');
  for (const wrong of [
    { containerEnv: { A: 'x\ny' } },
    { containerEnv: { 'A B': 'x' } },
    { options: [] },
    { options: { a: { default: 1 } } },
    { dependsOn: [] },
    { installsAfter: 'x' },
    { id: '../x' },
  ]) {
    assert.equal(
      typeof readFeatureMetadata(JSON.stringify({ ...fields, ...wrong })),
      'string',
      JSON.stringify(wrong),
    );
  }
});

/** Features by their references, with what they say of others. */
function loader(known: Record<string, { dependsOn?: string[]; installsAfter?: string[] }>) {
  return async (wish: FeatureWish): Promise<Feature> => {
    const { dependsOn = [], installsAfter = [] } = known[wish.ref] ?? {};
    const needs = dependsOn.map((ref) => ({ ref, options: {} }));
    const nothing = { version: '', defaults: {}, containerEnv: {}, hooks: {}, ignored: [] };
    return { ...wish, dir: '/', metadata: { ...nothing, id: wish.ref, dependsOn: needs, installsAfter } };
  };
}
async function order(
  known: Parameters<typeof loader>[0],
  { wanted = Object.keys(known), override = [] as string[] } = {},
): Promise<string[]> {
  const wishes = wanted.map((ref) => ({ ref, options: {} }));
  return (await orderFeatures(wishes, { load: loader(known), override })).map(({ ref }) => ref);
}

test('each feature comes after what it needs, and the user may say which are first', async () => {
  const known = {
    'x.example/f/app:1': {
      dependsOn: ['x.example/f/lib:2'],
      installsAfter: ['x.example/f/tool', 'x.example/f/none'],
    },
    'x.example/f/lib:2': { dependsOn: ['./own'] },
    'x.example/f/tool:1': {},
    './own': {},
  };
  const wanted = ['x.example/f/app:1', 'x.example/f/tool:1'];
  assert.deepEqual(await order(known, { wanted }), [
    './own',
    'x.example/f/lib:2',
    'x.example/f/tool:1',
    'x.example/f/app:1',
  ]);
  assert.deepEqual(await order(known, { wanted, override: ['x.example/f/TOOL'] }), [
    'x.example/f/tool:1',
    './own',
    'x.example/f/lib:2',
    'x.example/f/app:1',
  ]);
  assert.deepEqual(await order({ './a': { installsAfter: ['./b/'] }, './b': {} }), ['./b', './a']);
  const circle = { './a': { dependsOn: ['./b'] }, './b': { installsAfter: ['./a'] } };
  await assert.rejects(order(circle), (error) => isAppError(error, 'DEVCONTAINER_FEATURE_INVALID'));
  assert.equal(withoutVersion('localhost:5000/f/a@sha256:00'), 'localhost:5000/f/a');
});

test('any features that do not wait for one another are each installed once, after what they depend on', async () => {
  const graph = fc.array(fc.array(fc.nat({ max: 11 }), { maxLength: 4 }), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(graph, fc.array(fc.nat({ max: 11 })), async (edges, first) => {
      const known = Object.fromEntries(
        edges.map((to, at) => [
          `./${at}`,
          { dependsOn: to.filter((one) => one < at).map((one) => `./${one}`) },
        ]),
      );
      const found = await order(known, { override: first.map((one) => `./${one}`) });
      assert.deepEqual([...found].sort(), Object.keys(known).sort());
      for (const [at, ref] of found.entries()) {
        for (const need of known[ref]?.dependsOn ?? [])
          assert.ok(found.indexOf(need) < at, `${need} before ${ref}`);
      }
    }),
  );
});

test('the Dockerfile copies each feature, sets its variables, runs its script and restores the user', async () => {
  put('tool', { containerEnv: { PATH: '/opt/a"\\:${PATH}' }, options: { v: { default: 'x' } } });
  symlinkSync('/etc/passwd', join(configDir, 'tool/link'));
  const found = find('./tool', { 'my-opt': "it's $HOME\nnext" });
  assert.ok(typeof found !== 'string');
  const dir = join(outside, 'context');
  mkdirSync(dir);
  const base = { image: 'docker.io/library/a:1', imageUser: 'node', remoteUser: 'node', containerUser: '0' };
  const dockerfile = readFileSync(await writeBuildContext([found], { dir, base }), 'utf8');
  assert.deepEqual(dockerfile.split('\n'), [
    'FROM docker.io/library/a:1',
    'USER root',
    'COPY install.sh /tmp/.banger-features/install.sh',
    'COPY 0 /tmp/.banger-features/0',
    'ENV PATH="/opt/a\\"\\\\:${PATH}"',
    'RUN ["/bin/sh","/tmp/.banger-features/install.sh","0","./tool"]',
    'RUN ["/bin/sh", "-c", "rm -rf /tmp/.banger-features"]',
    'USER node',
    '',
  ]);
  assert.equal(readlinkSync(join(dir, '0/feature/link')), '/etc/passwd');
  const script = `set -a; . ${dir}/0/options; printf '%s|' "$MY_OPT" "$V" "$_REMOTE_USER" "$_CONTAINER_USER"`;
  const ran = spawnSync('/bin/sh', ['-c', script], { env: { HOME: '/h' }, encoding: 'utf8' });
  assert.equal(ran.stdout, "it's $HOME\nnext|x|node|0|", ran.stderr);
  assert.deepEqual(['my-opt', '1a', 'É.b'].map(variableOf), ['MY_OPT', '_A', '_B']);
});
