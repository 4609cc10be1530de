import { installCommands, type Packages } from '../../core/rules/host-packages.ts';
import type { Finding } from './check.ts';

/** Which packages would mend a finding: for people, and for `banger doctor --fix`. */
export function installing(packages: Packages): Pick<Finding, 'fix' | 'packages'> {
  return { fix: installCommands(packages), packages: { ...packages } };
}
