import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SENT_REF } from '../../../src/protocol/workspace-state.ts';
import { exportCommand } from '../../../src/sdk/workspace/export-workspace.ts';
import { assertSameToGit, makeScratch, put, type Scratch, sendTo } from '../../helpers/scratch-repository.ts';

/** A clean filter that prints the pointer of Git LFS, and a smudge filter that finds the file again. */
function withLfs(scratch: Scratch): void {
  const store = join(scratch.dir, 'lfs-store');
  const clean = join(scratch.dir, 'lfs-clean');
  const smudge = join(scratch.dir, 'lfs-smudge');
  const program = (path: string, lines: string[]): void => {
    writeFileSync(path, `#!/bin/sh\n${lines.join('\n')}\n`);
    chmodSync(path, 0o755);
  };
  program(clean, [
    `mkdir -p '${store}'; f=$(mktemp); cat >"$f"; n=$(sha256sum <"$f" | cut -c1-64); s=$(stat -c %s "$f")`,
    `mv "$f" '${store}/'"$n"; echo ran >>'${scratch.dir}/filter-ran'`,
    'printf "version https://git-lfs.github.com/spec/v1\\noid sha256:%s\\nsize %s\\n" "$n" "$s"',
  ]);
  program(smudge, [
    'f=$(mktemp); cat >"$f"',
    `if grep -q '^oid sha256:' "$f"; then sed -n 's,^oid sha256:,${store}/,p' "$f" | xargs cat; else cat "$f"; fi`,
  ]);
  scratch.git(scratch.dir, 'config', '--global', 'filter.lfs.clean', clean);
  scratch.git(scratch.dir, 'config', '--global', 'filter.lfs.smudge', smudge);
  scratch.git(scratch.dir, 'config', '--global', 'filter.lfs.required', 'true');
}

/** A filter that is not its own inverse on other machines: it keeps files in upper case on disk. */
function withCustomFilter(scratch: Scratch): void {
  scratch.git(scratch.dir, 'config', '--global', 'filter.case.clean', 'tr A-Z a-z');
  scratch.git(scratch.dir, 'config', '--global', 'filter.case.smudge', 'tr a-z A-Z');
}

function repository(scratch: Scratch): string {
  withLfs(scratch);
  withCustomFilter(scratch);
  const root = scratch.init('repo');
  put(root, '.gitattributes', '*.bin filter=lfs diff=lfs merge=lfs -text\n*.case filter=case\n');
  put(root, 'plain', 'plain\n');
  put(root, 'deep/large.bin', Buffer.alloc(100_000, 'large'));
  put(root, 'shout.case', 'SHOUT\n');
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'first');
  return root;
}

/** A guest without the filters of the host. */
function asGuest(scratch: Scratch, guest: string, ...args: string[]): string {
  const env = { ...scratch.env, HOME: join(scratch.dir, 'guest-home') };
  const ran = spawnSync('git', ['-C', guest, ...args], { env });
  assert.equal(ran.status, 0, ran.stderr.toString());
  return ran.stdout.toString();
}

/** The patch of a guest, without the filters of the host, or with them. */
function exported(scratch: Scratch, guest: string, { hasFilters = false } = {}): string {
  const [program, ...args] = exportCommand(guest);
  const env = hasFilters ? scratch.env : { ...scratch.env, HOME: join(scratch.dir, 'guest-home') };
  return spawnSync(program, args, { env }).stdout.toString();
}

test('files with filters are clean in the guest right after a checkout on the host, and are not exported', async () => {
  using scratch = makeScratch();
  const origin = repository(scratch);
  const root = join(scratch.dir, 'clone');
  // The files are as new as the index: git would read them again.
  scratch.git(scratch.dir, 'clone', '-q', origin, root);
  rmSync(join(scratch.dir, 'filter-ran'), { force: true });
  const { guest } = await sendTo(scratch, root);
  assert.equal(existsSync(join(scratch.dir, 'filter-ran')), false, 'no filter was run');
  assert.equal(readFileSync(join(guest, 'deep/large.bin')).length, 100_000, 'smudged');
  assert.equal(readFileSync(join(guest, 'shout.case'), 'utf8'), 'SHOUT\n');
  assert.equal(asGuest(scratch, guest, 'status', '--porcelain'), '');
  assert.equal(exported(scratch, guest), '');
  assertSameToGit(scratch, root, guest);
  assert.equal(
    asGuest(scratch, guest, 'rev-parse', `${SENT_REF}^{tree}`),
    asGuest(scratch, guest, 'rev-parse', 'HEAD^{tree}'),
  );
});

test('edits of files with filters are seen in the guest, and others are not taken for edits', async () => {
  using scratch = makeScratch();
  const root = repository(scratch);
  put(root, 'shout.case', 'OTHER\n');
  put(root, 'deep/large.bin', 'other');
  const { guest } = await sendTo(scratch, root);
  assert.equal(asGuest(scratch, guest, 'status', '--porcelain'), ' M deep/large.bin\n M shout.case\n');
  assert.equal(exported(scratch, guest), '');
  put(guest, 'shout.case', 'IN THE GUEST\n');
  assert.match(exported(scratch, guest), /^\+IN THE GUEST$/m);
});

test('a file of Git LFS that was changed on both sides in turn is exported with its content, and the patch applies', async () => {
  using scratch = makeScratch();
  const root = repository(scratch);
  rmSync(join(root, 'shout.case'));
  put(root, 'deep/other.bin', 'other\n');
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'second');
  put(root, 'deep/other.bin', 'edited on the host\n');
  for (const hasFilters of [false, true]) {
    const { guest } = await sendTo(scratch, root, { name: `guest${hasFilters}` });
    assert.equal(
      exported(scratch, guest, { hasFilters }),
      '',
      'what the host has edited is not of the guest',
    );
    const content = `edited in the guest ${hasFilters}\n`;
    put(guest, 'deep/large.bin', content);
    const patch = exported(scratch, guest, { hasFilters });
    const ran = spawnSync('git', ['apply'], { cwd: root, env: scratch.env, input: patch });
    assert.equal(ran.status, 0, `${ran.stderr}\n${patch}`);
    assert.equal(readFileSync(join(root, 'deep/large.bin'), 'utf8'), content);
    scratch.git(root, 'checkout', '-q', '--', 'deep/large.bin');
  }
});

test('a file of Git LFS that was only touched is recognised by its pointer', async () => {
  for (const version of ['2', '4']) {
    using scratch = makeScratch();
    const root = repository(scratch);
    scratch.git(root, 'update-index', '--index-version', version);
    utimesSync(join(root, 'deep/large.bin'), 1.5e9, 1.5e9);
    const { guest } = await sendTo(scratch, root);
    assert.equal(asGuest(scratch, guest, 'status', '--porcelain'), '');
    // The same size, and other content.
    put(root, 'deep/large.bin', Buffer.alloc(100_000, 'other'));
    utimesSync(join(root, 'deep/large.bin'), 1.5e9, 1.5e9);
    const edited = await sendTo(scratch, root, { name: 'edited' });
    assert.equal(asGuest(scratch, edited.guest, 'status', '--porcelain'), ' M deep/large.bin\n');
  }
});

test('filters in a repository of SHA-256 objects with a split index', async () => {
  using scratch = makeScratch();
  withCustomFilter(scratch);
  const root = scratch.init('repo', '--object-format=sha256');
  put(root, '.gitattributes', '*.case filter=case\n');
  for (const name of ['a.case', 'b.case']) put(root, name, 'LOUD\n');
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'update-index', '--split-index');
  scratch.git(root, 'commit', '-q', '-m', 'first');
  put(root, 'b.case', 'LOUDER\n');
  const { guest } = await sendTo(scratch, root);
  assert.equal(asGuest(scratch, guest, 'status', '--porcelain'), ' M b.case\n');
  asGuest(scratch, guest, 'fsck', '--strict');
});

test('a new branch beside files with filters', async () => {
  using scratch = makeScratch();
  const root = repository(scratch);
  scratch.git(root, 'tag', 'v1');
  put(root, 'shout.case', 'SECOND\n');
  scratch.git(root, 'commit', '-q', '-am', 'second');
  const { branchStart } = await sendTo(scratch, root, { branch: 'fix', from: 'v1' });
  assert.notEqual(branchStart, undefined);
});

for (const [what, settings, attributes, content] of [
  ['core.autocrlf', ['core.autocrlf=true'], '* text=auto\n', 'one\r\ntwo\r\n'],
  ['eol', [], '*.txt text eol=crlf\n', 'one\r\ntwo\r\n'],
  [
    'working-tree-encoding',
    [],
    '*.txt text working-tree-encoding=UTF-16LE eol=lf\n',
    Buffer.from('one\ntwo\n', 'utf16le'),
  ],
  ['ident', [], '*.txt ident\n', '$Id$\n'],
] as const) {
  test(`a file that ${what} converts is clean in the guest, touched or right after a checkout`, async () => {
    using scratch = makeScratch();
    const root = scratch.init('repo');
    for (const setting of settings) scratch.git(root, 'config', ...setting.split('='));
    put(root, '.gitattributes', attributes);
    put(root, 'file.txt', content);
    put(root, 'other.txt', content);
    scratch.git(root, 'add', '-A');
    scratch.git(root, 'commit', '-q', '-m', 'first');
    rmSync(join(root, 'file.txt'));
    scratch.git(root, 'checkout', '-q', '--', 'file.txt');
    utimesSync(join(root, 'other.txt'), 1.5e9, 1.5e9);
    const { guest } = await sendTo(scratch, root);
    assert.equal(asGuest(scratch, guest, 'status', '--porcelain'), '');
    assert.equal(exported(scratch, guest), '');
    assert.deepEqual(readFileSync(join(guest, 'file.txt')), readFileSync(join(root, 'file.txt')));
  });
}
