import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { CATALOG } from '../commands.ts';
import { type Completions, completionsOf } from './complete-words.ts';

const NAMES = { vm: ['web', 'worker', 'db'], image: ['debian-bookworm'] };

function complete(...words: string[]): Promise<Completions> {
  return completionsOf(words, {
    catalog: CATALOG,
    namesOf: async (kind) => NAMES[kind],
  });
}

async function candidates(...words: string[]): Promise<string[]> {
  return (await complete(...words)).candidates.map((line) => line.split('\t')[0] ?? '');
}

describe('completionsOf()', () => {
  test('completes groups and commands, and hides what is hidden', async () => {
    assert.deepEqual(await candidates('v'), ['vm', 'version']);
    assert.deepEqual(await candidates('vm', 'st'), ['stats', 'start', 'stop']);
    assert.ok((await candidates('')).includes('doctor'));
    assert.ok(!(await candidates('')).some((word) => word.startsWith('-') || word.startsWith('__')));
    assert.deepEqual(await candidates('--v'), ['--version']);
  });

  test('completes short forms, and what comes behind them', async () => {
    assert.deepEqual(await candidates('ru'), ['run']);
    assert.deepEqual(await candidates('st'), ['start', 'stop']);
    assert.deepEqual(await candidates('rm', 'web', ''), ['worker', 'db']);
    assert.deepEqual(await candidates('run', '--v'), ['--vcpu', '--verbose']);
    assert.deepEqual(await candidates('vm', 'rm', 'd'), ['db']);
    assert.deepEqual(await candidates('exec', 'web', '--', 'l'), []);
  });

  test('completes groups within groups', async () => {
    assert.deepEqual(await candidates('vm', 'wor'), ['workspace']);
    assert.deepEqual(await candidates('vm', 'workspace', ''), ['prepare', 'export']);
    assert.deepEqual(await candidates('vm', 'workspace', 'prepare', 'we'), ['web']);
    assert.deepEqual(await candidates('workspace', ''), []);
  });

  test('tells what each is for', async () => {
    assert.deepEqual((await complete('vm', 'list')).candidates, ['list\tlist VMs']);
  });

  test('completes options, but not as values of others', async () => {
    assert.deepEqual(await candidates('vm', 'run', '--v'), ['--vcpu', '--verbose']);
    assert.deepEqual(await candidates('vm', 'run', '--name', ''), []);
    assert.deepEqual(await candidates('vm', 'create', '--no'), ['--no-start']);
  });

  test('completes names of VMs and images that there are', async () => {
    assert.deepEqual(await candidates('vm', 'show', ''), ['web', 'worker', 'db']);
    assert.deepEqual(await candidates('vm', 'exec', '-e', 'A=1', 'w'), ['web', 'worker']);
    assert.deepEqual(await candidates('vm', 'run', '--image', 'd'), ['debian-bookworm']);
  });

  test('completes each name once, and as many as the command takes', async () => {
    assert.deepEqual(await candidates('vm', 'delete', '-v', 'web', ''), ['worker', 'db']);
    assert.deepEqual(await candidates('vm', 'show', 'web', ''), []);
  });

  test('leaves folders to the shell, and the words of the guest alone', async () => {
    assert.equal((await complete('vm', 'run', './r')).directive, ':folders');
    assert.deepEqual(await complete('vm', 'run', '.', '--', 'ma'), { directive: ':none', candidates: [] });
    assert.deepEqual(await complete('vm', 'exec', 'web', '--', '--h'), {
      directive: ':none',
      candidates: [],
    });
  });

  test('completes shells', async () => {
    assert.deepEqual(await candidates('completion', ''), ['bash', 'fish', 'zsh']);
  });

  test('has an answer to whatever is typed', async () => {
    const word = fc.oneof(
      fc.string({ maxLength: 6 }),
      fc.constantFrom('vm', 'run', 'exec', '--', '-e', '--name', '', 'toString'),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 6 }), async (words) => {
        assert.match((await complete(...words)).directive, /^:(none|folders)$/);
      }),
    );
  });
});
