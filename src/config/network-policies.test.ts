import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppError } from '../base/errors.ts';
import { parseConfig } from './config-file.ts';

test('policies of networks are lists of rules and presets, by name', () => {
  const source =
    '[network.policies.ci]\nallow = ["@npm", "example.com:443"]\n[network.policies.none]\nallow = []\n';
  const { network } = parseConfig(source, 'config.toml');
  assert.deepEqual(
    [...(network?.policies ?? [])],
    [
      ['ci', ['@npm', 'example.com:443']],
      ['none', []],
    ],
  );
});

test('every problem of a policy is named with its place', () => {
  for (const [source, problem] of [
    ['[network.policies.ci]\n', '"network.policies.ci.allow" must be a list'],
    ['[network.policies.ci]\nallow = "a.test"\n', '"network.policies.ci.allow" must be a list'],
    ['[network.policies.ci]\nallow = ["*"]\n', 'Cannot use rule "*"'],
    ['[network.policies.ci]\nallow = ["@other"]\n', 'which is no preset'],
    ['[network.policies.ci]\nallow = []\ndeny = []\n', '"network.policies.ci.deny" is not a known key'],
    ['[network.policies.npm]\nallow = []\n', 'has the name of a preset'],
    ['[network.policies."A b"]\nallow = []\n', 'must be named by'],
    ['[network]\npolicies = 3\n', 'must have [network.policies.NAME] tables'],
  ] as const) {
    assert.throws(
      () => parseConfig(source, 'config.toml'),
      (error) =>
        error instanceof AppError && error.code === 'CONFIG_INVALID' && error.message.includes(problem),
      source,
    );
  }
});
