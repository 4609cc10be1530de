import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { WAIT_CONDITIONS } from '../../protocol/vm.ts';
import { CATALOG } from '../commands.ts';
import { completionsOf } from './complete-words.ts';
import type { Completions, LiveNames } from './completions.ts';

const NAMES = {
  vm: ['web', 'worker', 'db'],
  image: ['debian-bookworm'],
  kernel: ['debian-6.1'],
  operation: ['op-1', 'op-2'],
  template: ['cafe', 'beef'],
};

/** A folder of the guest of `web`; no other guest answers. */
const GUEST_FILES: Readonly<Record<string, readonly string[]>> = {
  '/': ['etc/', 'root/'],
  '/root/': ['repo/', 'notes', '.profile'],
};

const LIVE: LiveNames = {
  names: async (kind) => NAMES[kind].map((word) => ({ word })),
  tags: async (ref) => (ref === 'web' ? [{ word: 'before' }, { word: 'after' }] : []),
  guestFiles: async (ref, folder) => (ref === 'web' ? [...(GUEST_FILES[folder] ?? [])] : []),
};

function complete(...words: string[]): Promise<Completions> {
  return completionsOf(words, {
    catalog: CATALOG,
    live: LIVE,
  });
}

async function candidates(...words: string[]): Promise<string[]> {
  return (await complete(...words)).candidates.map((line) => line.split('\t')[0] ?? '');
}

describe('completionsOf()', () => {
  test('completes groups and commands, but not hidden ones', async () => {
    assert.deepEqual(await candidates('v'), ['vm', 'version']);
    assert.deepEqual(await candidates('vm', 'st'), ['stats', 'start', 'stop']);
    assert.ok((await candidates('')).includes('doctor'));
    assert.ok(!(await candidates('')).some((word) => word.startsWith('-') || word.startsWith('__')));
    assert.deepEqual(await candidates('--v'), ['--version']);
  });

  test('completes short forms, and what follows them', async () => {
    assert.deepEqual(await candidates('ru'), ['run']);
    assert.deepEqual(await candidates('st'), ['start', 'stop']);
    assert.deepEqual(await candidates('rm', 'web', ''), ['worker', 'db']);
    assert.deepEqual(await candidates('run', '--v'), ['--vmm', '--vcpu', '--verbose']);
    assert.deepEqual(await candidates('vm', 'rm', 'd'), ['db']);
    assert.deepEqual(await candidates('exec', 'web', '--', 'l'), []);
  });

  test('completes groups within groups', async () => {
    assert.deepEqual(await candidates('vm', 'wor'), ['workspace']);
    assert.deepEqual(await candidates('vm', 'workspace', ''), ['prepare', 'sync', 'diff', 'export', 'pull']);
    assert.deepEqual(await candidates('vm', 'workspace', 'prepare', 'we'), ['web']);
    assert.deepEqual(await candidates('workspace', ''), ['cache']);
  });

  test('describes each word', async () => {
    assert.deepEqual((await complete('vm', 'list')).candidates, ['list\tlist VMs']);
  });

  test('completes options, but not as values of others', async () => {
    assert.deepEqual(await candidates('vm', 'run', '--v'), ['--vmm', '--vcpu', '--verbose']);
    assert.deepEqual(await candidates('vm', 'run', '--name', ''), []);
    assert.deepEqual(await candidates('vm', 'create', '--no'), ['--no-start']);
    assert.deepEqual(await candidates('update', '--m'), [], 'not the hidden --manifest-url');
  });

  test('completes names of existing VMs and images', async () => {
    assert.deepEqual(await candidates('vm', 'show', ''), ['web', 'worker', 'db']);
    assert.deepEqual(await candidates('vm', 'exec', '-e', 'A=1', 'w'), ['web', 'worker']);
    assert.deepEqual(await candidates('vm', 'run', '--image', 'd'), ['debian-bookworm']);
  });

  test('completes each name once, and as many names as the command takes', async () => {
    assert.deepEqual(await candidates('vm', 'delete', '-v', 'web', ''), ['worker', 'db']);
    assert.deepEqual(await candidates('vm', 'show', 'web', ''), []);
  });

  test('leaves folders to the shell, and does not complete words of a guest command', async () => {
    assert.equal((await complete('vm', 'run', './r')).directive, ':folders');
    assert.deepEqual(await complete('vm', 'run', '.', '--', 'ma'), { directive: ':none', candidates: [] });
    assert.deepEqual(await complete('vm', 'exec', 'web', '--', '--h'), {
      directive: ':none',
      candidates: [],
    });
  });

  test('completes tags of the named VM, operations and templates', async () => {
    assert.deepEqual(await candidates('vm', 'snapshot', 'restore', 'web', ''), ['before', 'after']);
    assert.deepEqual(await candidates('vm', 'snapshot', 'rm', 'web', 'b'), ['before']);
    assert.deepEqual(await candidates('vm', 'snapshot', 'delete', 'db', ''), []);
    assert.deepEqual(await candidates('operations', 'cancel', 'op-'), ['op-1', 'op-2']);
    assert.deepEqual(await candidates('template', 'show', 'c'), ['cafe']);
  });

  test('completes options with a fixed set of values', async () => {
    assert.deepEqual(await candidates('vm', 'kill', '--signal', 'U'), ['USR1', 'USR2']);
    assert.deepEqual((await candidates('vm', 'wait', '--until', '')).toSorted(), WAIT_CONDITIONS.toSorted());
    assert.deepEqual(await candidates('vm', 'wait', '--until=r'), ['--until=running', '--until=ready']);
    assert.deepEqual(await candidates('vm', 'show', '--format', ''), ['json', 'text']);
    assert.deepEqual(await candidates('vm', 'workspace', 'prepare', '--mode', 'f'), ['full_copy']);
    assert.deepEqual(await candidates('vm', 'run', '--image=d'), ['--image=debian-bookworm']);
    assert.deepEqual(await candidates('vm', 'run', '--rm=d'), []);
  });

  test('completes both sides of a copy: VMs and host files, then files of the guest', async () => {
    const cp = (...words: string[]): Promise<Completions> => complete('vm', 'cp', ...words);
    assert.deepEqual(await cp('w'), { directive: ':files', candidates: ['web:', 'worker:'] });
    assert.deepEqual(await cp('./file', ''), { directive: ':none', candidates: ['web:', 'worker:', 'db:'] });
    assert.deepEqual(await cp('web:'), { directive: ':none', candidates: ['web:/'] });
    assert.deepEqual(await cp('web:/'), { directive: ':none', candidates: ['web:/etc/', 'web:/root/'] });
    assert.deepEqual((await cp('web:/root/')).candidates, ['web:/root/repo/', 'web:/root/notes']);
    assert.deepEqual((await cp('web:/root/.')).candidates, ['web:/root/.profile']);
    assert.deepEqual((await cp('-', 'web:/root/n')).candidates, ['web:/root/notes']);
    assert.deepEqual((await cp('db:/')).candidates, []);
    assert.deepEqual((await cp('web:relative')).candidates, []);
    assert.deepEqual(await cp('web:/root/notes', ''), { directive: ':files', candidates: [] });
    assert.deepEqual(await complete('cp', 'web:/r'), { directive: ':none', candidates: ['web:/root/'] });
  });

  test('completes shells', async () => {
    assert.deepEqual(await candidates('completion', ''), ['bash', 'fish', 'zsh']);
  });

  test('never fails, whatever is typed', async () => {
    const word = fc.oneof(
      fc.string({ maxLength: 6 }),
      fc.constantFrom('vm', 'run', 'exec', 'cp', 'web:/', '--until=', '--', '-e', '--name', '', 'toString'),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 6 }), async (words) => {
        assert.match((await complete(...words)).directive, /^:(none|folders|files)$/);
      }),
    );
  });
});
