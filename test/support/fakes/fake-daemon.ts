import { statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { DaemonStatus } from '../../../src/protocol/api/daemon.ts';
import type { Image } from '../../../src/protocol/api/image.ts';
import type { Kernel } from '../../../src/protocol/api/kernel.ts';
import type { Operation } from '../../../src/protocol/api/operation.ts';
import type { SetVmRequest } from '../../../src/protocol/api/vm-requests.ts';
import type { WorkspaceSummary } from '../../../src/protocol/api/workspace.ts';
import { EXEC_UPGRADE, VERSION_HEADER } from '../../../src/protocol/api.ts';
import { type ErrorBody, JSON_LINES_TYPE } from '../../../src/protocol/events.ts';
import type { Vm } from '../../../src/protocol/vm.ts';
import { type GuestRecord, serveGuest } from './fake-guest.ts';

/** A request that the daemon received. */
export interface SeenRequest {
  method: string;
  path: string;
  body: unknown;
}

/** A scripted answer, sent instead of the fake's own. */
export type Answer = (request: SeenRequest, response: ServerResponse) => void | Promise<void>;

/**
 * A daemon without VMs. It speaks the API over a real socket, keeps records in memory and runs commands on
 * this host.
 */
export interface FakeDaemon extends AsyncDisposable {
  readonly socketPath: string;
  readonly requests: SeenRequest[];
  readonly vms: Map<string, Vm>;
  readonly images: Image[];
  readonly kernels: Kernel[];
  readonly operations: Operation[];
  /** commands that were run */
  readonly guests: GuestRecord[];
  /** value of the version header */
  versionLabel: string;
  /** scripted answers by `METHOD /path` (without query) */
  readonly answers: Map<string, Answer>;
  /** ids of VMs whose guests never answer a command */
  readonly hangs: Set<string>;
  /** `ms` that making a VM takes */
  createMs: number;
  /** how many creations ended because the client hung up */
  cancelledCount: number;
  /** Breaks every connection and stops listening, as a daemon that is killed does. */
  die(): Promise<void>;
}

/** Starts a fake daemon on `socketPath`. */
export async function startFakeDaemon(socketPath: string): Promise<FakeDaemon> {
  const sockets = new Set<Socket>();
  const daemon: FakeDaemon = {
    socketPath,
    requests: [],
    vms: new Map(),
    images: [],
    kernels: [],
    operations: [],
    guests: [],
    versionLabel: 'dev+unknown.unknown',
    answers: new Map(),
    hangs: new Set(),
    createMs: 0,
    cancelledCount: 0,
    async die() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
    async [Symbol.asyncDispose]() {
      await daemon.die();
    },
  };
  const server = createServer((request, response) => {
    void answer(daemon, request, response);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('upgrade', (request, socket) => upgrade(daemon, request, socket));
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  return daemon;
}

/** A VM as the daemon's API returns it. */
export function fakeVm(fields: Partial<Vm> & { name: string }): Vm {
  return {
    id: `id${Buffer.from(fields.name).toString('hex').padEnd(30, '0').slice(0, 30)}`,
    state: 'running',
    image: 'debian-bookworm',
    shape: { vcpuCount: 2, memoryMib: 2048, diskSizeBytes: 2 ** 33, systemOverlaySizeBytes: 2 ** 33 },
    nat: false,
    guest_ip: '127.77.1.2',
    web_url: 'http://web.localhost:7480/',
    ephemeral: false,
    runtime: { vmm: 'qemu', accelerator: 'tcg', pid: 4242, startedAt: '2026-01-01T00:00:00.000Z' },
    createdAt: '2026-01-01T00:00:00.000Z',
    updatedAt: '2026-01-01T00:00:00.000Z',
    ...fields,
  };
}

/** The commit of every working tree. */
export const PACK_ID = 'pack-1';

/** Sends one JSON answer. */
export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

/** Sends events as JSON lines and ends the answer. */
export function sendEvents(response: ServerResponse, events: readonly unknown[]): void {
  response.writeHead(200, { 'content-type': JSON_LINES_TYPE });
  response.end(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
}

async function answer(daemon: FakeDaemon, request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.setHeader(VERSION_HEADER, daemon.versionLabel);
  const seen = await see(daemon, request);
  const scripted = daemon.answers.get(`${seen.method} ${seen.path.split('?')[0]}`);
  if (scripted) return await scripted(seen, response);
  const [, , area = '', ref = '', verb = ''] = (seen.path.split('?')[0] ?? '').split('/');
  const vm = findVm(daemon, decodeURIComponent(ref));
  switch (`${seen.method} ${area}${ref ? '/REF' : ''}${verb ? `/${verb}` : ''}`) {
    case 'GET vms':
      return sendJson(response, 200, {
        vms: [...daemon.vms.values()].filter(
          ({ state }) => seen.path.includes('all=1') || state === 'running',
        ),
      });
    case 'POST vms':
      return await create(daemon, seen, response);
    case 'GET daemon':
      return sendJson(response, 200, statusOf(daemon));
    case 'GET images':
      return sendJson(response, 200, { images: daemon.images });
    case 'GET kernels':
      return sendJson(response, 200, { kernels: daemon.kernels });
    case 'GET vms/REF':
      return vm ? sendJson(response, 200, vm) : notFound(response, ref);
    case 'POST vms/REF/start':
    case 'POST vms/REF/stop':
    case 'POST vms/REF/restart':
    case 'POST vms/REF/kill':
      return vm ? changeState(daemon, { vm, verb, response }) : notFound(response, ref);
    case 'POST vms/REF/set':
      return vm
        ? change(daemon, response, { changed: setOf(vm, seen.body), stage: verb })
        : notFound(response, ref);
    case 'POST vms/REF/rename':
      return vm
        ? change(daemon, response, { changed: { ...vm, ...(seen.body as object) }, stage: verb })
        : notFound(response, ref);
    case 'POST vms/REF/wait':
      return vm ? change(daemon, response, { changed: vm, stage: verb }) : notFound(response, ref);
    case 'GET vms/REF/stat':
      return vm ? statOnHost(seen.path, response) : notFound(response, ref);
    case 'GET operations':
      return sendJson(response, 200, { operations: daemon.operations });
    case 'DELETE vms/REF':
      if (!vm) return notFound(response, ref);
      daemon.vms.delete(vm.id);
      return sendEvents(response, [{ event: 'result', value: vm }]);
    case 'POST workspaces/REF':
      if (ref !== 'pack') return sendJson(response, 200, summaryOf(seen.body));
      return sendEvents(response, [
        { event: 'result', value: { packId: PACK_ID, summary: summaryOf(seen.body) } },
      ]);
    case 'POST vms/REF/workspace':
      return sendEvents(response, [
        { event: 'progress', stage: 'copy workspace', detail: '3 files', elapsedMs: 1 },
        { event: 'result', value: { ...summaryOf(seen.body), guestPath: '/root/repo', bytes: 12 } },
      ]);
    default:
      return sendJson(response, 404, {
        code: 'ROUTE_NOT_FOUND',
        message: `no route ${seen.method} ${seen.path}`,
      });
  }
}

async function see(daemon: FakeDaemon, request: IncomingMessage): Promise<SeenRequest> {
  const text = (await Array.fromAsync(request as AsyncIterable<Buffer>)).join('');
  const seen = {
    method: request.method ?? '',
    path: request.url ?? '',
    body: text === '' ? undefined : JSON.parse(text),
  };
  daemon.requests.push(seen);
  return seen;
}

async function create(daemon: FakeDaemon, { body }: SeenRequest, response: ServerResponse): Promise<void> {
  const wanted = body as Partial<Vm['shape']> & {
    name?: string;
    image?: string;
    noStart?: boolean;
    nat?: boolean;
    ephemeral?: boolean;
  };
  const vm = fakeVm({
    name: wanted.name ?? 'calm-otter',
    image: wanted.image ?? 'debian-bookworm',
    state: wanted.noStart ? 'created' : 'running',
    nat: wanted.nat ?? false,
    ephemeral: wanted.ephemeral ?? false,
  });
  vm.shape = { ...vm.shape, ...(wanted.vcpuCount ? { vcpuCount: wanted.vcpuCount } : {}) };
  response.writeHead(200, { 'content-type': JSON_LINES_TYPE });
  const send = (event: unknown): void => void response.write(`${JSON.stringify(event)}\n`);
  send({ event: 'operation', id: 'op-0000cafe' });
  send({ event: 'spec', name: vm.name, image: vm.image, shape: vm.shape });
  send({ event: 'progress', stage: 'boot', detail: 'waiting for the guest', elapsedMs: 1 });
  let isCancelled = false;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, daemon.createMs);
    response.once('close', () => {
      isCancelled = true;
      clearTimeout(timer);
      if (vm.ephemeral) daemon.vms.delete(vm.id);
      resolve();
    });
  });
  if (isCancelled) {
    daemon.cancelledCount += 1;
    return;
  }
  daemon.vms.set(vm.id, vm);
  send({ event: 'result', value: vm });
  if (!vm.ephemeral) response.end();
}

function changeState(
  daemon: FakeDaemon,
  { vm, verb, response }: { vm: Vm; verb: string; response: ServerResponse },
): void {
  const state = verb === 'start' || verb === 'restart' ? 'running' : 'stopped';
  change(daemon, response, { changed: { ...vm, state }, stage: verb });
}

function change(
  daemon: FakeDaemon,
  response: ServerResponse,
  { changed, stage }: { changed: Vm; stage: string },
): void {
  daemon.vms.set(changed.id, changed);
  sendEvents(response, [
    { event: 'operation', id: 'op-0000cafe' },
    { event: 'progress', stage, elapsedMs: 1 },
    { event: 'result', value: changed },
  ]);
}

function setOf(vm: Vm, body: unknown): Vm {
  const { nat = vm.nat, ...shape } = body as SetVmRequest;
  return { ...vm, nat, shape: { ...vm.shape, ...shape } };
}

function upgrade(daemon: FakeDaemon, request: IncomingMessage, socket: Duplex): void {
  const path = request.url ?? '';
  daemon.requests.push({ method: request.method ?? '', path, body: undefined });
  const vm = findVm(daemon, path.split('/')[3] ?? '');
  if (vm?.state !== 'running') {
    const body = JSON.stringify(vm ? notRunning(vm) : noSuchVm(path.split('/')[3] ?? ''));
    socket.end(
      `HTTP/1.1 ${vm ? '409 Conflict' : '404 Not Found'}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
    );
    return;
  }
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: ${EXEC_UPGRADE}\r\n${VERSION_HEADER}: ${daemon.versionLabel}\r\n\r\n`,
  );
  if (daemon.hangs.has(vm.id)) return;
  serveGuest(socket, (record) => daemon.guests.push(record));
}

function findVm(daemon: FakeDaemon, ref: string): Vm | undefined {
  return [...daemon.vms.values()].find(({ id, name }) => id === ref || name === ref);
}

function notFound(response: ServerResponse, ref: string): void {
  sendJson(response, 404, noSuchVm(ref));
}

function noSuchVm(ref: string): ErrorBody {
  return { code: 'VM_NOT_FOUND', message: `Cannot find a vm "${ref}"`, hint: 'banger vm list --all' };
}

function notRunning({ name, state }: Vm): ErrorBody {
  return { code: 'VM_NOT_RUNNING', message: `vm "${name}" is not running (state: ${state})` };
}

function statusOf(daemon: FakeDaemon): DaemonStatus {
  return {
    pid: 4242,
    version: 'dev',
    build: daemon.versionLabel,
    socketPath: daemon.socketPath,
    logPath: '/nowhere/bangerd.log',
    startedAt: '2026-01-01T00:00:00.000Z',
    runningVmCount: daemon.vms.size,
    activeRequestCount: 0,
    rssBytes: 50 * 2 ** 20,
  };
}

/** The guest's files are those of this host. */
function statOnHost(url: string, response: ServerResponse): void {
  const path = new URL(url, 'http://daemon').searchParams.get('path') ?? '';
  const found = statSync(path, { throwIfNoEntry: false });
  if (found) {
    sendJson(response, 200, { kind: found.isDirectory() ? 'directory' : 'file', sizeBytes: found.size });
  } else sendJson(response, 404, { code: 'GUEST_PATH_NOT_FOUND', message: `Cannot find "${path}"` });
}

function summaryOf(body: unknown): WorkspaceSummary {
  const { path } = body as { path: string };
  return {
    repoRoot: path,
    repoName: 'repo',
    branch: 'main',
    headCommit: 'c0ffee',
    trackedCount: 3,
    untrackedCount: 2,
  };
}
