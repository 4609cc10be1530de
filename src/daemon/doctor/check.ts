import type { Abortable } from '../../base/abort.ts';
import type { Variables } from '../../base/programs.ts';
import type { Settings } from '../../config/settings.ts';
import type { VmWorld } from '../../core/vms/world.ts';
import type { DoctorCheck } from '../../protocol/api.ts';

/** What the checks look at. */
export interface DoctorHost {
  world: VmWorld;
  settings: Settings;
  env: Variables;
  uid: number;
}

/** One check: its name, and how it finds the rest. It changes nothing. */
export interface Check {
  name: string;
  run: (host: DoctorHost, options: Abortable) => Promise<Finding>;
}

/** What a check found. */
export type Finding = Omit<DoctorCheck, 'name'>;
