import { defineCommand } from '../program/command.ts';
import { CHANGE_OPTIONS, parseRoot, usualServer } from './options.ts';

/** `banger dns uninstall` */
export const dnsUninstall = defineCommand({
  path: ['dns', 'uninstall'],
  summary: 'remove what dns install has written',
  description:
    'Removes the files that banger dns install has written, for every resolver, and nothing else. It refuses to remove a file that it has not written. It needs root, restarts nothing, and prints the commands that make resolvers notice.',
  examples: [
    { command: 'banger dns uninstall', does: 'The host resolves names as before; run it with sudo.' },
    { command: 'banger dns uninstall --dry-run', does: 'Prints which files it would remove.' },
  ],
  args: [],
  options: CHANGE_OPTIONS,
  async run({ options }, context) {
    const root = parseRoot(options.root);
    const [{ RESOLVER_KINDS, resolverSetup }, { hasAny, removeDropIns }, { changeLines }, { sudoLine }] =
      await Promise.all([
        import('./resolvers.ts'),
        import('./change-drop-ins.ts'),
        import('./render-changes.ts'),
        import('./sudo-line.ts'),
      ]);
    const server = usualServer(context.io.env);
    const setups = RESOLVER_KINDS.map((kind) => resolverSetup(kind, { server, root }));
    const reloads = setups.filter(({ dropIns }) => hasAny(dropIns)).map(({ reload }) => reload);
    const paths = setups.flatMap(({ dropIns }) => dropIns.map(({ path }) => path));
    const given = options.root === undefined ? [] : ['--root', options.root];
    const asRoot = sudoLine(['dns', 'uninstall', ...given], context.io);
    const changes = await removeDropIns(paths, { isDryRun: options.dryRun, asRoot });
    const made = changes.filter(({ change }) => change !== 'absent');
    if (options.json) await context.printJson({ changes: made, reloads });
    else await context.print(changeLines({ changes: made, isDryRun: options.dryRun, reloads }));
    return 0;
  },
});
