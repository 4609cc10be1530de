import { AppError } from '../../base/errors.ts';
import { defineCommand } from '../program/command.ts';
import { CHANGE_OPTIONS, parseKind, parseRoot, parseServer, usualServer } from './options.ts';
import { RESOLVER_KINDS } from './resolvers.ts';

/** `banger dns install` */
export const dnsInstall = defineCommand({
  path: ['dns', 'install'],
  summary: "let this host's resolver find NAME.vm",
  description:
    "Writes the file that makes this host's resolver ask banger's DNS server for names in the zone vm, so that every program finds NAME.vm. It writes only files of its own, in the folders for such additions, and refuses to replace a file that it has not written. It needs root, restarts nothing, and prints the command that makes the resolver read the file.",
  examples: [
    { command: 'banger dns install', does: 'For the resolver that this host uses; run it with sudo.' },
    { command: 'banger dns install --dry-run', does: 'Prints which files it would write.' },
    { command: 'banger dns install --for unbound', does: 'For a resolver that is not in use yet.' },
  ],
  args: [],
  options: {
    for: {
      type: 'value',
      value: 'resolver',
      kind: RESOLVER_KINDS,
      summary: 'the resolver to set up',
      defaultText: () => 'the one that this host uses',
    },
    server: {
      type: 'value',
      value: 'address:port',
      summary: 'where the DNS server listens, when the config file says so',
      defaultText: () => 'the default of the user who runs sudo',
    },
    ...CHANGE_OPTIONS,
  },
  async run({ options }, context) {
    const root = parseRoot(options.root);
    const server = options.server === undefined ? usualServer(context.io.env) : parseServer(options.server);
    const [{ readHostResolver }, { resolverSetup }, { writeDropIns }, { changeLines }, { sudoLine }] =
      await Promise.all([
        import('./host-resolver.ts'),
        import('./resolvers.ts'),
        import('./change-drop-ins.ts'),
        import('./render-changes.ts'),
        import('./sudo-line.ts'),
      ]);
    const kind = options.for === undefined ? readHostResolver(root).asked : parseKind(options.for);
    if (kind === undefined) throw noResolver();
    if (kind === 'systemd-resolved') {
      const { hindered, hindranceOf } = await import('./resolved-settings.ts');
      const hindrance = hindranceOf(root);
      if (hindrance) throw hindered(hindrance);
    }
    const { dropIns, reload } = resolverSetup(kind, { server, root });
    const given = [
      ...(options.for === undefined ? [] : ['--for', options.for]),
      ...(options.server === undefined ? [] : ['--server', options.server]),
      ...(options.root === undefined ? [] : ['--root', options.root]),
    ];
    const asRoot = sudoLine(['dns', 'install', ...given], context.io);
    const changes = await writeDropIns(dropIns, { isDryRun: options.dryRun, asRoot });
    if (options.json) await context.printJson({ resolver: kind, server, changes, reload });
    else await context.print(changeLines({ changes, isDryRun: options.dryRun, reloads: [reload] }));
    return 0;
  },
});

function noResolver(): AppError {
  return new AppError(
    'DNS_NO_RESOLVER',
    'Cannot set up a resolver: programs of this host ask servers of its network, which cannot be told about one zone',
    {
      hint: `install one of ${RESOLVER_KINDS.join(', ')}, or name it with --for; without one, use the addresses of banger vm list, or NAME.localhost in a browser`,
    },
  );
}
