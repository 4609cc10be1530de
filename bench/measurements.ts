import { besideDebvm } from './measure/beside-debvm.ts';
import { cliStart } from './measure/cli-start.ts';
import { cloneMemory } from './measure/clone-memory.ts';
import { coldStart } from './measure/cold-start.ts';
import { execRoundTrip } from './measure/exec-round-trip.ts';
import { forwardedPort } from './measure/forwarded-port.ts';
import { hostileGuest } from './measure/hostile-guest.ts';
import { idleMemory } from './measure/idle-memory.ts';
import { imageRootfs, imageRootfsLarge } from './measure/image-rootfs.ts';
import { largeTree } from './measure/large-tree.ts';
import { lifecycle } from './measure/lifecycle.ts';
import { list } from './measure/list.ts';
import { sourcePause } from './measure/source-pause.ts';
import { sshRoundTrip } from './measure/ssh-round-trip.ts';
import { startsInARow } from './measure/starts-in-a-row.ts';
import { suspendFork } from './measure/suspend-fork.ts';
import { syncWatch } from './measure/sync-watch.ts';
import { treeStart } from './measure/tree-start.ts';
import { warmStart } from './measure/warm-start.ts';
import { workspaceTransfer } from './measure/workspace-transfer.ts';
import type { Measurement } from './measurement.ts';

/** All measurements, in the order of the table. Add one here. */
export const MEASUREMENTS: readonly Measurement[] = [
  cliStart,
  coldStart,
  warmStart,
  startsInARow,
  treeStart,
  besideDebvm,
  suspendFork,
  sourcePause,
  lifecycle,
  list,
  execRoundTrip,
  forwardedPort,
  hostileGuest,
  sshRoundTrip,
  workspaceTransfer,
  syncWatch,
  largeTree,
  imageRootfs,
  imageRootfsLarge,
  idleMemory,
  cloneMemory,
];
