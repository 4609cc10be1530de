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
import fc from 'fast-check';
import { isErrno } from '../../src/base/errors.ts';
import type { Scratch } from './scratch-repository.ts';

/** One action of a person in a working tree; does nothing for a path that is invalid at that moment. */
export type Step =
  | { do: 'write'; path: Buffer; content: Uint8Array; isOld: boolean }
  | { do: 'remove' | 'chmod' | 'stage' | 'unstage' | 'intend' | 'assume'; path: Buffer }
  | { do: 'move' | 'link'; path: Buffer; to: Buffer }
  | { do: 'stage-all' | 'commit' };

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
export const beginning = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .array(write, { minLength: 3, maxLength: 10 })
      .map((writes): Step[] => [...writes, { do: 'stage-all' }, { do: 'commit' }]),
  },
  { weight: 1, arbitrary: fc.constant<Step[]>([]) },
);
export const step: fc.Arbitrary<Step> = fc.oneof(
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

/**
 * Steps whose effect git sees. `assume` hides edits from it, and so does an edit that leaves size and time as
 * they were, within the second of the last one: git compares whole seconds.
 */
export const visibleStep: fc.Arbitrary<Step> = step
  .filter(({ do: what }) => what !== 'assume')
  .map((each) => (each.do === 'write' ? { ...each, isOld: false } : each));

/** Takes one step in a working tree. */
export function take(scratch: Scratch, root: string, each: Step): void {
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
export function gitTries(
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
