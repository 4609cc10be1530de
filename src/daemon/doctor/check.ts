import type { Abortable } from '../../base/abort.ts';
import type { AppError } from '../../base/errors.ts';
import type { Variables } from '../../base/process/programs.ts';
import type { Settings } from '../../config/settings.ts';
import type { VmWorld } from '../../core/vms/world.ts';
import type { DoctorCheck } from '../../protocol/api/daemon.ts';
import type { BuildInfo } from '../../protocol/build-info.ts';

/** What the checks look at. */
export interface DoctorHost {
  world: VmWorld;
  settings: Settings;
  env: Variables;
  uid: number;
  build: BuildInfo;
  /** the guest agent for guests of this host */
  agentPath: string;
  /**
   * Finds what keeps this user from building images in namespaces, with its repair as the hint.
   *
   * @throws {AppError} EXEC_NOT_FOUND when util-linux is missing.
   */
  namespaceProblem: (options: Abortable) => Promise<AppError | undefined>;
  /** the program `banger-host` */
  hostTools: string;
}

/** One check: its name, and how it finds the rest. */
export interface Check {
  name: string;
  /** Changes nothing. */
  run: (host: DoctorHost, options: Abortable) => Promise<Finding>;
  /** Removes what is provably ours and of no use to anybody, and gives the name of each thing. Idempotent. */
  fix?: (host: DoctorHost, options: Abortable) => Promise<string[]>;
}

/** What a check found. */
export type Finding = Omit<DoctorCheck, 'name'>;
