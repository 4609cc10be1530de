import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_SECRETS } from '../../../../test/support/network/no-secrets.ts';
import { neverAborts } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import type { EgressPolicies } from '../world.ts';
import { knownPresets, resolvePolicy } from './policy/resolve-policy.ts';
import { changedNetwork, networkOfNew } from './requested-network.ts';

const options = { signal: neverAborts() };

/** A host on which npm uses two registries and Go is not installed. */
const WORLD: EgressPolicies = {
  presets: {
    rulesOf: async (name) => {
      if (name === 'npm') return ['one.test:443', 'two.test:443'];
      throw new AppError('NETWORK_PRESET_UNKNOWN', `Cannot use rule "@${name}": it is not here`);
    },
  },
  policies: new Map([['ci', ['@npm', 'api.test:443']]]),
  secretValues: NO_SECRETS,
};

test('a request may spell a network in two ways, which must agree', async () => {
  assert.deepEqual(await networkOfNew(WORLD, {}, options), { mode: 'none' });
  assert.deepEqual(await networkOfNew(WORLD, { nat: true }, options), { mode: 'user' });
  assert.deepEqual(await networkOfNew(WORLD, { nat: false }, options), { mode: 'none' });
  const network = { mode: 'user' } as const;
  assert.deepEqual(await networkOfNew(WORLD, { network, nat: true }, options), network);
  const error = { code: 'REQUEST_INVALID' };
  await assert.rejects(networkOfNew(WORLD, { network, nat: false }, options), error);
  await assert.rejects(changedNetwork(WORLD, network, { network, nat: false }, options), error);
});

test('a repository narrows the rules that a request gives, and never adds to them', async () => {
  const policyOf = async (allow: string[] | undefined, narrowTo: string[]): Promise<unknown> => {
    const network = { mode: 'user', narrowTo, ...(allow ? { policy: { allow } } : {}) } as const;
    return (await networkOfNew(WORLD, { network }, options)).policy;
  };
  const npm = [
    { rule: 'one.test:443', from: '@npm' },
    { rule: 'two.test:443', from: '@npm' },
  ];
  assert.deepEqual(await policyOf(undefined, ['@npm']), { allow: ['@npm'], rules: npm });
  assert.deepEqual(await policyOf(['@npm', 'x.test'], ['*.test:443']), {
    allow: ['@npm', 'x.test:443'],
    rules: [...npm, { rule: 'x.test:443' }],
  });
  assert.deepEqual(await policyOf(['@npm'], ['two.test']), {
    allow: ['two.test:443'],
    rules: [{ rule: 'two.test:443' }],
  });
  const nothing = { allow: [], rules: [] };
  assert.deepEqual(await policyOf(['@npm'], []), nothing);
  assert.deepEqual(await policyOf([], ['@npm', 'x.test']), nothing);
  assert.deepEqual(await policyOf(undefined, ['169.254.169.254:80']), nothing);
  // Go is not installed on this host, so its preset stands for nothing.
  assert.deepEqual(await policyOf(undefined, ['@go', '@npm']), { allow: ['@npm'], rules: npm });
  await assert.rejects(policyOf(undefined, ['@nmp']), { code: 'NETWORK_RULE_INVALID' });
  const cutOff = await networkOfNew(WORLD, { network: { mode: 'none', narrowTo: ['@npm'] } }, options);
  assert.deepEqual(cutOff, { mode: 'none' });
});

test('a change that is not about the network changes nothing', async () => {
  assert.equal(await changedNetwork(WORLD, { mode: 'user' }, {}, options), undefined);
});

test("a policy of the configuration stands for its rules and its presets' rules", async () => {
  const from = '@ci';
  assert.deepEqual(await resolvePolicy(WORLD, ['@ci', 'x.test'], options), {
    allow: ['@ci', 'x.test'],
    rules: [
      { rule: 'one.test:443', from },
      { rule: 'two.test:443', from },
      { rule: 'api.test:443', from },
      { rule: 'x.test' },
    ],
  });
});

test('rules that are the same are kept once', async () => {
  const { allow } = await resolvePolicy(WORLD, ['A.test.', 'a.test', 'tcp/a.test', '@npm', '@npm'], options);
  assert.deepEqual(allow, ['a.test', '@npm']);
});

test('a rule that cannot be read is refused before any tool is asked', async () => {
  const asked: string[] = [];
  const presets = {
    rulesOf: async (name: string) => {
      asked.push(name);
      return ['a.test'];
    },
  };
  await assert.rejects(resolvePolicy({ ...WORLD, presets }, ['@npm', '*'], options), {
    code: 'NETWORK_RULE_INVALID',
  });
  await assert.rejects(resolvePolicy(WORLD, ['@none'], options), /@npm.*@ci/);
  assert.deepEqual(asked, []);
  await assert.rejects(resolvePolicy(WORLD, ['@go'], options), { code: 'NETWORK_PRESET_UNKNOWN' });
});

test('a policy has a limited number of rules', async () => {
  const many = Array.from({ length: 257 }, (_, index) => `h${index}.test`);
  await assert.rejects(resolvePolicy(WORLD, many, options), { code: 'NETWORK_RULE_INVALID' });
  const presets = { rulesOf: async () => many };
  const policies = new Map([['all', ['@npm', '@go', '@pypi', '@crates']]]);
  await assert.rejects(resolvePolicy({ ...WORLD, presets, policies }, ['@all'], options), {
    code: 'NETWORK_RULE_INVALID',
  });
});

test('presets of tools that are not installed are left out of those that are known', async () => {
  const rules = await knownPresets(WORLD, options);
  assert.deepEqual(rules, [
    { rule: 'one.test:443', from: '@npm' },
    { rule: 'two.test:443', from: '@npm' },
  ]);
});
