import { complete } from './completion/complete.ts';
import { completion } from './completion/completion.ts';
import { daemonLogs } from './daemon/daemon-logs.ts';
import { daemonSocket } from './daemon/daemon-socket.ts';
import { daemonStatus } from './daemon/daemon-status.ts';
import { daemonStop } from './daemon/daemon-stop.ts';
import { devcontainerCheck } from './devcontainer/devcontainer-check.ts';
import { dnsInstall } from './dns/dns-install.ts';
import { dnsStatus } from './dns/dns-status.ts';
import { dnsUninstall } from './dns/dns-uninstall.ts';
import { doctor } from './doctor/doctor.ts';
import { imageBuild } from './image/image-build.ts';
import { imageCachePrune } from './image/image-cache-prune.ts';
import { imageCommit } from './image/image-commit.ts';
import { imageDelete } from './image/image-delete.ts';
import { imageDf } from './image/image-df.ts';
import { imageExport } from './image/image-export.ts';
import { imageImport } from './image/image-import.ts';
import { imageList } from './image/image-list.ts';
import { imagePromote } from './image/image-promote.ts';
import { imagePrune } from './image/image-prune.ts';
import { imagePull } from './image/image-pull.ts';
import { imagePush } from './image/image-push.ts';
import { imageRegister } from './image/image-register.ts';
import { imageShow } from './image/image-show.ts';
import { makeBundle } from './internal/make-bundle.ts';
import { kernelImport } from './kernel/kernel-import.ts';
import { kernelList } from './kernel/kernel-list.ts';
import { kernelPull } from './kernel/kernel-pull.ts';
import { kernelRm } from './kernel/kernel-rm.ts';
import { kernelShow } from './kernel/kernel-show.ts';
import { operationsCancel } from './operations/operations-cancel.ts';
import { operationsFollow } from './operations/operations-follow.ts';
import { operationsList } from './operations/operations-list.ts';
import type { Catalog, CommandDefinition, GroupDefinition, ShortForm } from './program/command.ts';
import { sshConfig } from './ssh-config/ssh-config.ts';
import { systemInstall } from './system/system-install.ts';
import { systemRestart } from './system/system-restart.ts';
import { systemStatus } from './system/system-status.ts';
import { systemUninstall } from './system/system-uninstall.ts';
import { templateDelete } from './template/template-delete.ts';
import { templateList } from './template/template-list.ts';
import { templatePrune } from './template/template-prune.ts';
import { templateShow } from './template/template-show.ts';
import { update } from './update/update.ts';
import { version } from './version.ts';
import { vmBisect } from './vm/bisect/vm-bisect.ts';
import { vmCp } from './vm/cp/vm-cp.ts';
import { vmExec } from './vm/exec/vm-exec.ts';
import { vmFork } from './vm/fork/vm-fork.ts';
import { vmList } from './vm/inspect/vm-list.ts';
import { vmLogs } from './vm/inspect/vm-logs.ts';
import { vmPorts } from './vm/inspect/vm-ports.ts';
import { vmShow } from './vm/inspect/vm-show.ts';
import { vmStats } from './vm/inspect/vm-stats.ts';
import { vmAttach } from './vm/job/vm-attach.ts';
import { vmJobKill } from './vm/job/vm-job-kill.ts';
import { vmJobLogs } from './vm/job/vm-job-logs.ts';
import { vmJobs } from './vm/job/vm-jobs.ts';
import { vmCreate } from './vm/lifecycle/vm-create.ts';
import { vmDelete } from './vm/lifecycle/vm-delete.ts';
import { vmKill } from './vm/lifecycle/vm-kill.ts';
import { vmPrune } from './vm/lifecycle/vm-prune.ts';
import { vmRename } from './vm/lifecycle/vm-rename.ts';
import { vmRestart } from './vm/lifecycle/vm-restart.ts';
import { vmResume } from './vm/lifecycle/vm-resume.ts';
import { vmSet } from './vm/lifecycle/vm-set.ts';
import { vmStart } from './vm/lifecycle/vm-start.ts';
import { vmStop } from './vm/lifecycle/vm-stop.ts';
import { vmSuspend } from './vm/lifecycle/vm-suspend.ts';
import { vmWait } from './vm/lifecycle/vm-wait.ts';
import { vmMatrix } from './vm/matrix/vm-matrix.ts';
import { vmNetwork } from './vm/network/vm-network.ts';
import { vmNetworkCheck } from './vm/network/vm-network-check.ts';
import { vmNetworkLearn } from './vm/network/vm-network-learn.ts';
import { vmNetworkLog } from './vm/network/vm-network-log.ts';
import { vmPort } from './vm/port/vm-port.ts';
import { vmRun } from './vm/run/vm-run.ts';
import { vmSnapshotCreate } from './vm/snapshot/vm-snapshot-create.ts';
import { vmSnapshotDelete } from './vm/snapshot/vm-snapshot-delete.ts';
import { vmSnapshotList } from './vm/snapshot/vm-snapshot-list.ts';
import { vmSnapshotRestore } from './vm/snapshot/vm-snapshot-restore.ts';
import { vmProxy } from './vm/ssh/vm-proxy.ts';
import { vmSsh } from './vm/ssh/vm-ssh.ts';
import { vmWorkspaceSync } from './vm/workspace/sync/vm-workspace-sync.ts';
import { vmWorkspaceDiff } from './vm/workspace/vm-workspace-diff.ts';
import { vmWorkspaceExport } from './vm/workspace/vm-workspace-export.ts';
import { vmWorkspacePrepare } from './vm/workspace/vm-workspace-prepare.ts';
import { vmWorkspacePull } from './vm/workspace/vm-workspace-pull.ts';
import { workspaceCacheList } from './workspace/workspace-cache-list.ts';
import { workspaceCachePrune } from './workspace/workspace-cache-prune.ts';

/** Groups of commands, in the order of help. To add a group, add one entry here. */
const GROUPS: readonly GroupDefinition[] = [
  {
    name: 'vm',
    summary: 'make, use and delete VMs',
    description: 'VMs: make them, run commands in them, look at them, delete them.',
  },
  {
    name: 'vm network',
    summary: 'what a guest may reach outside',
    description: 'The network of a VM: its rules, what they would decide, and what they have decided.',
  },
  {
    name: 'vm snapshot',
    summary: 'save the state of a VM, and restore it',
    description:
      'Snapshots of a VM: its memory, processes and disks at one moment, which can be restored later.',
  },
  {
    name: 'vm job',
    summary: 'commands that keep running in VMs',
    description:
      'Jobs: commands that banger vm exec --detach has started. They keep running without banger, and the guest keeps the newest part of their output.',
  },
  {
    name: 'vm workspace',
    summary: 'git working trees in VMs',
    description: 'Working trees: copy them into running VMs, and get the changes back.',
  },
  {
    name: 'image',
    summary: 'what VMs boot',
    description: 'Images: root file systems that VMs boot. One image serves any number of VMs.',
  },
  {
    name: 'image cache',
    summary: 'downloads that images were made of',
    description: 'Downloads: the layers that images were made of. Images share them.',
  },
  {
    name: 'devcontainer',
    summary: 'the devcontainer.json of a repository',
    description:
      'Development containers: banger vm run --devcontainer makes a VM as the devcontainer.json of a repository says.',
  },
  {
    name: 'kernel',
    summary: 'what images boot',
    description:
      'Kernels: the built-in image brings one, banger kernel pull fetches one, and banger kernel import takes one of yours. VMs of an image that brings none boot the newest of the distribution, unless --kernel-ref names another.',
  },
  {
    name: 'operations',
    summary: 'what the daemon is doing',
    description:
      'Operations: long-running work in the daemon, such as making a VM. It continues when the command that started it exits, and any of your commands can follow or cancel it.',
  },
  {
    name: 'template',
    summary: 'saved guests that new VMs start from',
    description:
      'Warm templates: guests that have booted and were saved. New VMs of the same image and shape resume from there instead of booting.',
  },
  {
    name: 'workspace',
    summary: 'what the host keeps of git working trees',
    description: 'Working trees of the host. Those in VMs have their commands in banger vm workspace.',
  },
  {
    name: 'workspace cache',
    summary: 'base images that new VMs start from',
    description:
      'Base images: work disks with a repository in them. New VMs with the same repository start from there, and only what has changed since is copied.',
  },
  {
    name: 'daemon',
    summary: 'the program that does the work',
    description:
      'The daemon does the work. Commands start it when they need it. It exits by itself when it has been idle for a while, no VM is running, and nothing listens for a connection that would resume one.',
  },
  {
    name: 'dns',
    summary: 'names of VMs on this host',
    description:
      'Names: the daemon answers NAME.vm with the address of the VM. Programs find these names once the resolver of this host asks it.',
  },
  {
    name: 'system',
    summary: 'the daemon as a service of this host',
    description:
      'Services: banger works without root, and each user has a daemon of their own. On a host with systemd, root can make the daemon of one user a service.',
  },
  {
    name: 'internal',
    summary: 'what the makers of images and releases need',
    description: 'For the makers of images and releases.',
    isHidden: true,
  },
];

/**
 * Every command, in the order of help and of docs/cli.md. To add a command, put its definition in its noun's
 * folder and add one line here.
 */
export const COMMANDS: readonly CommandDefinition[] = [
  vmRun,
  vmCreate,
  vmList,
  vmShow,
  vmExec,
  vmJobs,
  vmAttach,
  vmJobLogs,
  vmJobKill,
  vmSsh,
  vmCp,
  vmLogs,
  vmPort,
  vmPorts,
  vmNetwork,
  vmNetworkCheck,
  vmNetworkLog,
  vmNetworkLearn,
  vmStats,
  vmStart,
  vmStop,
  vmSuspend,
  vmResume,
  vmFork,
  vmMatrix,
  vmBisect,
  vmSnapshotCreate,
  vmSnapshotList,
  vmSnapshotRestore,
  vmSnapshotDelete,
  vmRestart,
  vmKill,
  vmWait,
  vmSet,
  vmRename,
  vmDelete,
  vmPrune,
  vmWorkspacePrepare,
  vmWorkspaceSync,
  vmWorkspaceDiff,
  vmWorkspaceExport,
  vmWorkspacePull,
  imageBuild,
  imagePull,
  imageImport,
  imageRegister,
  imagePromote,
  imageCommit,
  imageExport,
  imagePush,
  imageList,
  imageShow,
  imageDelete,
  imagePrune,
  kernelPull,
  kernelImport,
  imageCachePrune,
  imageDf,
  kernelList,
  kernelShow,
  kernelRm,
  devcontainerCheck,
  operationsList,
  operationsFollow,
  operationsCancel,
  templateList,
  templateShow,
  templateDelete,
  templatePrune,
  workspaceCacheList,
  workspaceCachePrune,
  daemonStatus,
  daemonStop,
  daemonLogs,
  daemonSocket,
  dnsStatus,
  dnsInstall,
  dnsUninstall,
  systemInstall,
  systemStatus,
  systemRestart,
  systemUninstall,
  sshConfig,
  doctor,
  update,
  version,
  completion,
  complete,
  vmProxy,
  makeBundle,
];

/** Commands of `banger vm` that also work without `vm`, like those of container tools. */
const VM_WORDS: Readonly<Record<string, CommandDefinition>> = {
  run: vmRun,
  exec: vmExec,
  ssh: vmSsh,
  ls: vmList,
  ps: vmList,
  logs: vmLogs,
  cp: vmCp,
  start: vmStart,
  stop: vmStop,
  rm: vmDelete,
};

/** Alternative names, accepted in every group, for the last word of a command. */
const SHORT_VERBS: Readonly<Record<string, string>> = { list: 'ls', delete: 'rm' };

const SHORT_FORMS: readonly ShortForm[] = [
  ...Object.entries(VM_WORDS).map(([word, { path }]): ShortForm => ({ words: [word], path })),
  { words: ['vm', 'ps'], path: vmList.path },
  ...COMMANDS.flatMap(({ path: [first, ...rest], path }): ShortForm[] => {
    const short = SHORT_VERBS[path.at(-1) ?? ''];
    return short ? [{ words: [first, ...rest.slice(0, -1), short], path }] : [];
  }),
];

/** Everything that can be typed after `banger`. */
export const CATALOG: Catalog = { groups: GROUPS, commands: COMMANDS, shortForms: SHORT_FORMS };
