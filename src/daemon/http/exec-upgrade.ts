import type { Duplex } from 'node:stream';
import { isAppError, messageOf } from '../../base/errors.ts';
import { findRunningVm } from '../../core/vms/find-vm.ts';
import { AGENT_DEADLINE_MS } from '../../core/vms/workspace/prepare-workspace.ts';
import { EXEC_UPGRADE } from '../../protocol/api.ts';
import { encodeJsonFrame, FRAME, FrameDecoder } from '../../protocol/exec-frames.ts';
import type { UpgradeRoute } from './upgrade-route.ts';

/** A command in the guest. The frames pass as they are; when the client goes, the guest's stream is reset, which ends the command's process group. */
export const EXEC_UPGRADE_ROUTE: UpgradeRoute = {
  verb: 'exec',
  protocol: EXEC_UPGRADE,
  async open(app, { ref, signal }) {
    const record = findRunningVm(app.world.records, ref);
    const agent = await app.world.live.agent(record.id, { signal, helloDeadlineMs: AGENT_DEADLINE_MS });
    return await agent.exec({ signal });
  },
  join,
};

function join(socket: Duplex, stream: Duplex): void {
  const frames = new FrameDecoder();
  stream.on('error', (error) => {
    // Between two frames there is room for a last one that says why.
    if (!frames.isAtBoundary || !isAppError(error, 'GUEST_LOST')) socket.destroy();
    else socket.end(encodeJsonFrame(FRAME.error, { code: 'lost', message: messageOf(error) }));
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
