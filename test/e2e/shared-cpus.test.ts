import assert from 'node:assert/strict';
import { cpus } from 'node:os';
import { after, before, describe, test } from 'node:test';
import { type Lab, openLab, SMALL } from './support/lab.ts';

describe('a VM with more virtual CPUs than the host has processors', () => {
  const processors = cpus().length;
  const vcpus = processors + 2;
  let lab: Lab;

  before(async () => {
    lab = await openLab();
  });
  after(() => lab[Symbol.asyncDispose]());

  test('boots with all of them online, and prints that it shares them', async () => {
    const made = await lab.run(['vm', 'create', '--name', 'wide', ...SMALL, '--vcpu', String(vcpus)]);
    assert.equal(made.code, 0, made.stderr);
    assert.match(made.stderr, new RegExp(`^${vcpus} virtual CPUs share the ${processors} processors? `, 'm'));
    assert.equal(await lab.text(['vm', 'exec', 'wide', '--', 'nproc']), `${vcpus}\n`);
  });

  test('can be changed to fewer and to more, and starts with them', async () => {
    await lab.text(['vm', 'stop', 'wide']);
    const fewer = await lab.run(['vm', 'set', '--vcpu', '1', 'wide']);
    assert.equal(fewer.code, 0, fewer.stderr);
    assert.doesNotMatch(fewer.stderr, /virtual CPUs/);
    const more = await lab.run(['vm', 'set', '--vcpu', String(vcpus), 'wide']);
    assert.equal(more.code, 0, more.stderr);
    assert.match(more.stderr, new RegExp(`^${vcpus} virtual CPUs share the ${processors} processors? `, 'm'));
    await lab.text(['vm', 'start', 'wide']);
    assert.equal(await lab.text(['vm', 'exec', 'wide', '--', 'nproc']), `${vcpus}\n`);
  });
});
