import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { soon } from '../../../test/support/soon.ts';
import { CONFIG_LIST_ARGS, parseConfigList, type Setting } from './config-text.ts';
import { parseConfig } from './parse-config.ts';
import { safeSettings } from './repository-settings.ts';

/** The settings that git itself reads from a file; `undefined` when it refuses the file. */
function readByGit(file: string, text: string): Setting[] | undefined {
  writeFileSync(file, text, 'latin1');
  const ran = spawnSync('git', [...CONFIG_LIST_ARGS, '--file', file, '--no-includes'], { cwd: tmpdir() });
  return ran.status === 0
    ? parseConfigList(ran.stdout).map(({ scope: _scope, origin: _origin, ...setting }) => setting)
    : undefined;
}

/** Older versions of git turn a tab inside a value into a space. */
function spaced(settings: Setting[] | undefined): Setting[] | undefined {
  return settings?.map(({ key, value }) =>
    value === undefined ? { key } : { key, value: value.replaceAll('\t', ' ') },
  );
}

test('parseConfig() accepts and refuses the same files as git', () => {
  const folder = mkdtempSync(join(tmpdir(), 'git-config-'));
  const piece = fc.constantFrom(
    ...[
      '[core]',
      '[a "b"]',
      '[A.B]',
      '[x "q\\"\\\\"]',
      '[',
      ']',
      '"',
      '\\',
      '\\\n',
      '\n',
      '\r\n',
      ' ',
      '\t',
      '=',
    ],
    ...[
      '#',
      ';',
      'name',
      'Na-me2',
      'value',
      'a b',
      '\\n',
      '\\t',
      '\\q',
      '\xe9',
      '1',
      '-',
      '.',
      '\n\tname = ',
      '\n\tx\n',
    ],
  );
  const structured = fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join(''));
  const inSection = structured.map((text) => `[core]\n\tname = ${text}\n`);
  try {
    fc.assert(
      fc.property(fc.oneof(structured, inSection, inSection), (text) => {
        const byGit = readByGit(join(folder, 'config'), text);
        // git accepts a variable without a section, but nothing writes one; we refuse it.
        const isOrphaned = byGit?.some(({ key }) => !key.includes('.'));
        assert.deepEqual(spaced(parseConfig(text)), isOrphaned ? undefined : spaced(byGit));
      }),
      { numRuns: 300 },
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('safeSettings() keeps harmless settings in a form that git reads back, and names each of the others once', () => {
  const folder = mkdtempSync(join(tmpdir(), 'git-config-'));
  const text = [
    '[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tfilemode = true\n\tfsmonitor = touch /tmp/x\n',
    '\tFSMonitor = again\n\tworktree = /home\n\tcheckstat = minimal\n\tattributesfile = .git/info/user-attributes\n',
    '[remote "origin"]\n\turl = https://user:password@example.com/x.git\n\tuploadpack = evil\n\tpromisor = true\n',
    '[include]\n\tpath = /home/user/evil\n[includeIf "gitdir:/"]\n\tpath = x\n[alias]\n\tst = !evil\n',
    '[filter "x"]\n\tclean = evil\n[diff "x"]\n\ttextconv = evil\n\tbinary = true\n[user]\n\tname = "A #1"\n',
    '[extensions]\n\tobjectformat = sha256\n\tworktreeconfig = true\n\trefstorage = files:///elsewhere\n',
  ].join('');
  const safe = safeSettings(text);
  assert.deepEqual(safe?.dropped, [
    ...[
      'core.fsmonitor',
      'core.worktree',
      'remote.origin.uploadpack',
      'remote.origin.promisor',
      'include.path',
    ],
    ...[
      'includeif.gitdir:/.path',
      'alias.st',
      'filter.x.clean',
      'diff.x.textconv',
      'extensions.worktreeconfig',
    ],
    'extensions.refstorage',
  ]);
  const kept = readByGit(join(folder, 'config'), safe?.text ?? '');
  rmSync(folder, { recursive: true });
  assert.deepEqual(
    kept?.map(({ key, value }) => `${key}=${value}`),
    [
      ...[
        'core.repositoryformatversion=0',
        'core.bare=false',
        'extensions.objectformat=sha256',
        'core.filemode=true',
      ],
      ...['remote.origin.url=https://example.com/x.git', 'diff.x.binary=true', 'user.name=A #1'],
    ],
  );
});

test('no configuration keeps a setting that is not on the list', () => {
  const folder = mkdtempSync(join(tmpdir(), 'git-config-'));
  const word = fc.constantFrom('core', 'fsmonitor', 'name', 'user', 'include', 'path', 'hookspath', 'a\nb');
  const chunk = fc.oneof(
    word,
    fc.constantFrom(
      '[core]\n',
      '[user "',
      '"]\n',
      '\n',
      ' = ',
      '"',
      '\\',
      '\\\n',
      '#',
      '[',
      ']',
      '\xff',
      '\r',
    ),
  );
  try {
    fc.assert(
      fc.property(
        fc.array(chunk, { maxLength: 25 }).map((chunks) => chunks.join('')),
        (text) => {
          const safe = safeSettings(text);
          if (!safe) return;
          const kept = readByGit(join(folder, 'config'), safe.text);
          assert.ok(kept, `git reads what was written: ${safe.text}`);
          for (const { key } of kept) assert.match(key, /^user\.(.*\.)?name$|^core\.(bare|filemode)$/s);
        },
      ),
      { numRuns: 200 },
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a configuration is parsed in time proportional to its length', async () => {
  const lines = 60_000;
  const url = `[remote "x"]\n${'url=a\n'.repeat(lines)}`;
  const read = (): void => {
    assert.equal(safeSettings(url)?.text.split('\n').length, lines + 2);
    for (const text of [
      '['.repeat(500_000),
      `[a "${'\\x'.repeat(250_000)}`,
      `[a]\nb=${' '.repeat(500_000)}x`,
      '"'.repeat(500_000),
    ]) {
      safeSettings(text);
    }
  };
  await soon(5_000, Promise.resolve().then(read));
});

test('safeSettings() drops a setting with an expected value without naming it', () => {
  const dropped = (value: string): readonly string[] | undefined =>
    safeSettings(`[core]\n\tfsmonitor = ${value}\n`, { 'core.fsmonitor': 'ours' })?.dropped;
  assert.deepEqual(dropped('ours'), []);
  assert.deepEqual(dropped('theirs'), ['core.fsmonitor']);
  assert.equal(
    safeSettings('[core]\n\tfsmonitor = ours\n', { 'core.fsmonitor': 'ours' })?.text.includes('ours'),
    false,
  );
});
