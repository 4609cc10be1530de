import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { neverAborts } from '../base/abort.ts';
import { encodeJsonFrame, FRAME } from '../protocol/exec-frames.ts';
import { startExec } from './exec-session.ts';

test('a command whose guest is lost says where to look, with the VM that the caller named', async () => {
  const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  using session = startExec(stream, { argv: ['true'] }, { ref: 'web', signal: neverAborts() });
  stream.push(encodeJsonFrame(FRAME.error, { code: 'lost', message: 'the link to the guest was lost' }));
  await assert.rejects(session.collect(), { code: 'GUEST_LOST', hint: 'banger vm logs web' });
});
