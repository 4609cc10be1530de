import { rename } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { neverAborts, poll } from '../../../src/base/abort.ts';

/** Marks commands that are not the daemon's; QEMU repeats it in the answer. */
const OWN_ID = 'own';

/** A second controller of a QEMU that a daemon controls. */
export interface OwnMonitor extends AsyncDisposable {
  /** Runs a command while a daemon is connected. */
  run: (command: 'stop' | 'cont') => Promise<void>;
}

/**
 * Takes the place of QEMU's control socket at `path`: passes on what the daemon and QEMU say, and adds
 * commands of its own, whose answers the daemon does not see. QEMU serves one connection at a time, so no
 * daemon may be connected yet.
 */
export async function ownMonitor(path: string): Promise<OwnMonitor> {
  const real = `${path}.real`;
  await rename(path, real);
  let qemu: Socket | undefined;
  let answerCount = 0;
  const server = createServer((daemon) => {
    const connection = connect(real);
    qemu = connection;
    daemon.pipe(connection);
    createInterface({ input: connection }).on('line', (line) => {
      if ((JSON.parse(line) as { id?: unknown }).id === OWN_ID) answerCount += 1;
      else daemon.write(`${line}\n`);
    });
    for (const [one, other] of [
      [daemon, connection],
      [connection, daemon],
    ] as const) {
      one.on('error', () => {});
      one.on('close', () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const until = (what: string, isSo: () => boolean): Promise<true> =>
    poll(() => isSo() || undefined, { everyMs: 20, deadlineMs: 30_000, what, signal: neverAborts() });
  return {
    async run(command) {
      const before = answerCount;
      await until('a daemon to be connected', () => qemu?.readyState === 'open');
      qemu?.write(`${JSON.stringify({ execute: command, id: OWN_ID })}\n`);
      await until('the answer of QEMU', () => answerCount > before);
    },
    async [Symbol.asyncDispose]() {
      qemu?.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rename(real, path);
    },
  };
}
