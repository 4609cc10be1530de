import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { neverAborts } from '../../src/base/abort.ts';
import { type BangerClient, createClient } from '../../src/sdk/client.ts';
import { useOf } from '../support/network/connection-load.ts';
import { END_LISTENERS, GARBAGE, LISTENERS, RATE_FILE } from '../support/network/hostile-guests.ts';
import { until } from '../support/until.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';

const signal = neverAborts();

/** Ports that the daemon forwards of one guest in a second. */
const MAX_FORWARDED = 64;

/** Commands of which the median is taken. */
const RUNS = 9;
/** Other VMs of the host, and other programs, slow down some rounds. A successful attack slows down all. */
const MAX_ROUNDS = 5;
const MOST_GROWTH_BYTES = 64 * 2 ** 20;

describe('a hostile guest', { concurrency: false }, () => {
  let lab: Lab;
  let client: BangerClient;
  before(async () => {
    lab = await openLab();
    client = createClient({ socketPath: lab.paths.daemonSocket });
    for (const name of ['neighbour', 'hostile']) await lab.text(['vm', 'create', '--name', name, ...SMALL]);
  });
  after(() => lab[Symbol.asyncDispose]());

  const inHostile = (script: string, ...words: string[]): Promise<string> =>
    lab.text(['vm', 'exec', 'hostile', '--', 'sh', '-c', script, ...words]);

  async function execMs(): Promise<number> {
    const times: number[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      const begun = performance.now();
      const ran = await client.exec('neighbour', { argv: ['true'] }, { signal });
      assert.deepEqual((await ran.collect()).exit, { code: 0 });
      times.push(performance.now() - begun);
    }
    return times.sort((a, b) => a - b)[Math.floor(RUNS / 2)] ?? 0;
  }

  /** The daemon's warnings and errors that name a VM. */
  const warnings = (): { vm?: string; vmId?: string; msg: string }[] =>
    readFileSync(lab.paths.daemonLogFile, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { level: string; vm?: string; vmId?: string; msg: string })
      .filter(({ level, vmId }) => vmId !== undefined && (level === 'warn' || level === 'error'));

  test('that opens and closes a thousand listeners a second is named once, and other VMs stay as quick', async (t) => {
    const pid = await lab.daemonPid();
    const before = useOf(pid);
    const rounds: { usualMs: number; floodedMs: number }[] = [];
    let perSecond = 0;
    const isGood = (): boolean => rounds.some(({ usualMs, floodedMs }) => floodedMs < 2 * usualMs);
    while (rounds.length < MAX_ROUNDS && !isGood()) {
      const usualMs = await execMs();
      await inHostile('python3 -c "$0" >/dev/null 2>&1 & echo', LISTENERS);
      await until(() => warnings().length > 0, { what: 'the daemon to name the guest' });
      rounds.push({ usualMs, floodedMs: await execMs() });
      perSecond = Number(await inHostile(`cat ${RATE_FILE}; ${END_LISTENERS}`));
    }
    t.diagnostic(JSON.stringify({ rounds, perSecond }));
    assert.ok(perSecond > MAX_FORWARDED, `only ${perSecond} listeners a second`);
    assert.ok(isGood(), JSON.stringify(rounds));
    assert.deepEqual(
      warnings().map(({ vm }) => vm),
      ['hostile'],
    );
    const after = useOf(pid);
    assert.ok(after.memoryBytes - before.memoryBytes < MOST_GROWTH_BYTES, JSON.stringify({ before, after }));
    assert.ok(after.descriptorCount < before.descriptorCount + 1_200, JSON.stringify({ before, after }));
  });

  test('that writes garbage to the daemon and never reads is given up, and other VMs stay as quick', async (t) => {
    const pid = await lab.daemonPid();
    const before = useOf(pid);
    const usualMs = await execMs();
    const earlier = warnings().length;
    await inHostile('setsid python3 -c "$0" >/dev/null 2>&1 & echo', GARBAGE);
    // The daemon keeps trying: it looks for ports, and a user asks for something.
    const asked = lab.run(['vm', 'exec', 'hostile', '--', 'sleep', '60']);
    const times: number[] = [];
    const isNamed = async (): Promise<boolean> => {
      times.push(await execMs());
      return warnings().length > earlier;
    };
    await until(isNamed, { what: 'the daemon to name the guest', everyMs: 1_000, deadlineMs: 120_000 });
    assert.notEqual((await asked).code, 0);
    times.push(await execMs());
    t.diagnostic(JSON.stringify({ usualMs, times }));
    assert.ok(Math.min(...times) < 2 * usualMs, JSON.stringify({ usualMs, times }));
    const after = useOf(pid);
    assert.ok(after.memoryBytes - before.memoryBytes < MOST_GROWTH_BYTES, JSON.stringify({ before, after }));
    assert.deepEqual(
      warnings()
        .slice(earlier)
        .map(({ vm, msg }) => [vm, msg]),
      [['hostile', 'a guest does not say which ports it has']],
    );
    await lab.text(['vm', 'delete', 'hostile']);
    assert.doesNotMatch(await lab.text(['vm', 'list', '--all']), /hostile/);
  });
});
