import { isAbort, messageOf } from '../../../base/errors.ts';
import type { Task } from '../../../protocol/events.ts';
import type { StoredTemplate } from '../../ports/templates.ts';
import { templateKey } from '../../rules/template-key.ts';
import type { VmPlan } from '../plan/vm-plan.ts';
import type { Vms, WarmStarts } from '../world.ts';
import type { TemplateWorld } from './make-template.ts';
import { makeTemplate } from './make-template.ts';
import { type CacheWorld, pruneTemplates } from './prune-cache.ts';

/**
 * Key of the template that a plan's VM can start from; `undefined` when the driver cannot save guests, or
 * templates are turned off.
 */
export function templateKeyOf(world: Pick<WarmStarts, 'isWarm'>, plan: VmPlan): string | undefined {
  const { savedGuestKey } = plan.probe;
  if (savedGuestKey === undefined || !world.isWarm) return undefined;
  return templateKey({ ...plan, driverName: plan.driver.name, savedGuestKey });
}

/**
 * Returns the template for a plan, and makes it first when there is none; callers with the same key share
 * that work. The template cannot be removed until the caller disposes of the result. Returns `undefined` when
 * making it failed: a notice tells the user that the VM boots cold.
 *
 * @throws the abort reason.
 */
export async function warmTemplate(
  world: TemplateWorld & Pick<Vms, 'log'> & CacheWorld,
  { plan, key }: { plan: VmPlan; key: string },
  options: Task,
): Promise<(StoredTemplate & Disposable) | undefined> {
  const { report, signal } = options;
  const use = (): Promise<(StoredTemplate & Disposable) | undefined> =>
    world.templates.use(key, { onDamage: (message) => report({ event: 'notice', message }) });
  const found = await use();
  if (found) return found;
  report({ event: 'notice', message: 'preparing a warm template for this shape (only once)' });
  try {
    await world.templates.make(
      key,
      {
        facts: {
          imageName: plan.image.name,
          kernelName: plan.kernel.name,
          arch: plan.kernel.arch,
          shape: plan.shape,
          vmm: plan.probe.version ?? plan.driver.name,
        },
        work: (place, inner) => makeTemplate(world, { plan, place, report }, inner),
      },
      { signal },
    );
  } catch (error) {
    signal.throwIfAborted();
    if (isAbort(error)) throw error;
    world.log.warn('a warm template could not be made', { key, error });
    report({
      event: 'notice',
      message: `a warm template could not be made; this VM boots cold: ${messageOf(error)}`,
    });
    return undefined;
  }
  const made = await use();
  void pruneQuietly(world);
  return made;
}

/** Keeps the templates within the disk budget; failures are logged. */
async function pruneQuietly(world: Pick<Vms, 'log'> & CacheWorld): Promise<void> {
  try {
    await pruneTemplates(world, {});
  } catch (error) {
    world.log.warn('pruning templates failed', { error });
  }
}
