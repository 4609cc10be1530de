import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';

/** An event of the DevTools protocol. */
export interface PageEvent {
  method: string;
  params: Record<string, unknown>;
}

/** A page in a tab of its own. */
export interface Page {
  /** Returns the value of an expression in the page, which must be a string; `undefined` when it fails. */
  evaluate(expression: string): Promise<string | undefined>;
  /** what has happened in the page since it was opened */
  events: readonly PageEvent[];
}

/** A browser without a window. Disposing ends it. */
export interface Chromium extends AsyncDisposable {
  open(url: string): Promise<Page>;
}

interface Answer {
  id?: number;
  sessionId?: string;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { message: string };
}

/** Finds names below localhost by itself, `*.vm` at `vmAddress`, and no others. */
const resolverRules = (vmAddress: string): string =>
  `MAP *.vm ${vmAddress}, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.*`;

/**
 * Starts Chromium with a profile in `profileDir`. It gets its commands over pipes, so it listens nowhere, and
 * it reaches this host's loopback only.
 */
export async function startChromium({
  program,
  profileDir,
  vmAddress,
}: {
  program: string;
  profileDir: string;
  vmAddress: string;
}): Promise<Chromium> {
  const flags = [
    ...['--headless=new', '--remote-debugging-pipe', `--user-data-dir=${profileDir}`, '--no-first-run'],
    ...['--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking', '--disable-sync'],
    ...[
      '--disable-component-update',
      '--no-proxy-server',
      `--host-resolver-rules=${resolverRules(vmAddress)}`,
    ],
    // Chromium refuses to run its sandbox as root.
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
  ];
  const child = spawn(program, flags, { stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'pipe'] });
  await once(child, 'spawn');
  const ended = once(child, 'exit');
  const [, , , input, output] = child.stdio as unknown as [null, null, null, Writable, Readable];
  const devTools = new DevTools(input, output);
  return {
    async open(url) {
      const { targetId } = await devTools.command('Target.createTarget', { url: 'about:blank' });
      const attached = await devTools.command('Target.attachToTarget', { targetId, flatten: true });
      const sessionId = String(attached['sessionId']);
      const events = devTools.eventsOf(sessionId);
      for (const domain of ['Network', 'Page', 'Runtime'])
        await devTools.command(`${domain}.enable`, {}, sessionId);
      await devTools.command('Page.navigate', { url }, sessionId);
      return {
        events,
        async evaluate(expression) {
          const { result } = await devTools.command('Runtime.evaluate', { expression }, sessionId);
          const { value } = result as { value?: unknown };
          return typeof value === 'string' ? value : undefined;
        },
      };
    },
    async [Symbol.asyncDispose]() {
      child.kill();
      await ended;
    },
  };
}

/** The DevTools protocol over pipes: JSON values, each followed by a zero byte. */
class DevTools {
  readonly #input: Writable;
  readonly #waiting = new Map<number, PromiseWithResolvers<Record<string, unknown>>>();
  readonly #events = new Map<string, PageEvent[]>();
  #lastId = 0;

  constructor(input: Writable, output: Readable) {
    this.#input = input;
    input.on('error', () => {});
    let rest = '';
    output.setEncoding('utf8');
    output.on('data', (text: string) => {
      const parts = (rest + text).split('\0');
      rest = parts.pop() ?? '';
      for (const part of parts) this.#take(JSON.parse(part) as Answer);
    });
    output.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('Chromium has ended'));
    });
  }

  async command(
    method: string,
    params: Record<string, unknown>,
    sessionId?: string,
  ): Promise<Record<string, unknown>> {
    this.#lastId += 1;
    const id = this.#lastId;
    const answer = Promise.withResolvers<Record<string, unknown>>();
    this.#waiting.set(id, answer);
    const session = sessionId === undefined ? {} : { sessionId };
    this.#input.write(`${JSON.stringify({ id, method, params, ...session })}\0`);
    return await answer.promise;
  }

  /** The list to which later events of a session are added. */
  eventsOf(sessionId: string): readonly PageEvent[] {
    const events: PageEvent[] = [];
    this.#events.set(sessionId, events);
    return events;
  }

  #take({ id, sessionId, method, params = {}, result = {}, error }: Answer): void {
    if (id === undefined) {
      if (method !== undefined && sessionId !== undefined)
        this.#events.get(sessionId)?.push({ method, params });
      return;
    }
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) waiting?.reject(new Error(`Chromium: ${error.message}`));
    else waiting?.resolve(result);
  }
}
