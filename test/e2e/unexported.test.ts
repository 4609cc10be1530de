import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { neverAborts, poll } from '../../src/base/abort.ts';
import { makeScratch, put, type Scratch } from '../helpers/scratch-repository.ts';
import { openTerminal } from '../support/cli/terminal.ts';
import { patient } from '../support/patience.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';

const BANGER = fileURLToPath(new URL('../../bin/banger', import.meta.url));

describe('vm delete at a terminal', { concurrency: false }, () => {
  let lab: Lab;
  let scratch: Scratch;
  let repo: string;
  let first: string;

  before(async () => {
    lab = await openLab();
    scratch = makeScratch();
    repo = scratch.init('repo');
    put(repo, 'file', 'one\n');
    put(repo, 'gone', 'x\n');
    scratch.git(repo, 'add', '-A');
    scratch.git(repo, 'commit', '-q', '-m', 'first');
    first = scratch.git(repo, 'rev-parse', 'HEAD').toString().trim();
    put(repo, 'late', 'late\n');
    scratch.git(repo, 'add', '-A');
    scratch.git(repo, 'commit', '-q', '-m', 'second');
    // Edits of the host are no changes of the guest.
    put(repo, 'file', 'edited on the host\n');
    put(repo, 'untracked', 'new\n');
    await lab.text(['vm', 'create', '--name', 'web', ...SMALL]);
  });
  after(async () => {
    await lab[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
  });

  /** What is said before the question, which is answered with no; undefined when there is no question. */
  async function asked(): Promise<string | undefined> {
    const terminal = openTerminal([BANGER, 'vm', 'delete', 'web', 'no-such-vm'], {
      env: { ...(lab.env as Record<string, string>), TERM: 'dumb', NO_COLOR: '1' },
      cols: 200,
    });
    await terminal.shows(/\[y\/N\]|Cannot find/);
    if (!terminal.output().includes('[y/N]')) {
      await terminal.ended;
      await lab.text(['vm', 'create', '--name', 'web', ...SMALL]);
      return undefined;
    }
    terminal.type('n\r');
    assert.equal((await terminal.ended).exitCode, 1);
    return terminal.output();
  }

  /** A guest on a busy host may not say in time, again and again, and then there is a question. */
  async function untilSaid(isSo: () => Promise<boolean>): Promise<void> {
    await poll(async () => (await isSo()) || undefined, {
      everyMs: 5,
      deadlineMs: patient(3 * 60_000),
      what: 'the guest to say in time whether it has changes',
      signal: neverAborts(),
    });
  }

  async function isUnasked(): Promise<void> {
    await untilSaid(async () => {
      const said = await asked();
      assert.doesNotMatch(said ?? '', /" has changes/);
      return said === undefined;
    });
  }

  test('asks about what was changed in the VM, not about edits that the host had', async () => {
    for (const words of [['--include-untracked'], ['--branch', 'fix', '--from', first]]) {
      await lab.text(['vm', 'workspace', 'prepare', 'web', repo, ...words]);
      await isUnasked();
    }
    await lab.text(['vm', 'workspace', 'prepare', 'web', repo]);
    await lab.text(['vm', 'exec', 'web', '--', 'sh', '-c', 'echo x >>file']);
    await untilSaid(async () => /vm "web" has changes that were not exported/.test((await asked()) ?? ''));
    await lab.text(['vm', 'workspace', 'export', 'web']);
    await isUnasked();
  });
});
