import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { connectVsock } from '../../../src/adapters/guest/vsock.ts';
import { buildInitrd } from '../../../src/adapters/kernel/initrd/build-initrd.ts';
import { FsKernelStore } from '../../../src/adapters/kernel/kernel-store.ts';
import { kernelLayout } from '../../../src/adapters/kernel/layout.ts';
import { type Abortable, onAbort } from '../../../src/base/abort.ts';
import { exec } from '../../../src/base/process/exec.ts';
import { resolvePaths } from '../../../src/config/settings.ts';
import type { GuestEndpoint } from '../../../src/core/ports/guest.ts';
import type { GuestArch } from '../../../src/core/ports/images/guest-arch.ts';
import type { BootSource } from '../../../src/core/ports/vmm/spec.ts';
import { NO_KERNELS } from '../../support/no-kernels.ts';
import { nullLog } from '../../support/null-log.ts';

const GUEST_SOURCE = join(import.meta.dirname, 'guest');
const RESEND_MS = 200;
/** More than all sockets and buffers on the way hold. */
const DEAF_REQUESTS = 3_000;
/** `ms` without reading a byte, after which a guest counts as stuck rather than slow. */
const STUCK_MS = 1_500;

/**
 * Builds the program of `guest/` into `dir` and returns its path. `BANGER_TEST_GUEST` names one that was
 * built on a host with Go.
 */
export async function buildTestGuest(dir: string, { signal }: Abortable): Promise<string> {
  const built = process.env['BANGER_TEST_GUEST'];
  if (built) return built;
  const path = join(dir, 'testguest');
  const env = { ...process.env, CGO_ENABLED: '0' };
  await exec(['go', 'build', '-trimpath', '-o', path, '.'], { cwd: GUEST_SOURCE, env, signal });
  return path;
}

/**
 * A kernel of this user's store with an initramfs in `dir` that contains the test guest; `undefined` when the
 * store has no kernel.
 */
export async function testBootSource(
  dir: string,
  { guestPath, arch, signal }: Abortable & { guestPath: string; arch: GuestArch },
): Promise<BootSource | undefined> {
  const { kernelsDir } = resolvePaths(process.env);
  const agentPath = (): string => guestPath;
  const store = new FsKernelStore({
    kernelsDir,
    source: NO_KERNELS,
    agentPath,
    uid: process.getuid?.() ?? 0,
    env: process.env,
    log: nullLog,
  });
  const kernel = (await store.list()).find((entry) => entry.arch === arch);
  if (!kernel) return undefined;
  const layout = kernelLayout(join(kernelsDir, kernel.name));
  const source = { agentPath: guestPath, modulesDir: layout.bootModules, release: kernel.release };
  const initrd = await buildInitrd(source, { outPath: join(dir, 'initrd'), signal });
  const timerHz = Number(/^CONFIG_HZ=(\d+)$/m.exec(await readFile(layout.config, 'utf8'))?.[1]);
  return {
    arch,
    kernelPath: kernel.kernelPath,
    ...(kernel.vmlinuxPath === undefined ? {} : { vmlinuxPath: kernel.vmlinuxPath }),
    initrdPath: initrd.path,
    bootArgs: [],
    ...(Number.isNaN(timerHz) ? {} : { timerHz }),
  };
}

/**
 * Sends the test guest behind `endpoint` one request of `guest/main.go` and returns its result. Repeats the
 * request until an answer arrives, because a booting guest has no reader yet; the guest executes it only
 * once. If `isUp`, sends it only once.
 *
 * @throws Error with the guest's message when it refuses; the abort reason.
 */
export async function askGuest(
  endpoint: GuestEndpoint,
  request: string,
  { signal, isUp = false }: Abortable & { isUp?: boolean },
): Promise<string> {
  const token = randomBytes(6).toString('hex');
  const socket = await dialGuest(endpoint, { signal });
  using _stop = onAbort(signal, () => socket.destroy(signal.reason));
  socket.on('error', () => {});
  const send = (): unknown => isUp || socket.write(`${token} ${request}\n`);
  const resend = setInterval(send, RESEND_MS);
  try {
    socket.write(`${token} ${request}\n`);
    return await answerTo(token, socket);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    clearInterval(resend);
    socket.destroy();
  }
}

/**
 * Sends many requests to the test guest and reads no answer until disposed. Returns when the guest can write
 * no more.
 */
export async function talkDeaf(socketPath: string): Promise<Disposable> {
  const socket = connect(socketPath);
  socket.on('error', () => {});
  socket.pause();
  await once(socket, 'connect');
  const request = `deaf ping ${'x'.repeat(1000)}\n`;
  for (let sent = 0; sent < DEAF_REQUESTS; sent += 1) socket.write(request);
  // The guest stops reading as soon as it cannot write its answers.
  for (let left = -1; left !== socket.writableLength; ) {
    left = socket.writableLength;
    await setTimeout(STUCK_MS);
  }
  return { [Symbol.dispose]: () => void socket.destroy() };
}

/** Sends a request that ends the guest, so that no answer comes. */
export async function tellGuest(endpoint: GuestEndpoint, request: string): Promise<void> {
  const socket = await dialGuest(endpoint, { signal: AbortSignal.timeout(STUCK_MS) });
  socket.on('error', () => {});
  socket.write(`last ${request}\n`);
  // The guest reads it, or is gone; both close the socket in the end.
  socket.unref();
}

/** Connects to a guest; where the VMM has to connect to it, as soon as it listens. */
async function dialGuest(endpoint: GuestEndpoint, { signal }: Abortable): Promise<Socket> {
  for (;;) {
    const socket = connect(endpoint.path);
    await once(socket, 'connect', { signal });
    if (endpoint.kind === 'unix') return socket;
    if (await connectVsock(socket, { port: endpoint.port, signal })) return socket;
    socket.destroy();
    await setTimeout(10, undefined, { signal });
  }
}

async function answerTo(token: string, socket: Socket): Promise<string> {
  for await (const line of createInterface({ input: socket })) {
    const [of, verdict, ...rest] = line.split(' ');
    if (of !== token) continue;
    if (verdict === 'ok') return rest.join(' ');
    throw new Error(`guest: ${rest.join(' ')}`);
  }
  throw new Error('the guest hung up');
}
