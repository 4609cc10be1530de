import type { Duplex } from 'node:stream';
import { isAppError, messageOf } from '../../base/errors.ts';
import { findRunningVm } from '../../core/vms/find-vm.ts';
import { AGENT_DEADLINES_MS } from '../../core/vms/guest/agent-deadlines.ts';
import { finishLeftCopy } from '../../core/vms/workspace/finish-copy.ts';
import { type ExecQuery, execQuery } from '../../protocol/api/guest-queries.ts';
import { EXEC_UPGRADE } from '../../protocol/api.ts';
import { encodeJsonFrame, FRAME, FrameDecoder } from '../../protocol/exec-frames.ts';
import type { ExecFailureCode } from '../../protocol/guest.ts';
import type { UpgradeRoute } from './upgrade-route.ts';

/**
 * A command in the guest. Passes the frames through unchanged. When the client disconnects, the guest's
 * stream is reset, which ends the command's process group.
 */
export const EXEC_UPGRADE_ROUTE: UpgradeRoute<ExecQuery> = {
  verb: 'exec',
  summary: 'Run a command: after the upgrade, exec frames both ways (docs/agent-protocol.md)',
  query: execQuery,
  protocol: EXEC_UPGRADE,
  async open(app, { ref, query: { timeoutMs }, signal }) {
    const record = findRunningVm(app.world.records, ref);
    await finishLeftCopy(app.world, record, { signal });
    const agent = await app.world.live.agent(record.id, {
      signal,
      helloDeadlineMs: AGENT_DEADLINES_MS.stream,
    });
    return await agent.exec({ signal, timeoutMs });
  },
  join,
};

/** The code for the last frame, when the guest's stream has ended without one. */
function endCodeOf(error: unknown): ExecFailureCode | undefined {
  if (isAppError(error, 'GUEST_LOST')) return 'lost';
  return isAppError(error, 'HOST_NO_SPACE') ? 'no_space' : undefined;
}

function join(socket: Duplex, stream: Duplex): void {
  const frames = new FrameDecoder();
  stream.on('error', (error) => {
    // Between two frames, a last one can still say why.
    const code = endCodeOf(error);
    if (!frames.isAtBoundary || code === undefined) socket.destroy();
    else socket.end(encodeJsonFrame(FRAME.error, { code, message: messageOf(error) }));
  });
  stream.once('close', () => {
    if (!stream.readableEnded && !socket.writableEnded) socket.destroy();
  });
  socket.once('close', () => stream.destroy());
  socket.once('end', () => stream.destroy());
  socket.pipe(stream, { end: false });
  stream.pipe(socket);
  stream.on('data', (chunk: Buffer) => {
    try {
      frames.push(chunk);
    } catch (error) {
      stream.destroy(error as Error);
    }
  });
}
