import type { CommandDefinition, GroupDefinition } from './command.ts';
import { complete } from './commands/complete.ts';
import { completion } from './commands/completion.ts';
import { daemonLogs, daemonSocket, daemonStatus, daemonStop } from './commands/daemon.ts';
import { doctor } from './commands/doctor.ts';
import { imageBuild, imageDelete, imageList, imageShow } from './commands/image.ts';
import { kernelList } from './commands/kernel.ts';
import { operationsCancel, operationsFollow, operationsList } from './commands/operations.ts';
import { sshProxy } from './commands/ssh-proxy.ts';
import { templateDelete, templateList, templatePrune, templateShow } from './commands/template.ts';
import { version } from './commands/version.ts';
import { vmCp } from './commands/vm-cp.ts';
import { vmCreate } from './commands/vm-create.ts';
import { vmExec } from './commands/vm-exec.ts';
import { vmFork } from './commands/vm-fork.ts';
import { vmKill } from './commands/vm-kill.ts';
import { vmDelete, vmRestart, vmResume, vmStop, vmSuspend } from './commands/vm-lifecycle.ts';
import { ps, vmList, vmPs } from './commands/vm-list.ts';
import { vmLogs } from './commands/vm-logs.ts';
import { vmPorts } from './commands/vm-ports.ts';
import { vmPrune } from './commands/vm-prune.ts';
import { vmRename } from './commands/vm-rename.ts';
import { vmRun } from './commands/vm-run.ts';
import { vmSet } from './commands/vm-set.ts';
import { vmShow } from './commands/vm-show.ts';
import {
  vmSnapshotCreate,
  vmSnapshotDelete,
  vmSnapshotList,
  vmSnapshotRestore,
} from './commands/vm-snapshot.ts';
import { vmSsh } from './commands/vm-ssh.ts';
import { vmStart } from './commands/vm-start.ts';
import { vmStats } from './commands/vm-stats.ts';
import { vmWait } from './commands/vm-wait.ts';
import { vmWorkspaceExport, vmWorkspacePrepare } from './commands/vm-workspace.ts';

/** Groups of commands, in the order of help. A new group is one entry here. */
export const GROUPS: readonly GroupDefinition[] = [
  {
    name: 'vm',
    summary: 'make, use and delete VMs',
    description: 'VMs: make them, run commands in them, look at them, delete them.',
  },
  {
    name: 'vm snapshot',
    summary: 'keep a VM as it is, and go back',
    description: 'Snapshots of a VM: its memory, processes and disks as of one moment, to go back to.',
  },
  {
    name: 'vm workspace',
    summary: 'git working trees in VMs',
    description: 'Working trees: copy them into VMs that run, and get the changes back.',
  },
  {
    name: 'image',
    summary: 'what VMs boot',
    description: 'Images: root file systems that VMs boot. One image serves any number of VMs.',
  },
  { name: 'kernel', summary: 'what images boot', description: 'Kernels: each image names the one it boots.' },
  {
    name: 'operations',
    summary: 'what the daemon is doing',
    description:
      'Operations: long work in the daemon, such as making a VM. Who began one may leave it, and anyone of yours may follow or cancel it.',
  },
  {
    name: 'template',
    summary: 'what VMs start from at once',
    description:
      'Warm templates: guests that have booted and were saved. New VMs of the same image and shape go on from there instead of booting.',
  },
  {
    name: 'daemon',
    summary: 'the program behind this one',
    description:
      'The daemon does the work and is started when it is needed. It ends by itself when nothing has happened for a while and no VM runs.',
  },
];

/**
 * Every command, in the order of help and of docs/cli.md. A new command is a definition in `commands/` and
 * one line here.
 */
export const COMMANDS: readonly CommandDefinition[] = [
  vmRun,
  vmCreate,
  vmList,
  vmPs,
  vmShow,
  vmExec,
  vmSsh,
  vmCp,
  vmLogs,
  vmPorts,
  vmStats,
  vmStart,
  vmStop,
  vmSuspend,
  vmResume,
  vmFork,
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
  vmWorkspaceExport,
  ps,
  imageBuild,
  imageList,
  imageShow,
  imageDelete,
  kernelList,
  operationsList,
  operationsFollow,
  operationsCancel,
  templateList,
  templateShow,
  templateDelete,
  templatePrune,
  daemonStatus,
  daemonStop,
  daemonLogs,
  daemonSocket,
  doctor,
  version,
  completion,
  complete,
  sshProxy,
];
