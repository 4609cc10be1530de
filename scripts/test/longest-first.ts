/**
 * The test files that take longest, in falling order within each stage, from the seconds that `npm test`
 * prints. The order need not be exact.
 */
export const LONG_FILES: readonly string[] = [
  'test/e2e/commands.test.ts',
  'test/e2e/crashes.test.ts',
  'test/e2e/sequences.test.ts',
  'test/e2e/agent-boot.test.ts',
  'test/e2e/lifecycle.test.ts',
  'test/e2e/ssh-names.test.ts',
  'test/e2e/suspend-fork.test.ts',
  'test/e2e/surroundings.test.ts',
  'test/e2e/work-disk-base.test.ts',
  'test/e2e/copies.test.ts',
  'test/e2e/standby.test.ts',
  'test/e2e/sessions.test.ts',
  'test/e2e/disk-space.test.ts',
  'test/e2e/scenarios/repositories.test.ts',
  'test/e2e/shared-cpus.test.ts',
  'test/conformance/vm-driver/qemu.test.ts',
  'test/conformance/vm-driver/qemu-saved.test.ts',
  'test/integration/daemon/crash-steps-daemon.test.ts',
  'test/integration/daemon/crash-steps-vmm.test.ts',
  'test/integration/daemon/crash-steps-disk.test.ts',
  'test/integration/workspace/copy-journal.test.ts',
  'test/integration/daemon/workspace-update.test.ts',
  'test/integration/daemon/claim-with-base.test.ts',
  'test/integration/pool/demand.test.ts',
  'test/integration/daemon/crash-steps-base.test.ts',
  'src/adapters/image/store/image-store.test.ts',
  'src/cli/vm/cp/git-guard.test.ts',
];

/**
 * The files in the order in which they run: {@link LONG_FILES} first, then the others by name. A long file
 * that begins last would run alone, while the other lane has nothing to do.
 */
export function longestFirst(files: readonly string[]): string[] {
  const long = LONG_FILES.filter((file) => files.includes(file));
  return [...long, ...files.filter((file) => !long.includes(file)).toSorted()];
}
