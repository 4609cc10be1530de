import childProcess from 'node:child_process';
import { lstatSync } from 'node:fs';
import fsPromises from 'node:fs/promises';
import http2 from 'node:http2';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import { StatementSync } from 'node:sqlite';

/** Any function: the type of the functions of Node's modules that are replaced. */
type AnyFunction = (...args: unknown[]) => unknown;

/** Functions of node:fs/promises that change something. Each return of one is a step. */
const CHANGES = [
  ...['mkdir', 'mkdtemp', 'writeFile', 'rename', 'rm', 'copyFile'],
  ...['truncate', 'symlink', 'link', 'chmod', 'utimes'],
];

/**
 * Calls `onStep` after every effect of this process on the outside: a change of a file system, a write to a
 * database, a program that it starts or signals, a command to a VMM, a request to a guest. Reads do not
 * count, and repeated queries of a VMM count once. With this a test can interrupt the daemon between any two
 * steps, and the daemon needs no code for it.
 */
export async function hookSteps(onStep: (what: string) => void): Promise<void> {
  const files = fsPromises as unknown as Record<string, AnyFunction>;
  for (const name of CHANGES) replaceAsync(files, name, onStep);
  replaceOpen(files, onStep);
  await using file = await fsPromises.open('/dev/null', 'r');
  const handle = Object.getPrototypeOf(file) as Record<string, AnyFunction>;
  for (const name of ['truncate', 'sync', 'datasync', 'writeFile']) replaceAsync(handle, name, onStep);
  replace(
    StatementSync.prototype,
    'run',
    (original) =>
      function (this: unknown, ...args) {
        const result = original.apply(this, args);
        const state = /"state":"([a-z]+)"/.exec(String(args.at(1)) + String(args.at(2)))?.[1];
        onStep(`record ${state ?? ''}`.trim());
        return result;
      },
  );
  const processes = childProcess as unknown as Record<string, AnyFunction>;
  replace(processes, 'spawn', (original) => (program, ...rest) => {
    const child = original(program, ...rest);
    onStep(`spawn ${String(program).split('/').at(-1)}`);
    return child;
  });
  replace(process, 'kill', (original) => (pid, name) => {
    const result = original.call(process, pid, name);
    onStep(`kill ${String(name)}`);
    return result;
  });
  hookCommands(onStep);
  replace(http2 as unknown as Record<string, AnyFunction>, 'connect', (original) => (...args) => {
    const session = original(...args) as Record<string, AnyFunction>;
    replace(session, 'request', (request) => (...of) => {
      const stream = request.apply(session, of);
      onStep(`agent ${String((of[0] as Record<string, unknown>)[':path'])}`);
      return stream;
    });
    return session;
  });
  syncBuiltinESMExports();
}

/** Each command to a VMM is one line of JSON. Repeated queries count once, until another command follows. */
function hookCommands(onStep: (what: string) => void): void {
  let last = '';
  replace(
    net.Socket.prototype,
    'write',
    (original) =>
      function (this: unknown, ...args) {
        const result = original.apply(this, args);
        const command = /^\{"execute":"([a-z_-]+)"/.exec(typeof args[0] === 'string' ? args[0] : '')?.[1];
        if (command && !(command === last && command.startsWith('query-'))) onStep(`qmp ${command}`);
        if (command) last = command;
        return result;
      },
  );
}

function replaceAsync(
  target: Record<string, AnyFunction>,
  name: string,
  onStep: (what: string) => void,
): void {
  replace(
    target,
    name,
    (original) =>
      async function (this: unknown, ...args) {
        const isIdle = name === 'rm' && !isThere(String(args[0]));
        const result = await original.apply(this, args);
        if (!isIdle) onStep(`${name} ${shortPath(args)}`.trim());
        return result;
      },
  );
}

function replaceOpen(files: Record<string, AnyFunction>, onStep: (what: string) => void): void {
  replace(files, 'open', (original) => async (...args) => {
    const result = await original(...args);
    if (typeof args[1] === 'string' && args[1] !== 'r') onStep(`open ${shortPath(args)}`);
    return result;
  });
}

function replace<T extends object>(
  target: T,
  name: string,
  wrap: (original: AnyFunction) => AnyFunction,
): void {
  const original = Reflect.get(target, name) as AnyFunction;
  Object.defineProperty(target, name, { value: wrap(original), configurable: true, writable: true });
}

function shortPath([path]: readonly unknown[]): string {
  return typeof path === 'string' ? path.split('/').slice(-2).join('/') : '';
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
