import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { isErrno } from '../../../src/base/errors.ts';
import { preparedState, presentState } from '../../helpers/prepared-state.ts';
import {
  assertNothingLeft,
  assertSameToGit,
  makeScratch,
  type Scratch,
  sendTo,
} from '../../helpers/scratch-repository.ts';

/** One action of a person in a working tree; does nothing for a path that is invalid at that moment. */
type Step =
  | { do: 'write'; path: Buffer; content: Uint8Array; isOld: boolean }
  | { do: 'remove' | 'chmod' | 'stage' | 'unstage' | 'intend' | 'assume'; path: Buffer }
  | { do: 'move' | 'link'; path: Buffer; to: Buffer }
  | { do: 'stage-all' | 'commit' };

const RUNS = 15;

/** Few names, so that steps affect the same files; any bytes but the two that a name cannot have. */
const nameByte = fc.integer({ min: 1, max: 255 }).filter((byte) => byte !== 0x2f);
const strangeName = fc
  .array(nameByte, { minLength: 1, maxLength: 6 })
  .map((bytes) => Buffer.from(bytes))
  .filter((name) => !/^(\.{1,2}|\.git.*|git~\d+)$/i.test(name.toString('latin1')));
const namePart = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom('a', 'b c', '-x\n').map((name) => Buffer.from(name)) },
  { weight: 1, arbitrary: strangeName },
);
const path = fc
  .array(namePart, { minLength: 1, maxLength: 2 })
  .map((parts) => Buffer.from(parts.map((part) => part.toString('latin1')).join('/'), 'latin1'));
const content = fc.oneof(
  fc.constantFrom('', 'one\n', 'two\n', 'one\r\ntwo\r\n').map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 40 }),
);
const write = fc.record({
  do: fc.constant('write'),
  path,
  content,
  isOld: fc.boolean(),
}) as fc.Arbitrary<Step>;
/** Some files, which are usually committed. */
const beginning = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .array(write, { minLength: 3, maxLength: 10 })
      .map((writes): Step[] => [...writes, { do: 'stage-all' }, { do: 'commit' }]),
  },
  { weight: 1, arbitrary: fc.constant<Step[]>([]) },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: write },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('remove', 'chmod', 'stage', 'unstage', 'intend', 'assume'),
      path,
    }) as fc.Arbitrary<Step>,
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('move', 'link'), path, to: path }) as fc.Arbitrary<Step>,
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('stage-all', 'commit') }) as fc.Arbitrary<Step> },
);

const writeOld = (name: string, text: string): Step => ({
  do: 'write',
  path: Buffer.from(name),
  content: Buffer.from(text),
  isOld: true,
});

/** Found by this test: a file with the size and time of another that it has replaced. */
const SAME_SIZE_AND_TIME: [Step[], Step[]] = [
  [writeOld('a', 'one\n'), writeOld('b c', 'two\n'), { do: 'stage-all' }, { do: 'commit' }],
  [{ do: 'move', path: Buffer.from('b c'), to: Buffer.from('a') }],
];

/** Found by this test: an untracked folder with the name of a tracked file. */
const FOLDER_FOR_FILE: [Step[], Step[]] = [
  [
    { do: 'write', path: Buffer.from('a'), content: Buffer.from(''), isOld: false },
    { do: 'stage-all' },
    { do: 'commit' },
  ],
  [
    { do: 'remove', path: Buffer.from('a') },
    { do: 'write', path: Buffer.from('a/b'), content: Buffer.from(''), isOld: false },
  ],
];

test('git in the guest shows the same random repository', async () => {
  await fc.assert(
    fc.asyncProperty(beginning, fc.array(step, { minLength: 3, maxLength: 25 }), async (first, then) => {
      using scratch = makeScratch();
      const root = scratch.init('repo');
      for (const each of [...first, ...then]) take(scratch, root, each);
      const hasHistory = gitTries(scratch, root, { args: ['rev-parse', '-q', '--verify', 'HEAD'] });
      const { guest } = await sendTo(scratch, root);
      assertSameToGit(scratch, root, guest, { hasHistory });
      assertNothingLeft(scratch);
      assert.equal(presentState(scratch, guest), preparedState(guest));
      const { guest: whole } = await sendTo(scratch, root, { name: 'whole', includeUntracked: true });
      assert.equal(presentState(scratch, whole), preparedState(whole), 'with untracked files');
    }),
    { numRuns: RUNS, examples: [FOLDER_FOR_FILE, SAME_SIZE_AND_TIME] },
  );
});

function take(scratch: Scratch, root: string, each: Step): void {
  try {
    takeOrThrow(scratch, root, each);
  } catch (error) {
    const isImpossible = isErrno(
      error,
      'ENOENT',
      'ENOTDIR',
      'EISDIR',
      'EEXIST',
      'ENOTEMPTY',
      'EINVAL',
      'ELOOP',
    );
    if (!isImpossible) throw error;
  }
}

function takeOrThrow(scratch: Scratch, root: string, each: Step): void {
  switch (each.do) {
    case 'write': {
      const target = absolute(root, each.path);
      mkdirSync(target.subarray(0, target.lastIndexOf('/')), { recursive: true });
      writeFileSync(target, each.content);
      if (each.isOld) utimesSync(target, 1.5e9, 1.5e9);
      return;
    }
    case 'remove':
      rmSync(absolute(root, each.path), { recursive: true });
      return;
    case 'chmod': {
      const info = lstatSync(absolute(root, each.path));
      if (info.isFile()) chmodSync(absolute(root, each.path), info.mode ^ 0o111);
      return;
    }
    case 'move':
      renameSync(absolute(root, each.path), absolute(root, each.to));
      return;
    case 'link':
      symlinkSync(each.to, absolute(root, each.path));
      return;
    case 'stage':
      gitTries(scratch, root, { args: ['add', '-f', ...FROM_STDIN], input: each.path });
      return;
    case 'unstage':
      gitTries(scratch, root, { args: ['rm', '-q', '--cached', '-r', ...FROM_STDIN], input: each.path });
      return;
    case 'intend':
      gitTries(scratch, root, { args: ['add', '-N', ...FROM_STDIN], input: each.path });
      return;
    case 'assume':
      gitTries(scratch, root, {
        args: ['update-index', '--assume-unchanged', '-z', '--stdin'],
        input: each.path,
      });
      return;
    case 'stage-all':
      gitTries(scratch, root, { args: ['add', '-A'] });
      return;
    case 'commit':
      gitTries(scratch, root, { args: ['commit', '-q', '--allow-empty', '-m', 'x'] });
  }
}

/** An argument cannot contain every byte that a name can. */
const FROM_STDIN = ['--pathspec-from-file=-', '--pathspec-file-nul'];

/** Runs git, which may refuse; returns true if it did not. */
function gitTries(
  scratch: Scratch,
  cwd: string,
  { args, input = Buffer.alloc(0) }: { args: readonly string[]; input?: Buffer },
): boolean {
  const env = { ...scratch.env, GIT_LITERAL_PATHSPECS: '1' };
  return spawnSync('git', args, { cwd, env, input }).status === 0;
}

function absolute(root: string, path: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${root}/`), path]);
}
