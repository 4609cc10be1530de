import type { CommandContext } from '../../context/context.ts';
import type { RunPlan } from '../../vm/run/plan.ts';
import { type Devcontainer, loadDevcontainer, requireRunnable } from '../load.ts';
import { runInitialize } from './run-initialize.ts';

/** The parts of a plan that choose a configuration. */
export type DevcontainerPlan = Pick<RunPlan, 'env'> & {
  /** folder of the working tree */
  path: string;
  name?: string | undefined;
  skipped: readonly string[];
  isInitializeAllowed: boolean;
};

/**
 * Reads the configuration of a run. Runs nothing of it.
 *
 * @throws {AppError} DEVCONTAINER_*.
 */
export function readForRun({ path, ...options }: DevcontainerPlan, context: CommandContext): Devcontainer {
  const found = loadDevcontainer(path, { ...options, givenEnv: options.env, env: context.io.env });
  requireRunnable(found);
  return found;
}

/**
 * Reads the configuration of a run, says what does not count, and runs its `initializeCommand` if the user
 * has allowed that. Nothing exists yet when this returns or throws.
 *
 * @throws {AppError} DEVCONTAINER_*.
 */
export async function openDevcontainer(
  plan: DevcontainerPlan,
  context: CommandContext,
): Promise<Devcontainer> {
  const found = readForRun(plan, context);
  const without = found.keys.filter(({ status }) => status === 'not supported').map(({ key }) => key);
  if (without.length > 0) {
    const why = 'banger devcontainer check says why';
    context.notice(`${found.shownFile}: without effect here: ${without.join(', ')} (${why})`);
  }
  if (found.withheldEnv.length > 0) {
    context.notice(
      `${found.shownFile}: variables of this shell are empty there unless you give them: ${found.withheldEnv.map((name) => `-e ${name}`).join(' ')}`,
    );
  }
  const { initialize } = found.config;
  if (initialize) await runInitialize(initialize, { folder: found.localFolder, context });
  return found;
}
