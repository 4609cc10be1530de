/**
 * The daemon's API: HTTP/1.1 with JSON over its Unix socket. Long work is an operation: it answers 200 with
 * JSON lines (`events.ts`), of which the first has the operation's id. A client that hangs up cancels the
 * work, unless it sent `?detach=1`. `REF` is a VM's id, a unique prefix of it, or its name. A request may
 * have a header with the client's proxies (`proxy-variables.ts`).
 *
 *     GET    /v1/daemon                     DaemonStatus
 *     POST   /v1/daemon/stop                {}              drains, then exits; VMs keep running
 *     GET    /v1/doctor                     {checks: DoctorCheck[]}   read-only
 *     POST   /v1/doctor/deep                events, result {checks: DoctorCheck[]}   reads every saved guest
 *     POST   /v1/doctor/fix                 {checks: DoctorCheck[], fixed: string[]}   removes
 *                                           what is orphaned
 *     GET    /v1/vms?all=1                  {vms: Vm[]}     running only without all=1
 *     POST   /v1/vms                        CreateVmRequest -> events, result Vm
 *     GET    /v1/vms/REF?host=1             Vm             host=1 also looks at the working tree on the host
 *     POST   /v1/vms/REF/start              StartVmRequest -> events, result Vm
 *     POST   /v1/vms/REF/stop               events, result Vm
 *     POST   /v1/vms/REF/restart            events, result Vm
 *     POST   /v1/vms/REF/kill               KillVmRequest -> events, result Vm
 *     POST   /v1/vms/REF/set                SetVmRequest -> events, result Vm
 *     POST   /v1/vms/REF/rename             RenameVmRequest -> events, result Vm
 *     POST   /v1/vms/REF/keep               events, result Vm
 *     POST   /v1/vms/REF/wait               WaitForVmRequest -> events, result Vm
 *     DELETE /v1/vms/REF?resting=1          events, result Vm (its last record); resting=1 refuses
 *                                           a running VM
 *     GET    /v1/vms/REF/logs?kind=console|vmm&follow=1   text/plain
 *     GET    /v1/vms/REF/ports              VmPorts
 *     GET    /v1/vms/REF/network            VmNetworkState
 *     POST   /v1/vms/REF/network/check      NetworkVerdict    what would happen to a connection, and why
 *     POST   /v1/vms/REF/network/learn      LearnedRules      long work
 *     GET    /v1/vms/REF/network/log?follow=1   text/plain    a JSON value per line
 *     GET    /v1/vms/REF/stats              VmStats
 *     GET    /v1/vms/REF/stat?path=P        GuestPath     what is at a path in the guest
 *     GET    /v1/vms/REF/files?path=P&as=NAME   a tar archive of a file or directory of the guest
 *     PUT    /v1/vms/REF/files?path=P       a tar archive, unpacked in directory P of the guest -> Unpacked
 *     POST   /v1/vms/REF/workspace          PrepareWorkspaceRequest -> events, result PreparedWorkspace
 *     POST   /v1/vms/REF/workspace/pull     PullWorkspaceRequest -> events, result PulledWorkspace
 *     POST   /v1/vms/REF/workspace/undo-pull  UndonePull
 *     POST   /v1/vms/REF/workspace/branch   PullBranchRequest -> events, result PulledBranch
 *     POST   /v1/vms/REF/exec               Upgrade: banger-exec; then exec frames both ways
 *     POST   /v1/vms/REF/tcp?port=N         Upgrade: banger-tcp; then the bytes of a port on the
 *                                           guest's loopback addresses, both ways
 *     GET    /v1/vms/REF/ssh                SshAccess
 *     POST   /v1/workspaces/inspect         InspectWorkspaceRequest -> WorkspaceSummary
 *     POST   /v1/workspaces/pack            WorkspaceChoice -> events, result PackedWorkspace, deleted
 *                                           when the client hangs up
 *     GET    /v1/names                      NameServers   DNS server and web gateway for names of VMs
 *     GET    /v1/images                     {images: Image[]}
 *     GET    /v1/images/NAME                Image
 *     POST   /v1/images/NAME/build          BuildImageRequest -> events, result Image
 *     DELETE /v1/images/NAME                {}
 *     GET    /v1/kernels                    {kernels: Kernel[]}
 *     GET    /v1/operations?all=1           {operations: Operation[]}   the running ones; with all=1
 *                                           also those that ended recently
 *     GET    /v1/operations/ID/events       all of its events, as the client that started it gets them
 *     POST   /v1/operations/ID/cancel       Operation, after it has ended and its effects are undone
 *     POST   /v1/vms/REF/suspend            events, result Vm
 *     POST   /v1/vms/REF/fork               ForkVmRequest -> events, result ForkedVms
 *     GET    /v1/vms/REF/snapshots          {snapshots: Snapshot[]}
 *     POST   /v1/vms/REF/snapshots          CreateSnapshotRequest -> events, result Snapshot
 *     POST   /v1/vms/REF/snapshots/TAG/restore  events, result Vm
 *     DELETE /v1/vms/REF/snapshots/TAG      {}
 *     GET    /v1/templates                  {templates: Template[]}
 *     GET    /v1/templates/KEY              Template        KEY: a key or a unique prefix of one
 *     DELETE /v1/templates/KEY              {}
 *     POST   /v1/templates/prune            PruneTemplatesRequest -> {keys: string[]}
 *     GET    /v1/openapi.json               the OpenAPI document
 */
export const API_PREFIX = '/v1';

/** Answer header with the daemon's version and build; the CLI compares it with its own. */
export const VERSION_HEADER = 'banger-version';

/** Trailer of a streamed answer that failed in the middle: the error body, as JSON in base64. */
export const ERROR_TRAILER = 'banger-error';

/** `Upgrade:` value of the exec stream. */
export const EXEC_UPGRADE = 'banger-exec';

/** `Upgrade:` value of the stream to a port of the guest. */
export const TCP_UPGRADE = 'banger-tcp';
