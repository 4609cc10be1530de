import { defineCommand } from '../program/command.ts';
import { ENV_OPTION } from '../vm/guest-env.ts';

/** `banger devcontainer check` */
export const devcontainerCheck = defineCommand({
  path: ['devcontainer', 'check'],
  summary: 'say what of a devcontainer.json counts',
  description: [
    'Reads the devcontainer.json of a repository and prints each of its keys: taken, overridden (banger does it in another way), not supported (no effect), or refused (banger vm run --devcontainer would not make a VM). Runs nothing of it, and makes nothing.',
    '',
    'The exit status is 0 when the VM can be made, 1 when a key is refused, 2 when there is no file or it cannot be read.',
  ].join('\n'),
  examples: [
    { command: 'banger devcontainer check', does: 'Checks the file of the current repository.' },
    {
      command: 'banger devcontainer check --skip mounts ./repo',
      does: 'Checks it without one of its keys.',
    },
  ],
  args: [{ name: 'path', summary: 'a folder in a git working tree', isRequired: false, kind: 'folder' }],
  options: {
    name: {
      type: 'value',
      value: 'name',
      summary: 'which file, when there are several: its folder in .devcontainer',
    },
    skip: { type: 'list', value: 'key', summary: 'leave a key of the file out; may be given several times' },
    initializeCommand: { type: 'flag', summary: 'as if its initializeCommand could run on this host' },
    ...ENV_OPTION,
    json: { type: 'flag', summary: 'print it as JSON' },
  },
  async run({ args: [path = '.'], options }, context) {
    const [{ resolve }, { environmentOf }, { loadDevcontainer }, render] = await Promise.all([
      import('node:path'),
      import('../vm/guest-env.ts'),
      import('./load.ts'),
      import('./render-check.ts'),
    ]);
    const { env, cwd } = context.io;
    const found = loadDevcontainer(resolve(cwd, path), {
      name: options.name,
      skipped: options.skip,
      isInitializeAllowed: options.initializeCommand,
      givenEnv: environmentOf(options.env, env),
      env,
    });
    const report = render.checkReport(found);
    if (options.json) await context.printJson(report);
    else await context.print(render.renderCheck(found, context.stdout.columns));
    return report.canRun ? 0 : 1;
  },
});
