import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { AppError } from '../../../src/base/errors.ts';
import {
  assertNothingLeft,
  assertSameToGit,
  makeScratch,
  put,
  type Scratch,
  sendTo,
} from '../../helpers/scratch-repository.ts';

const signal = neverAborts();

/** A repository of the user that no archive may reach, and an unpacked archive from others. */
function victimAndArchive(scratch: Scratch): { secret: string; archive: string } {
  const [secret, archive] = [scratch.init('secret'), scratch.init('archive')];
  put(secret, 'private-plan', 'top secret plan\n');
  put(archive, 'Makefile', 'all:\n');
  for (const root of [secret, archive]) {
    scratch.git(root, 'add', '-A');
    scratch.git(root, 'commit', '-q', '-m', `of ${root === secret ? 'the secret one' : 'the archive'}`);
  }
  return { secret, archive };
}

/** Every call refuses, names `what` in its message, says what to do, and leaves nothing. */
async function assertRefused(scratch: Scratch, root: string, what: RegExp): Promise<void> {
  for (const call of ['inspect', 'pack'] as const) {
    await assert.rejects(scratch.source[call](root, { signal }), (error: unknown) => {
      assert.ok(error instanceof AppError, String(error));
      assert.equal(error.code, 'WORKSPACE_GIT_ELSEWHERE', error.message);
      assert.match(error.message, what);
      assert.notEqual(error.hint ?? '', '');
      return true;
    });
  }
  assertNothingLeft(scratch);
}

const ATTACKS: readonly [string, RegExp, (at: { secret: string; archive: string }) => void][] = [
  [
    'a .git file that names another repository',
    /\.git file leads to/,
    ({ secret, archive }) => {
      rmSync(join(archive, '.git'), { recursive: true });
      writeFileSync(join(archive, '.git'), `gitdir: ${relative(archive, secret)}/.git\n`);
    },
  ],
  [
    'a .git link to another repository',
    /\.git link leads to/,
    ({ secret, archive }) => {
      rmSync(join(archive, '.git'), { recursive: true });
      symlinkSync(join(secret, '.git'), join(archive, '.git'));
    },
  ],
  [
    'a commondir file in a real .git',
    /\.git\/commondir leads to/,
    ({ secret, archive }) => writeFileSync(join(archive, '.git/commondir'), `${secret}/.git\n`),
  ],
  [
    'a git folder in the archive that names the archive and shares with another repository',
    /commondir leads to/,
    ({ secret, archive }) => {
      renameSync(join(archive, '.git'), join(archive, 'inner'));
      writeFileSync(join(archive, '.git'), 'gitdir: inner\n');
      writeFileSync(join(archive, 'inner/commondir'), `${secret}/.git\n`);
      writeFileSync(join(archive, 'inner/gitdir'), `${archive}/.git\n`);
    },
  ],
  [
    'the same in a folder called worktrees',
    /commondir leads to/,
    ({ secret, archive }) => {
      mkdirSync(join(archive, 'worktrees'));
      renameSync(join(archive, '.git'), join(archive, 'worktrees/x'));
      writeFileSync(join(archive, '.git'), 'gitdir: worktrees/x\n');
      writeFileSync(join(archive, 'worktrees/x/commondir'), `${secret}/.git\n`);
      writeFileSync(join(archive, 'worktrees/x/gitdir'), `${archive}/.git\n`);
    },
  ],
  [
    'objects that are a link',
    /link "\.git\/objects" leads to/,
    ({ secret, archive }) => {
      rmSync(join(archive, '.git/objects'), { recursive: true });
      symlinkSync(join(secret, '.git/objects'), join(archive, '.git/objects'));
    },
  ],
  [
    'refs that are a link',
    /link "\.git\/refs" leads to/,
    ({ secret, archive }) => {
      rmSync(join(archive, '.git/refs'), { recursive: true });
      symlinkSync(join(secret, '.git/refs'), join(archive, '.git/refs'));
    },
  ],
  [
    'a branch that is a link, several folders deep, with a name that is not UTF-8',
    /link "\.git\/refs.* leads to/,
    ({ secret, archive }) => {
      const folder = Buffer.concat([Buffer.from(`${archive}/.git/refs/heads/`), Buffer.from([0xff])]);
      mkdirSync(folder);
      symlinkSync(join(secret, '.git/refs/heads/main'), Buffer.concat([folder, Buffer.from('/x')]));
    },
  ],
  [
    'a pack folder that is a link',
    /link "\.git\/objects\/pack" leads to/,
    ({ secret, archive }) => {
      rmSync(join(archive, '.git/objects/pack'), { recursive: true });
      symlinkSync(join(secret, '.git/objects/pack'), join(archive, '.git/objects/pack'));
    },
  ],
  [
    'one object that is a link',
    /link "\.git\/objects\/.*" leads to/,
    ({ secret, archive }) => {
      const folder = readdirSync(join(secret, '.git/objects')).find((name) => name.length === 2) ?? '';
      const [object = ''] = readdirSync(join(secret, '.git/objects', folder));
      mkdirSync(join(archive, '.git/objects', folder), { recursive: true });
      symlinkSync(
        join(secret, '.git/objects', folder, object),
        join(archive, '.git/objects', folder, object),
      );
    },
  ],
  ...['config', 'packed-refs', 'logs', 'info'].map((name): (typeof ATTACKS)[number] => [
    `a ${name} that is a link`,
    new RegExp(`link "\\.git/${name}" leads to`),
    ({ secret, archive }) => {
      spawnSync('git', ['pack-refs'], { cwd: secret });
      rmSync(join(archive, '.git', name), { recursive: true, force: true });
      symlinkSync(join(secret, '.git', name), join(archive, '.git', name));
    },
  ]),
  ...['absolute', 'relative'].map((kind): (typeof ATTACKS)[number] => [
    `alternates with a path that is ${kind}`,
    /objects\/info\/alternates" leads to/,
    ({ secret, archive }) => {
      const store = join(secret, '.git/objects');
      const path = kind === 'absolute' ? store : relative(join(archive, '.git/objects'), store);
      writeFileSync(join(archive, '.git/objects/info/alternates'), `# a comment\n\n${path}\n`);
    },
  ]),
  [
    'alternates in a store that a link names',
    /objects\/info\/alternates" leads to/,
    ({ secret, archive }) => {
      writeFileSync(join(archive, '.git/objects/info/list'), `${secret}/.git/objects\n`);
      symlinkSync('list', join(archive, '.git/objects/info/alternates'));
    },
  ],
];
for (const [what, message, attack] of ATTACKS) {
  test(`${what} is refused`, async () => {
    using scratch = makeScratch();
    const places = victimAndArchive(scratch);
    attack(places);
    await assertRefused(scratch, places.archive, message);
  });
}

test('an archive that names a linked working tree, or a submodule, of the user is refused', async () => {
  using scratch = makeScratch();
  const { secret, archive } = victimAndArchive(scratch);
  const linked = join(scratch.dir, 'linked');
  scratch.git(secret, 'worktree', 'add', '-q', linked);
  scratch.git(archive, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', secret, 'sub');
  const strangers = [join(scratch.dir, 'one'), join(scratch.dir, 'two')] as const;
  for (const stranger of strangers) mkdirSync(stranger);
  writeFileSync(join(strangers[0], '.git'), readFileSync(join(linked, '.git')));
  await assertRefused(scratch, strangers[0], /\.git file leads to/);
  // git itself reports that the files of this one are elsewhere.
  writeFileSync(join(strangers[1], '.git'), `gitdir: ${join(archive, '.git/modules/sub')}\n`);
  await assert.rejects(scratch.source.pack(strangers[1], { signal }), { code: 'WORKSPACE_GIT_FAILED' });
  // And through a link to exactly the file that the git folder names.
  const stranger = join(scratch.dir, 'three');
  mkdirSync(stranger);
  symlinkSync(join(linked, '.git'), join(stranger, '.git'));
  await assertRefused(scratch, stranger, /leads to/);
});

test('an unfinished operation with abbreviated names reaches no other object store, as alternates would', async () => {
  using scratch = makeScratch();
  const { secret, archive } = victimAndArchive(scratch);
  const commit = scratch.git(secret, 'rev-parse', 'HEAD').toString().trim();
  mkdirSync(join(archive, '.git/rebase-merge'));
  writeFileSync(join(archive, '.git/rebase-merge/done'), `pick ${commit.slice(0, 7)} a guess\n`);
  writeFileSync(join(archive, '.git/objects/info/alternates'), `${secret}/.git/objects\n`);
  await assertRefused(scratch, archive, /alternates/);
});

test('settings that a repository includes from outside are not sent', async () => {
  using scratch = makeScratch();
  const { secret, archive } = victimAndArchive(scratch);
  scratch.git(secret, 'config', 'remote.origin.url', 'https://example.com/secret-project.git');
  scratch.git(secret, 'config', 'core.attributesFile', join(scratch.home, 'keys'));
  writeFileSync(join(scratch.home, 'keys'), 'top secret key\n');
  put(archive, 'shared-settings', '[diff]\n\talgorithm = patience\n');
  scratch.git(archive, 'config', '--add', 'include.path', '../shared-settings');
  scratch.git(archive, 'config', '--add', 'include.path', join(secret, '.git/config'));
  symlinkSync(join(secret, '.git/config'), join(archive, 'looks-inside'));
  scratch.git(archive, 'config', '--add', 'include.path', '../looks-inside');
  writeFileSync(join(scratch.home, 'work'), '[user]\n\tname = Of The User\n');
  writeFileSync(join(scratch.home, '.gitconfig'), '[include]\n\tpath = work\n[core]\n\teditor = x\n');
  scratch.git(archive, 'config', '--unset', 'user.name');
  scratch.git(secret, 'config', '--unset', 'user.name');
  const { guest } = await sendTo(scratch, archive);
  const config = readFileSync(join(guest, '.git/config'), 'utf8');
  assert.doesNotMatch(config, /secret-project/);
  assert.match(config, /algorithm = patience/);
  assert.match(config, /name = "Of The User"/);
  const found = spawnSync('grep', ['-r', 'top secret', guest]);
  assert.equal(found.stdout.toString(), '');
});

test('linked working trees are sent: relative ones, those of a bare repository, and in a folder reached by a link', async () => {
  using scratch = makeScratch();
  const { secret: root } = victimAndArchive(scratch);
  const linked = join(scratch.dir, 'linked');
  scratch.git(root, 'worktree', 'add', '-q', linked);
  // As git 2.48 writes them with worktree.useRelativePaths.
  const folder = join(root, '.git/worktrees/linked');
  writeFileSync(join(linked, '.git'), `gitdir: ${relative(linked, folder)}\n`);
  writeFileSync(join(folder, 'gitdir'), `${relative(folder, join(linked, '.git'))}\n`);
  const sent = await sendTo(scratch, linked, { name: 'guest1' });
  assertSameToGit(scratch, linked, sent.guest);

  const bare = join(scratch.dir, 'bare.git');
  scratch.git(scratch.dir, 'clone', '-q', '--bare', root, bare);
  const ofBare = join(scratch.dir, 'of-bare');
  scratch.git(bare, 'worktree', 'add', '-q', ofBare);
  const sentBare = await sendTo(scratch, ofBare, { name: 'guest2' });
  assert.deepEqual(readdirSync(sentBare.guest).sort(), ['.git', 'private-plan']);

  symlinkSync(scratch.dir, join(scratch.home, 'way'));
  const viaLink = await sendTo(scratch, join(scratch.home, 'way/linked'), { name: 'guest3' });
  assert.equal(viaLink.summary.repoRoot, realpathSync(linked));
});

test('a linked working tree that was moved is refused until git has repaired it', async () => {
  using scratch = makeScratch();
  const { secret: root } = victimAndArchive(scratch);
  scratch.git(root, 'worktree', 'add', '-q', join(scratch.dir, 'linked'));
  const moved = join(scratch.dir, 'moved');
  renameSync(join(scratch.dir, 'linked'), moved);
  await assertRefused(scratch, moved, /belongs to a working tree in another place/);
  scratch.git(moved, 'worktree', 'repair');
  await sendTo(scratch, moved);
});

test('a submodule is sent by itself, also a linked working tree of one, and one in a repository that was moved', async () => {
  using scratch = makeScratch();
  const { secret, archive } = victimAndArchive(scratch);
  scratch.git(archive, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', secret, 'sub');
  const sub = join(archive, 'sub');
  const sent = await sendTo(scratch, sub, { name: 'guest1' });
  assertSameToGit(scratch, sub, sent.guest);
  const tree = join(scratch.dir, 'tree-of-sub');
  scratch.git(sub, 'worktree', 'add', '-q', tree);
  assertSameToGit(scratch, tree, (await sendTo(scratch, tree, { name: 'guest2' })).guest);
  const moved = join(scratch.dir, 'moved');
  renameSync(archive, moved);
  assertSameToGit(
    scratch,
    join(moved, 'sub'),
    (await sendTo(scratch, join(moved, 'sub'), { name: 'guest3' })).guest,
  );
});

test('a separate git folder is refused until it names its working tree, as the hint says', async () => {
  using scratch = makeScratch();
  const root = join(scratch.dir, 'tree');
  const folder = join(scratch.dir, 'elsewhere');
  scratch.git(scratch.dir, 'init', '-q', `--separate-git-dir=${folder}`, root);
  put(root, 'file');
  scratch.git(root, 'add', '-A');
  await assertRefused(scratch, root, /does not name this working tree/);
  scratch.git(root, '--git-dir', folder, 'config', 'core.worktree', root);
  const { guest } = await sendTo(scratch, root);
  assert.deepEqual(readdirSync(guest).sort(), ['.git', 'file']);
});

test('links that stay in the git folder, or that git does not follow, are accepted', async () => {
  using scratch = makeScratch();
  const { archive } = victimAndArchive(scratch);
  mkdirSync(join(scratch.dir, 'my-hooks'));
  rmSync(join(archive, '.git/hooks'), { recursive: true, force: true });
  symlinkSync(join(scratch.dir, 'my-hooks'), join(archive, '.git/hooks'));
  rmSync(join(archive, '.git/HEAD'));
  symlinkSync('refs/heads/main', join(archive, '.git/HEAD'));
  symlinkSync('nowhere', join(archive, '.git/refs/heads/dangling'));
  writeFileSync(join(archive, '.git/objects/info/alternates'), '# nothing\n\n');
  const copy = join(scratch.dir, 'copy');
  cpSync(archive, copy, { recursive: true, verbatimSymlinks: true });
  const { guest } = await sendTo(scratch, copy);
  assert.deepEqual(readdirSync(guest).sort(), ['.git', 'Makefile']);
});

test('an oversized index or unfinished operation is refused without being read', async () => {
  using scratch = makeScratch();
  const { archive } = victimAndArchive(scratch);
  const state = join(archive, '.git/rebase-merge');
  mkdirSync(state);
  for (let at = 0; at < 5; at += 1) truncateSync(filled(join(state, `f${at}`)), 15 * 2 ** 20);
  const refusal = { code: 'WORKSPACE_FILE_TOO_LARGE' };
  await assert.rejects(sendTo(scratch, archive, { name: 'guest1' }), refusal);
  rmSync(state, { recursive: true });
  mkdirSync(state);
  appendFileSync(
    join(state, 'git-rebase-todo'),
    Array.from({ length: 100_100 }, (_, at) => `pick ${at.toString(16).padStart(8, '0')}\n`).join(''),
  );
  await assert.rejects(sendTo(scratch, archive, { name: 'guest2' }), refusal);
  rmSync(state, { recursive: true });
  truncateSync(join(archive, '.git/index'), 2 ** 40);
  await assert.rejects(scratch.source.inspect(archive, { signal }), refusal);
  assertNothingLeft(scratch);
});

function filled(path: string): string {
  writeFileSync(path, 'x');
  return path;
}
