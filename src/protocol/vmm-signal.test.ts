import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseVmmSignal } from './vmm-signal.ts';

test('a signal is accepted with and without SIG, in upper and lower case', () => {
  for (const text of ['KILL', 'SIGKILL', 'kill', 'sigkill', 'SigKill']) {
    assert.equal(parseVmmSignal(text), 'SIGKILL', text);
  }
  for (const name of ['TERM', 'KILL', 'INT', 'HUP', 'QUIT', 'USR1', 'USR2', 'ABRT']) {
    assert.equal(parseVmmSignal(name), `SIG${name}`);
  }
});

for (const text of [
  '',
  'SIG',
  'STOP',
  'CONT',
  'TSTP',
  '9',
  'SIGRTMIN+1',
  'SEGV',
  ' KILL',
  'KILL\n',
  'SIGSIGKILL',
]) {
  test(`${JSON.stringify(text)} is not a signal for a VM`, () => {
    assert.throws(() => parseVmmSignal(text), {
      code: 'VM_SIGNAL_INVALID',
      hint: 'use one of TERM, KILL, INT, HUP, QUIT, USR1, USR2, ABRT',
    });
  });
}
