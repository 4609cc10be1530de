import type { Abortable } from '../../base/abort.ts';
import type { AppError } from '../../base/errors.ts';
import type { Variables } from '../../base/process/programs.ts';
import type { Settings } from '../../config/settings.ts';
import type { VmWorld } from '../../core/vms/world.ts';
import type { DoctorCheck } from '../../protocol/api/daemon.ts';
import type { BuildInfo } from '../../protocol/build-info.ts';

/** What the checks examine. */
export interface DoctorHost {
  world: VmWorld;
  settings: Settings;
  env: Variables;
  uid: number;
  build: BuildInfo;
  /** path of the guest agent for guests of this host */
  agentPath: string;
  /**
   * Finds what keeps this user from building images in namespaces; the repair is the hint.
   *
   * @throws {AppError} EXEC_NOT_FOUND when util-linux is missing.
   */
  namespaceProblem: (options: Abortable) => Promise<AppError | undefined>;
  /** path of the program `banger-host` */
  hostTools: string;
  /** the lowest port that the daemon may listen on */
  firstPort: number;
}

/** One check: its name and its function. */
export interface Check {
  name: string;
  /** Changes nothing. */
  run: (host: DoctorHost, options: Abortable) => Promise<Finding>;
  /**
   * Removes what is provably ours and no longer of use; returns the name of each thing removed. Idempotent.
   */
  fix?: (host: DoctorHost, options: Abortable) => Promise<string[]>;
}

/** The result of a check. */
export type Finding = Omit<DoctorCheck, 'name'>;
