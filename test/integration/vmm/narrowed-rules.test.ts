import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { askCheck, askNetwork } from '../../../src/adapters/vmm/user-network/network-control.ts';
import { networkFiles } from '../../../src/adapters/vmm/user-network/network-files.ts';
import { UserNetwork } from '../../../src/adapters/vmm/user-network/user-network.ts';
import { neverAborts } from '../../../src/base/abort.ts';
import { createLogger } from '../../../src/base/log.ts';
import type { NetworkPolicy } from '../../../src/core/ports/vmm/network.ts';
import { narrowPolicy } from '../../../src/core/vms/network/policy/narrow-policy.ts';
import { resolvePolicy } from '../../../src/core/vms/network/policy/resolve-policy.ts';
import { BUILT_HOST_TOOLS } from '../../support/host-tools.ts';
import { arbitraryRule, TARGETS, targetsOf } from '../../support/network/arbitrary-rules.ts';
import { NO_SECRETS } from '../../support/network/no-secrets.ts';

const limit = { signal: neverAborts() };
const WORLD = {
  presets: { rulesOf: async () => ['b.a.test:443', '10.1.2.3:80', '169.254.169.254:80'] },
  policies: new Map<string, readonly string[]>(),
  secretValues: NO_SECRETS,
};

/** Where names lead: to an address of each kind. */
const ANSWERS = ['8.8.8.8', '10.1.2.3', '169.254.169.254', '127.0.0.1', '168.63.129.16'];

describe('rules narrowed to those of a repository, as a real network decides', () => {
  let runtimeDir: string;
  let network: UserNetwork;
  let vmm: Socket | undefined;
  before(async () => {
    runtimeDir = await mkdtemp(join(tmpdir(), 'banger-narrow-'));
    network = new UserNetwork({
      ...{ vmId: 'test', runtimeDir, hostTools: BUILT_HOST_TOOLS, env: {}, isAdopted: false },
      ...{ secretValues: NO_SECRETS, log: createLogger(() => {}, { level: 'error' }) },
      logPath: join(runtimeDir, 'network.log'),
      decisionsDir: join(runtimeDir, 'decisions'),
      connect: async (path) => {
        vmm = connect(path).on('error', () => {});
        await once(vmm, 'connect');
      },
      disconnect: async () => void vmm?.destroy(),
    });
    await network.set({ mode: 'user', exposedPorts: [] }, limit);
  });
  after(async () => {
    await network.end();
    await rm(runtimeDir, { recursive: true, force: true });
  });

  /** Which of the targets a policy allows. */
  const allowedOf = async (policy: NetworkPolicy, targets: readonly Target[]): Promise<Target[]> => {
    const { controlSocket } = networkFiles(runtimeDir);
    await askNetwork(controlSocket, { do: 'settings', settings: { exposedPorts: [], policy } }, limit);
    const verdicts = await Promise.all(targets.map((target) => askCheck(controlSocket, target, limit)));
    return targets.filter((_, at) => verdicts[at]?.allowed);
  };

  interface Target {
    target: string;
    addresses: string[];
  }
  const target = fc
    .record({ target: fc.constantFrom(...TARGETS), answer: fc.constantFrom(...ANSWERS) })
    .map(({ target, answer }) => ({ target, addresses: target.includes('.test') ? [answer] : [] }));
  const rules = (maxLength: number): fc.Arbitrary<string[]> =>
    fc.array(
      fc.oneof({ arbitrary: arbitraryRule, weight: 9 }, { arbitrary: fc.constant('@npm'), weight: 1 }),
      {
        maxLength,
        size: 'max',
      },
    );

  test('nothing is allowed that the rules of the host refuse', async () => {
    let allowedCount = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.option(rules(12), { nil: undefined }),
        rules(12),
        fc.array(target, { minLength: 30, maxLength: 40 }),
        async (given, asked, targets) => {
          const own = given && (await resolvePolicy(WORLD, given, limit));
          const narrowed = await narrowPolicy(WORLD, own, { to: asked, ...limit });
          const near = narrowed.rules.flatMap(({ rule }) => targetsOf(rule));
          const all = [...targets, ...near.map((target) => ({ target, addresses: ['8.8.8.8'] }))];
          const allowed = await allowedOf({ mode: 'enforce', rules: narrowed.rules }, all);
          const host: NetworkPolicy = own
            ? { mode: 'enforce', rules: own.rules }
            : { mode: 'open', rules: [] };
          assert.deepEqual(await allowedOf(host, allowed), allowed);
          allowedCount += new Set(allowed.map(({ target }) => target)).size;
        },
      ),
      { numRuns: 200 },
    );
    assert.ok(allowedCount > 150, `only ${allowedCount} connections were allowed, so the test shows little`);
  });

  test('what a repository asks for and the host allows in the same words is allowed', async () => {
    await fc.assert(
      fc.asyncProperty(rules(12), rules(12), async (asked, others) => {
        const { rules: all } = await resolvePolicy(WORLD, asked, limit);
        const own = await resolvePolicy(WORLD, [...others, ...asked], limit);
        const narrowed = await narrowPolicy(WORLD, own, { to: asked, ...limit });
        const left = new Set(narrowed.rules.map(({ rule }) => rule));
        assert.deepEqual(
          all.filter(({ rule }) => !left.has(rule)),
          [],
        );
      }),
      { numRuns: 200 },
    );
  });
});
