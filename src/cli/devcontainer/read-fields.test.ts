// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are variables of devcontainer.json
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { JsonValue } from '../../base/text/jsonc.ts';
import type { ConfigFields } from './keys/key.ts';
import { readFields, readMetadata } from './read-fields.ts';

let repoRoot: string;
let outside: string;

before(() => {
  outside = mkdtempSync(join(tmpdir(), 'keys-'));
  repoRoot = join(outside, 'repo');
  mkdirSync(join(repoRoot, '.devcontainer'), { recursive: true });
  writeFileSync(join(repoRoot, '.devcontainer/Dockerfile'), 'FROM scratch\n');
  writeFileSync(join(outside, 'Dockerfile'), 'FROM scratch\n');
  symlinkSync('../../Dockerfile', join(repoRoot, '.devcontainer/link'));
  symlinkSync('../..', join(repoRoot, '.devcontainer/up'));
});
after(() => rmSync(outside, { recursive: true }));

function read(fields: ConfigFields, isInitializeAllowed = false) {
  return readFields(fields, { repoRoot, configDir: join(repoRoot, '.devcontainer'), isInitializeAllowed });
}
function status(key: string, value: JsonValue): string | undefined {
  return read({ [key]: value }).keys[0]?.status;
}

test('commands are a line for a shell, the words of a program, or several at once', () => {
  const { config } = read({
    onCreateCommand: 'npm ci && npm test',
    updateContentCommand: ['make', 'all'],
    postCreateCommand: { server: ['a', 'b'], db: 'c d', none: '' },
    postStartCommand: '',
    postAttachCommand: null,
  });
  assert.deepEqual(config.hooks, {
    onCreateCommand: [[{ argv: ['/bin/sh', '-c', 'npm ci && npm test'] }]],
    updateContentCommand: [[{ argv: ['make', 'all'] }]],
    postCreateCommand: [
      [
        { label: 'server', argv: ['a', 'b'] },
        { label: 'db', argv: ['/bin/sh', '-c', 'c d'] },
      ],
    ],
    postStartCommand: [],
    postAttachCommand: [],
  });
  for (const wrong of [1, true, [1], { a: 1 }, { a: { b: 'c' } }, ['a', null]]) {
    assert.equal(status('postCreateCommand', wrong), 'refused', JSON.stringify(wrong));
  }
});

test('initializeCommand is refused unless the user allows it, and never a hook of the guest', () => {
  assert.equal(status('initializeCommand', 'rm -rf ~'), 'refused');
  const { config, keys } = read({ initializeCommand: 'echo' }, true);
  assert.equal(keys[0]?.status, 'taken');
  assert.deepEqual(config.initialize, [{ argv: ['/bin/sh', '-c', 'echo'] }]);
  assert.ok(Object.values(config.hooks).every((steps) => steps.length === 0));
});

test('a Dockerfile and its context must be in the repository, whatever links say', () => {
  const build = (dockerfile: string, context?: string) =>
    read({ build: { dockerfile, ...(context === undefined ? {} : { context }) } });
  assert.deepEqual(build('Dockerfile', '..').config.build, {
    dockerfile: join(repoRoot, '.devcontainer/Dockerfile'),
    context: repoRoot,
    args: {},
  });
  for (const [dockerfile, context] of [
    ['../../Dockerfile'],
    ['link'],
    ['/etc/passwd'],
    ['none'],
    ['Dockerfile', '../..'],
    ['Dockerfile', 'up'],
    ['Dockerfile', '/'],
    ['a\0b'],
  ] as const) {
    const { config, keys } = build(dockerfile, context);
    assert.equal(keys[0]?.status, 'refused', `${dockerfile} ${context}`);
    assert.equal(config.build, undefined);
  }
  assert.equal(read({ dockerFile: 'Dockerfile', context: '..' }).config.build?.context, repoRoot);
  const args = { build: { dockerfile: 'Dockerfile', args: { A: '1' }, target: 'dev', cacheFrom: 'x' } };
  const found = read(args);
  assert.deepEqual([found.config.build?.args, found.config.build?.target], [{ A: '1' }, 'dev']);
  assert.match(found.keys[0]?.note ?? '', /cacheFrom/);
});

test('an image is a reference, and a Dockerfile comes before it', () => {
  assert.equal(read({ image: 'mcr.example/base:1' }).config.image, 'mcr.example/base:1');
  for (const wrong of ['', ' ', 'A B', 1, null]) assert.equal(status('image', wrong), 'refused');
  const both = read({ image: 'x', build: { dockerfile: 'Dockerfile' } });
  assert.equal(both.config.image, undefined);
  assert.equal(both.keys[0]?.status, 'overridden');
});

test('ports are those of the VM, with what portsAttributes says of them', () => {
  const { config, keys } = read({
    forwardPorts: [3000, '8080', 'localhost:9000', 'db:5432', 3000, 0, 70_000],
    portsAttributes: { '3000': { label: 'web', requireLocalPort: true }, '8000-8999': { label: 'api' } },
  });
  assert.deepEqual(config.ports, [
    { port: 3000, label: 'web', isRequired: true },
    { port: 8080, label: 'api', isRequired: false },
    { port: 9000, isRequired: false },
  ]);
  assert.deepEqual(keys[0], {
    key: 'forwardPorts',
    status: 'overridden',
    note: 'not "db:5432", 0, 70000: no port of the VM',
  });
  assert.deepEqual(read({ appPort: 80 }).config.ports, [{ port: 80, isRequired: false }]);
});

test('requirements are numbers and sizes', () => {
  const { config } = read({ hostRequirements: { cpus: 4, memory: '8gb', storage: '32GB' } });
  assert.deepEqual(config.requirements, { cpus: 4, memoryMib: 8192, storageBytes: 32 * 2 ** 30 });
  assert.equal(read({ hostRequirements: { memory: '1025kb' } }).config.requirements.memoryMib, 2);
  for (const wrong of [
    { cpus: 0 },
    { cpus: 1.5 },
    { memory: '8 gib' },
    { storage: '' },
    { memory: '-1gb' },
    [],
  ]) {
    assert.equal(status('hostRequirements', wrong as JsonValue), 'refused', JSON.stringify(wrong));
  }
  assert.match(read({ hostRequirements: { gpu: true } }).keys[0]?.note ?? '', /gpu is not supported/);
});

test('mounts of this host are refused, volumes are folders of the VM', () => {
  for (const mount of [
    'source=${localEnv:HOME}/.ssh,target=/root/.ssh,type=bind',
    'source=/,target=/host',
    { source: '/var/run/docker.sock', target: '/var/run/docker.sock', type: 'bind' },
    'type=volume2,target=/x',
    1,
  ]) {
    assert.equal(status('mounts', [mount]), 'refused', JSON.stringify(mount));
  }
  assert.equal(
    status('mounts', ['source=cache,target=/cache,type=volume', { type: 'tmpfs', target: '/t' }]),
    'overridden',
  );
});

test('users and variables are names that the guest takes', () => {
  assert.deepEqual(read({ remoteUser: 'node', containerUser: '1000:1000' }).config.remoteUser, 'node');
  for (const wrong of ['', '-x', 'a b', 'a;b', 1]) assert.equal(status('remoteUser', wrong), 'refused');
  assert.deepEqual(read({ containerEnv: { A: '1', B: null } }).config.containerEnv, { A: '1' });
  for (const wrong of [{ 'A B': '1' }, { A: 1 }, { A: 'x\0' }, 'A=1']) {
    assert.equal(status('containerEnv', wrong as JsonValue), 'refused');
  }
});

test('every other key is known or said to be unknown', () => {
  const expected: Record<string, string> = {
    dockerComposeFile: 'refused',
    features: 'refused',
    runArgs: 'not supported',
    privileged: 'overridden',
    customizations: 'not supported',
    noSuchKey: 'not supported',
    toString: 'not supported',
    __proto__: 'not supported',
  };
  for (const [key, wanted] of Object.entries(expected)) {
    const value: JsonValue = key === 'features' ? { a: {} } : [key];
    assert.equal(status(key, value), wanted, key);
  }
  assert.equal(status('features', {}), 'taken');
});

test('the metadata of an image asks for nothing of this host', () => {
  const config = readMetadata({
    ...{ remoteUser: 'vscode', containerEnv: { A: '1' }, forwardPorts: [80], postStartCommand: 'x' },
    ...{
      image: 'evil',
      build: { dockerfile: 'Dockerfile' },
      initializeCommand: 'x',
      hostRequirements: { cpus: 64 },
    },
  });
  assert.deepEqual([config.remoteUser, config.containerEnv, config.ports.length], ['vscode', { A: '1' }, 1]);
  assert.deepEqual(
    [config.image, config.build, config.initialize, config.requirements],
    [undefined, undefined, undefined, {}],
  );
});

test('any value of any key has a verdict, and nothing of another repository is named', () => {
  const keys = fc.constantFrom(
    ...['image', 'build', 'dockerFile', 'mounts', 'forwardPorts', 'portsAttributes', 'hostRequirements'],
    ...[
      'postCreateCommand',
      'initializeCommand',
      'containerEnv',
      'remoteEnv',
      'remoteUser',
      'features',
      'runArgs',
    ],
  );
  const fields = fc.dictionary(keys, fc.jsonValue({ maxDepth: 3 }), { maxKeys: 6 });
  fc.assert(
    fc.property(fields, (value) => {
      const found = read(value as ConfigFields);
      assert.equal(found.keys.length, Object.keys(value).length);
      const { build, initialize } = found.config;
      assert.equal(initialize, undefined);
      if (build) assert.ok(build.context.startsWith(repoRoot) && build.dockerfile.startsWith(repoRoot));
    }),
  );
});
