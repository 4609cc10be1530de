import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'smol-toml';
import { isAppError } from '../base/errors.ts';
import { parseConfig } from './config-file.ts';

const PATH = '/c/config.toml';

test('an empty file is valid; all keys are read, and sizes become bytes', () => {
  assert.deepEqual(parseConfig('', PATH), {});
  const source = `
    log_level = "debug"
    auto_stop_stale_after = "1h30m"
    auto_suspend_after = "20m"
    stats_poll_interval = "2s"
    default_image_name = "debian-bookworm"
    [vm_defaults]
    vcpu = 2
    memory_mib = 1024
    disk_size = "8G"
    system_overlay_size = "512M"`;
  assert.deepEqual(parseConfig(source, PATH), {
    log_level: 'debug',
    auto_stop_stale_after: 5_400_000,
    auto_suspend_after: 1_200_000,
    stats_poll_interval: 2_000,
    default_image_name: 'debian-bookworm',
    vm_defaults: { vcpu: 2, memory_mib: 1024, disk_size: 2 ** 33, system_overlay_size: 2 ** 29 },
  });
});

for (const [source, problem] of [
  ['log_level = "loud"', /"log_level" must be one of debug/],
  ['log_level = 1', /"log_level"/],
  ['auto_stop_stale_after = 90', /"auto_stop_stale_after" must be a time such as "90m"/],
  ['auto_stop_stale_after = "90"', /"auto_stop_stale_after" must be a time such as "90m"/],
  ['auto_stop_stale_after = "soon"', /"soon" for auto_stop_stale_after: it is not a duration/],
  ['auto_suspend_after = 20', /"auto_suspend_after" must be a time such as "90m"/],
  ['stats_poll_interval = 10', /"stats_poll_interval" must be a time/],
  ['stats_poll_interval = "100ms"', /"stats_poll_interval" must be "0", which is never, or at least "1s"/],
  ['default_image_name = ""', /"default_image_name"/],
  ['unknown = 1', /"unknown" is not a known key/],
  ['bridge_name = "br-fc"', /"bridge_name" is not a known key \(VMs are on no bridge/],
  ['vm_defaults = 1', /"vm_defaults" must be a table/],
  ['vm_defaults = [1]', /"vm_defaults" must be a table/],
  ['vm_defaults = 2026-01-01', /"vm_defaults" must be a table/],
  ['[vm_defaults]\nvcpu = 0', /"vm_defaults.vcpu" must be a whole number above 0/],
  ['[vm_defaults]\nvcpu = 1.5', /"vm_defaults.vcpu"/],
  ['[vm_defaults]\nvcpu = "2"', /"vm_defaults.vcpu"/],
  ['[vm_defaults]\ndisk_size = 8', /"vm_defaults.disk_size" must be a size/],
  ['[vm_defaults]\ndisk_size = "much"', /vm_defaults.disk_size/],
  ['[vm_defaults]\ncpus = 2', /"vm_defaults.cpus" is not a known key/],
  ['"vm_defaults.vcpu" = 2', /not a known key/],
  ['"__proto__" = 2', /not a known key/],
  ['a = 1\nb = ', /line 2 is not TOML/],
] as const) {
  test(`${JSON.stringify(source)} is refused`, () => {
    assert.throws(() => parseConfig(source, PATH), { code: 'CONFIG_INVALID', message: problem });
  });
}

test('every bad field is named in one error', () => {
  const source = 'log_level = 1\nx = 1\n[vm_defaults]\nvcpu = 0';
  assert.throws(
    () => parseConfig(source, PATH),
    (error) => {
      assert.ok(isAppError(error, 'CONFIG_INVALID'));
      const problems = error.details?.['problems'];
      return Array.isArray(problems) && problems.length === 3;
    },
  );
});

function parsesOrRefuses(source: string): void {
  try {
    parseConfig(source, PATH);
  } catch (error) {
    assert.ok(isAppError(error, 'CONFIG_INVALID'), String(error));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: their absence is what is tested
    assert.doesNotMatch(error.message, /\u001b/);
  }
}

test('any text is either a configuration or CONFIG_INVALID', () => {
  const bits = fc.constantFrom(
    'vm_defaults',
    '[',
    ']',
    '=',
    '.',
    '"',
    "'''",
    '\n',
    '1',
    '{',
    '}',
    ',',
    '#',
    '\\u',
    '-',
    ':',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.array(bits).map((b) => b.join('')),
      ),
      parsesOrRefuses,
    ),
  );
  parsesOrRefuses(`a = ${'['.repeat(100_000)}`);
});

test('any TOML is either a configuration or CONFIG_INVALID', () => {
  const key = fc.constantFrom(
    'log_level',
    'vm_defaults',
    'vcpu',
    'disk_size',
    '__proto__',
    'constructor',
    '\u001b[2J',
    '',
  );
  const value = fc.oneof(
    fc.integer(),
    fc.string(),
    fc.boolean(),
    fc.double({ noNaN: true }),
    fc.date({ noInvalidDate: true }),
  );
  const table = fc.dictionary(key, fc.oneof(value, fc.array(value), fc.dictionary(key, value)));
  fc.assert(
    fc.property(table, (content) => {
      let source: string;
      try {
        source = stringify(content);
      } catch (error) {
        // Some values cannot be written as TOML.
        assert.ok(error instanceof Error);
        return;
      }
      parsesOrRefuses(source);
    }),
  );
});
