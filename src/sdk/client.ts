import { type ArtifactCalls, artifactCalls } from './calls/artifact-calls.ts';
import { Caller } from './calls/caller.ts';
import { type DaemonCalls, daemonCalls } from './calls/daemon-calls.ts';
import { type GuestCalls, guestCalls } from './calls/guest-calls.ts';
import { type ImageCalls, imageCalls } from './calls/image-calls.ts';
import { type JobCalls, jobCalls } from './calls/job-calls.ts';
import { type KernelCalls, kernelCalls } from './calls/kernel-calls.ts';
import { type NameCalls, nameCalls } from './calls/name-calls.ts';
import { type NetworkCalls, networkCalls } from './calls/network-calls.ts';
import { type OperationCalls, operationCalls } from './calls/operation-calls.ts';
import { type SnapshotCalls, snapshotCalls } from './calls/snapshot-calls.ts';
import { type TemplateCalls, templateCalls } from './calls/template-calls.ts';
import { type VmCalls, vmCalls } from './calls/vm-calls.ts';
import { type WorkspaceCalls, workspaceCalls } from './calls/workspace-calls.ts';
import type { Transport } from './transport.ts';

/** How {@link createClient} reaches the daemon. */
export type ClientOptions = Transport;

/**
 * The daemon's API, typed. `ref` is a VM's id, a unique prefix of it, or its name. Every call may fail with
 * the daemon's own error, and with DAEMON_UNREACHABLE (nothing listens), DAEMON_LOST (the connection ended
 * early) or DAEMON_PROTOCOL (the answer is invalid). An aborted call rejects with the signal's reason.
 */
export interface BangerClient
  extends DaemonCalls,
    VmCalls,
    GuestCalls,
    JobCalls,
    WorkspaceCalls,
    SnapshotCalls,
    TemplateCalls,
    ImageCalls,
    KernelCalls,
    ArtifactCalls,
    NameCalls,
    NetworkCalls,
    OperationCalls {}

/**
 * Creates a client. It connects once per call, so there is nothing to close.
 *
 *     const client = createClient({ socketPath });
 *     await using lease = await client.leaseVm({ vcpuCount: 2 }, { signal });
 *     using session = await client.exec(lease.vm.id, { argv: ['uname', '-a'] }, { signal });
 *     const { stdout, exit } = await session.collect();
 */
export function createClient(transport: ClientOptions): BangerClient {
  const caller = new Caller(transport);
  return {
    ...daemonCalls(caller),
    ...vmCalls(caller),
    ...guestCalls(caller),
    ...jobCalls(caller),
    ...workspaceCalls(caller),
    ...snapshotCalls(caller),
    ...templateCalls(caller),
    ...imageCalls(caller),
    ...kernelCalls(caller),
    ...artifactCalls(caller),
    ...nameCalls(caller),
    ...networkCalls(caller),
    ...operationCalls(caller),
  };
}
