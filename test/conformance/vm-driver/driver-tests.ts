import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { VmDriver } from '../../../src/core/ports/vmm/driver.ts';
import type { RunningVm } from '../../../src/core/ports/vmm/running-vm.ts';
import type { DriveRequest, DriveSpec, VmSpec } from '../../../src/core/ports/vmm/spec.ts';
import { patient } from '../../support/patience.ts';
import { makeDriver } from './drivers.ts';
import { type Ability, type DriverFixture, readOnlyFiles, type VmPlace } from './fixture.ts';
import { askGuest } from './test-guest.ts';

export const MIB = 2 ** 20;

/** What the test of a driver needs. */
export interface DriverBench {
  fixture: DriverFixture;
  driver: VmDriver;
}

/** Adds tests to the suite of a driver. */
export interface DriverTests {
  /** Adds a test. It fails when it leaves a VMM behind. */
  check(what: string, body: (bench: DriverBench) => Promise<void>, options?: CheckOptions): void;
}

/** What a test needs. Without that it is skipped with the reason. */
export interface CheckOptions {
  /** of the driver */
  needs?: readonly Ability[];
  /** returns the reason why this host cannot run it */
  whyNot?: () => Promise<string | undefined>;
}

/**
 * Makes a suite for one driver. `makeFixture` gets a scratch folder. When it returns a text, the whole suite
 * is skipped for that reason.
 */
export function describeDriver(
  title: string,
  makeFixture: (dir: string) => Promise<DriverFixture | string>,
  addTests: (tests: DriverTests) => void,
): void {
  describe(title, { concurrency: false }, () => {
    let dir: string;
    let bench: DriverBench | undefined;
    let reason: string | undefined;
    let failures = 0;

    before(async () => {
      // Short, because sockets are in it.
      dir = await mkdtemp(join(tmpdir(), 'vd-'));
      const made = await makeFixture(dir);
      if (typeof made === 'string') reason = made;
      else bench = { fixture: made, driver: makeDriver(made.driver) };
    });

    after(async () => {
      for (const pid of (await bench?.fixture.processes()) ?? []) process.kill(pid, 'SIGKILL');
      // The logs of failed tests stay as evidence.
      if (failures === 0) await rm(dir, { recursive: true, force: true });
    });

    addTests({
      check(what, body, { needs = [], whyNot } = {}) {
        test(what, async (context) => {
          const lacking = needs.map((ability) => bench?.fixture.lacks[ability]);
          const why = reason ?? lacking.find((text) => text !== undefined) ?? (await whyNot?.());
          if (why !== undefined || !bench) return context.skip(why ?? 'there is no fixture');
          failures += 1;
          await body(bench);
          assert.deepEqual(await bench.fixture.processes(), [], 'VMMs that are left');
          failures -= 1;
        });
      },
    });
  });
}

/** Makes the drives of a VM, new ones or copies. */
export async function prepare(
  { fixture, driver }: DriverBench,
  { vmDir }: VmPlace,
  changes: Partial<Pick<DriveRequest, 'diskSizeBytes' | 'copyOf' | 'workBase'>> = {},
): Promise<readonly DriveSpec[]> {
  const files = await readOnlyFiles(fixture);
  const request = { dir: vmDir, ...files, overlayBytes: 64 * MIB, diskSizeBytes: 32 * MIB, ...changes };
  return await driver.prepareDrives(request, limit());
}

/** Asks the guest and returns its answer. */
export function ask(vm: RunningVm, request: string, { bootDeadlineMs }: DriverFixture): Promise<string> {
  return askGuest(vm.guestEndpoint, request, { signal: AbortSignal.timeout(bootDeadlineMs) });
}

/** The same spec with changes of the boot source. */
export function withBoot(spec: VmSpec, changes: Partial<VmSpec['bootSource']>): VmSpec {
  return { ...spec, bootSource: { ...spec.bootSource, ...changes } };
}

/** The time limit of a single call. */
export function limit(): { signal: AbortSignal } {
  return { signal: AbortSignal.timeout(patient(60_000)) };
}
