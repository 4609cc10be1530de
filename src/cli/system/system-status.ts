import { defineCommand } from '../program/command.ts';

/** `banger system status` */
export const systemStatus = defineCommand({
  path: ['system', 'status'],
  summary: 'print the state of the services',
  description:
    'Prints whether the daemon and the helper run as services of this host, whom they serve, and where their sockets are. Starts nothing. A host without them is not a failure.',
  examples: [
    { command: 'banger system status', does: 'The state of both services.' },
    { command: 'banger system status --json | jq -r .active', does: 'Whether the daemon runs.' },
  ],
  args: [],
  options: { json: { type: 'flag', summary: 'print it as JSON' } },
  async run({ options }, context) {
    const { readSystemInstall, SYSTEM } = await import('../../config/system-install.ts');
    const install = readSystemInstall();
    if (install === undefined) {
      if (options.json) await context.printJson({ isInstalled: false });
      else await context.print('not installed');
      return 0;
    }
    const { serviceState } = await import('./wait-ready.ts');
    const state = await serviceState({ signal: context.signal });
    const { owner, version, installedAt } = install;
    const facts = {
      active: state.daemon,
      helper_active: state.helper,
      helper_socket_active: state.helperSocket,
      helper_version: state.helperStatus?.version ?? 'it does not answer this user',
      owner,
      version,
      installed_at: installedAt,
      socket: context.paths().isService ? context.paths().daemonSocket : `${SYSTEM.runtimeDir}/bangerd.sock`,
      helper_socket: SYSTEM.helperSocket,
      config: `${SYSTEM.configDir}/config.toml`,
    };
    if (options.json) await context.printJson({ isInstalled: true, ...facts });
    else {
      const { renderTable } = await import('../render/table.ts');
      await context.print(renderTable(Object.entries(facts)));
    }
    return 0;
  },
});
