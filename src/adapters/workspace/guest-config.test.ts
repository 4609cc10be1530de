import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { guestConfig, promisorRemote } from './guest-config.ts';

const local = (key: string, value?: string) => ({
  scope: 'local',
  origin: 'file:.git/config',
  key,
  ...(value === undefined ? {} : { value }),
});

test('guestConfig() keeps the last value of a single-valued setting and all values of a multi-valued one', () => {
  const config = guestConfig(
    [
      { scope: 'global', origin: 'file:/home/u/.gitconfig', key: 'user.name', value: 'global' },
      local('user.name', 'local'),
      local('remote.origin.fetch', 'one'),
      local('remote.origin.fetch', 'two'),
      local('core.filemode'),
    ],
    { objectFormat: 'sha1' },
  );
  const of = (key: string) => config.filter((entry) => entry.key === key).map((entry) => entry.value);
  assert.deepEqual(of('user.name'), ['local']);
  assert.deepEqual(of('remote.origin.fetch'), ['one', 'two']);
  assert.deepEqual(of('core.filemode'), [undefined]);
  assert.deepEqual(of('core.repositoryformatversion'), ['0']);
});

test('guestConfig() drops every setting that it does not know', () => {
  const unknown = [
    ...[
      'core.fsmonitor',
      'core.hookspath',
      'core.sshcommand',
      'core.worktree',
      'core.bare',
      'core.excludesfile',
    ],
    ...['filter.lfs.clean', 'filter.lfs.process', 'diff.external', 'diff.x.command', 'diff.x.textconv'],
    ...['credential.helper', 'credential.https://example.com/.username', 'http.extraheader', 'include.path'],
    ...['user.signingkey', 'commit.gpgsign', 'alias.x', 'url.a.insteadof', 'extensions.worktreeconfig'],
    ...['constructor.name', 'core.constructor', 'branch.x.__proto__'],
  ];
  const plain = guestConfig([], { objectFormat: 'sha1' });
  assert.deepEqual(
    guestConfig(
      unknown.map((key) => local(key, 'x')),
      { objectFormat: 'sha1' },
    ),
    plain,
  );
});

test('guestConfig() declares the extensions that the objects need', () => {
  const config = guestConfig([local('remote.up.partialclonefilter', 'blob:none')], {
    objectFormat: 'sha256',
    promisorRemote: 'up',
    attributesFile: '.git/x',
  });
  const values = Object.fromEntries(config.map(({ key, value }) => [key, value]));
  assert.equal(values['core.repositoryformatversion'], '1');
  assert.equal(values['extensions.objectformat'], 'sha256');
  assert.equal(values['extensions.partialclone'], 'up');
  assert.equal(values['remote.up.promisor'], 'true');
  assert.equal(values['remote.up.partialclonefilter'], 'blob:none');
  assert.equal(values['core.attributesfile'], '.git/x');
});

test('guestConfig() keeps where submodules come from, without credentials and commands', () => {
  const config = guestConfig(
    [
      local('submodule.a/b.c.url', 'https://me:secret@example.com/c.git'),
      local('submodule.a/b.c.active', 'true'),
      local('submodule.a/b.c.update', '!rm -rf /'),
      local('submodule.active', 'one'),
      local('submodule.active', 'two'),
      local('submodule.recurse', 'true'),
    ],
    { objectFormat: 'sha1' },
  );
  assert.deepEqual(
    config.filter(({ key }) => key.startsWith('submodule.')).map(({ key, value }) => `${key}=${value}`),
    [
      'submodule.a/b.c.url=https://example.com/c.git',
      'submodule.a/b.c.active=true',
      'submodule.active=one',
      'submodule.active=two',
    ],
  );
});

test('promisorRemote() finds the remote by either setting', () => {
  assert.equal(promisorRemote([local('extensions.partialclone', 'a.b')]), 'a.b');
  assert.equal(promisorRemote([local('remote.a.b.promisor', 'true')]), 'a.b');
  assert.equal(promisorRemote([local('remote.a.promisor', 'false')]), undefined);
  assert.equal(promisorRemote([local('remote.a.url', 'x')]), undefined);
});

test('guestConfig() has git ask the agent in a repository with many files, and only there', () => {
  const of = (trackedCount: number) =>
    guestConfig([local('core.fsmonitor', '/bin/evil')], { objectFormat: 'sha1', trackedCount }).filter(
      ({ key }) => key === 'core.fsmonitor',
    );
  assert.deepEqual(of(9_999), []);
  const [setting, ...more] = of(10_000);
  assert.deepEqual(more, []);
  // Where there is no agent, it fails and prints nothing.
  const ran = spawnSync('sh', ['-c', `${setting?.value} "$@"`, 'sh', '2', 'token'], { env: {} });
  assert.equal(ran.status, 1);
  assert.equal(ran.stdout.toString() + ran.stderr.toString(), '');
});
