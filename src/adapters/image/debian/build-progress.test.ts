import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BuildProgress } from './build-progress.ts';

function stepsOf(lines: readonly string[]): string[] {
  const steps: string[] = [];
  const progress = new BuildProgress(({ stage, detail }) => steps.push(`${stage} ${detail}`));
  for (const line of lines) progress.push(line);
  return steps;
}

test('the packages of an apt run are counted once apt has announced their number', () => {
  assert.deepEqual(
    stepsOf([
      'I: running apt-get update...',
      'Get:1 http://a.example bookworm InRelease [151 kB]',
      '0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.',
      'Get:1 http://a.example bookworm/main amd64 a 1 [1 kB]',
      'Get:2 http://a.example bookworm/main amd64 b 1 [1 kB]',
      'Unpacking a (1) ...',
      'Unpacking b (1) ...',
      'Setting up a (1) ...',
      'Setting up b (1) ...',
      'I: running --customize-hook in shell: sh -c x',
    ]),
    [
      'resolve package lists',
      'download 1 of 2 packages',
      'download 2 of 2 packages',
      'install 1 of 2 packages',
      'install 2 of 2 packages',
      'install kernel and services',
    ],
  );
});

test('many packages cause few events, and the count never exceeds the total', () => {
  const lines = Array.from({ length: 700 }, (_, i) => [
    `Unpacking p${i} (1) ...`,
    `Setting up p${i} (1) ...`,
  ]).flat();
  const steps = stepsOf(['0 upgraded, 500 newly installed, 0 to remove', ...lines]);
  assert.ok(steps.length <= 21, `${steps.length} events`);
  assert.equal(steps.at(-1), 'install 500 of 500 packages');
});

test('unknown lines are skipped', () => {
  assert.deepEqual(stepsOf(['', 'Setting up x (1) ...', 'Get:9', 'whatever']), []);
});
