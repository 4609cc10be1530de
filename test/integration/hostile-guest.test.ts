import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { after, before, test } from 'node:test';
import { createGuestConnector } from '../../src/adapters/guest/connector.ts';
import { type Abortable, neverAborts } from '../../src/base/abort.ts';
import { isAppError } from '../../src/base/errors.ts';
import type { GuestAgent } from '../../src/core/ports/guest.ts';
import { HOSTILE_ATTACKS } from '../support/fakes/hostile-agent.ts';

const signal = neverAborts();

/** Processor time that the host may use in one turn of its event loop, in which it serves no other guest. */
const MAX_TURN_MS = 50;
/** Memory that a hostile guest may cost. */
const MAX_GROWTH_BYTES = 96 * 1024 * 1024;
/** How long each attack lasts. */
const ATTACK_MS = 1_000;
/** Links to the same attacker at once. */
const LINKS = 3;
/**
 * A test fails only when its attack delays the host in each of so many rounds. The compiler, the garbage
 * collector and a busy machine cost time in some rounds; a successful attack costs it in all.
 */
const MAX_ROUNDS = 6;

/** A guest in a separate process, so that its work does not count as the host's. */
interface Guest extends AsyncDisposable {
  connect(): Promise<GuestAgent>;
}

async function startGuest(attack: string): Promise<Guest> {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, '../support/fakes/hostile-agent.ts'), attack],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  const exited = once(child, 'exit');
  const [path] = await once(createInterface(child.stdout), 'line');
  const connector = createGuestConnector();
  return {
    connect: () => connector.connect({ kind: 'unix', path }, { signal, helloDeadlineMs: 20_000 }),
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await exited;
    },
  };
}

/**
 * Measures the longest turn of the event loop, in processor time of this thread: other programs on a busy
 * machine do not count.
 */
function watchTurns(): { longestMs(): number } & Disposable {
  let longest = 0;
  let last = process.threadCpuUsage();
  let next: NodeJS.Immediate;
  const turn = (): void => {
    const now = process.threadCpuUsage();
    longest = Math.max(longest, (now.user + now.system - last.user - last.system) / 1000);
    last = now;
    next = setImmediate(turn);
  };
  turn();
  return { longestMs: () => longest, [Symbol.dispose]: () => clearImmediate(next) };
}

/** Sends a hostile guest all requests that the daemon repeats. */
async function ask(link: GuestAgent): Promise<void> {
  const stop = AbortSignal.timeout(ATTACK_MS);
  const options = { signal: stop };
  const asked: Promise<unknown>[] = [link.ports(options), link.stats(options), link.health(options)];
  asked.push(link.run({ argv: ['true'] }, options));
  asked.push(drain(link.watchPorts(options)), drain(link.expose(80, options)), drainPort(link, options));
  for (const result of await Promise.allSettled(asked)) {
    if (result.status === 'fulfilled' || stop.aborted) continue;
    assert.ok(isAppError(result.reason), String(result.reason));
  }
}

async function drain(values: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of values);
}

async function drainPort(link: GuestAgent, options: Abortable): Promise<void> {
  for await (const _ of await link.tcp(80, options));
}

let honest: Guest;
let good: GuestAgent;

before(async () => {
  honest = await startGuest('honest');
  good = await honest.connect();
});

after(async () => {
  await good[Symbol.asyncDispose]();
  await honest[Symbol.asyncDispose]();
});

/** What an attack of a second costs the host, and how often another guest was served meanwhile. */
interface Round {
  turnMs: number;
  growthBytes: number;
  answers: number;
}

function isHarmless({ turnMs, growthBytes, answers }: Round): boolean {
  return turnMs < MAX_TURN_MS && growthBytes < MAX_GROWTH_BYTES && answers > 3;
}

async function suffer(attacker: Guest): Promise<Round> {
  const links = await Promise.all(Array.from({ length: LINKS }, () => attacker.connect()));
  await good.health({ signal });
  const startBytes = process.memoryUsage.rss();
  using turns = watchTurns();
  const asking = Promise.all(links.map(ask));
  let answers = 0;
  let growthBytes = 0;
  for (const end = performance.now() + ATTACK_MS; performance.now() < end; answers += 1) {
    assert.equal((await good.health({ signal })).ready, true);
    growthBytes = Math.max(growthBytes, process.memoryUsage.rss() - startBytes);
  }
  await asking;
  await Promise.all(links.map((link) => link[Symbol.asyncDispose]()));
  return { turnMs: turns.longestMs(), growthBytes, answers };
}

for (const attack of HOSTILE_ATTACKS) {
  test(`a guest that sends ${attack} does not delay others`, { timeout: 60_000 }, async (t) => {
    await using attacker = await startGuest(attack);
    const rounds: Round[] = [];
    while (rounds.length < MAX_ROUNDS && !rounds.some(isHarmless)) rounds.push(await suffer(attacker));
    t.diagnostic(JSON.stringify(rounds));
    assert.ok(rounds.some(isHarmless), JSON.stringify(rounds));
  });
}
