import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openTerminal } from '../support/cli/terminal.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';

const BANGER = fileURLToPath(new URL('../../bin/banger', import.meta.url));

describe('vm ssh from a terminal that the guest does not describe', { concurrency: false }, () => {
  let lab: Lab;

  before(async () => {
    lab = await openLab();
    await lab.text(['vm', 'create', '--name', 'box', ...SMALL]);
  });
  after(() => lab[Symbol.asyncDispose]());

  /** What ssh shows in a terminal of this kind, where the user types `typed`. */
  async function shown(term: string, words: readonly string[], typed = ''): Promise<string> {
    using terminal = openTerminal(['env', `TERM=${term}`, BANGER, 'vm', 'ssh', ...words], {
      env: lab.env as Record<string, string>,
    });
    terminal.type(typed);
    await terminal.ended;
    return terminal.output();
  }

  test('has one that it describes: for a command with a terminal, and in a login shell', async () => {
    const say = 'tput cols && echo "<$TERM>"';
    assert.match(await shown('xterm-ghostty', ['-t', 'box', '--', say]), /80\r\n<xterm-256color>/);
    assert.match(await shown('foot', ['box'], `${say}; exit\n`), /80\r\n<xterm-256color>/);
  });

  test('keeps one that the guest describes, and any name without a terminal', async () => {
    assert.match(await shown('rxvt', ['-t', 'box', '--', 'echo "<$TERM>"']), /<rxvt>/);
    const ran = await lab.run(['vm', 'ssh', 'box', '--', 'echo "<$TERM>"'], { env: { TERM: 'foot' } });
    assert.equal(ran.stdout.toString(), '<dumb>\n');
  });
});
