import { defineCommand } from '../program/command.ts';
import { CHANGE_OPTIONS } from './options.ts';

/** `banger system restart` */
export const systemRestart = defineCommand({
  path: ['system', 'restart'],
  summary: 'restart the services; VMs keep running',
  description:
    'Restarts the daemon and the helper that banger system install has made services of this host, starts those that do not run, and waits until both answer. VMs keep running. It needs root.',
  examples: [
    {
      command: 'banger system restart',
      does: 'After a change of /etc/banger/config.toml; run it with sudo.',
    },
  ],
  args: [],
  options: CHANGE_OPTIONS,
  async run({ options }, context) {
    const [
      { applySteps, givenWords, requireSystemd },
      { restartSteps },
      { requireRoot },
      { requireInstall },
    ] = await Promise.all([
      import('./apply.ts'),
      import('./plan.ts'),
      import('./require-service.ts'),
      import('./require-install.ts'),
    ]);
    requireInstall();
    if (!options.dryRun) {
      requireRoot(
        'restart services',
        ['system', 'restart', ...givenWords({ json: options.json })],
        context.io,
      );
      requireSystemd();
    }
    const steps = restartSteps();
    await applySteps(steps, context, { isDryRun: options.dryRun, isJson: options.json });
    if (!options.dryRun) {
      const { waitReady } = await import('./wait-ready.ts');
      await waitReady({ signal: context.signal });
    }
    if (options.json) await context.printJson({ isDryRun: options.dryRun, steps });
    else if (!options.dryRun) await context.print('ready');
    return 0;
  },
});
