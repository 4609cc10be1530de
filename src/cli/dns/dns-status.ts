import { defineCommand } from '../program/command.ts';

/** `ms` to wait for the resolver of this host, which may wait for servers of its network. */
const RESOLVE_MS = 3_000;

/** `banger dns status` */
export const dnsStatus = defineCommand({
  path: ['dns', 'status'],
  summary: 'print how names of VMs are resolved on this host',
  description:
    "Prints where banger's DNS server for NAME.vm and its web gateway for NAME.localhost listen, how this host resolves names, and whether its programs find NAME.vm now. When they do not, it prints what each resolver needs for that; sudo banger dns install writes it.",
  examples: [
    { command: 'banger dns status', does: 'The servers, the resolver of this host, and what it lacks.' },
    { command: 'banger dns status --json | jq .resolvesNow', does: 'Whether programs find NAME.vm.' },
  ],
  args: [],
  options: { json: { type: 'flag', summary: 'print it as JSON' } },
  async run({ options }, context) {
    const { signal } = context;
    const { PROBE_LABEL } = await import('../../protocol/api/names.ts');
    const { hostNameOf } = await import('../../protocol/vm-domain.ts');
    const client = await context.client();
    const [servers, { readHostResolver }, { resolvesTo }, { RESOLVER_KINDS, resolverSetup }] =
      await Promise.all([
        client.nameServers({ signal }),
        import('./host-resolver.ts'),
        import('../../base/resolves-to.ts'),
        import('./resolvers.ts'),
      ]);
    const resolver = readHostResolver('/');
    const { hindranceOf } = await import('./resolved-settings.ts');
    const hindrance = resolver.asked === 'systemd-resolved' ? hindranceOf('/') : undefined;
    const { address, port } = servers.dns;
    const isListening = servers.dns.state === 'listening' && address !== undefined && port !== undefined;
    const server = isListening ? { address, port } : undefined;
    const found =
      server !== undefined &&
      (await resolvesTo(hostNameOf(PROBE_LABEL), { ...server, deadlineMs: RESOLVE_MS, signal }));
    const setups = server ? RESOLVER_KINDS.map((kind) => resolverSetup(kind, { server, root: '/' })) : [];
    if (options.json) {
      await context.printJson({ ...servers, resolvesNow: found, host: resolver, hindrance, setups });
      return 0;
    }
    const { dnsSummary } = await import('./render-dns.ts');
    const { usualServer } = await import('./options.ts');
    const { sudoLine } = await import('./sudo-line.ts');
    const usual = usualServer(context.io.env);
    const install = sudoLine(['dns', 'install'], context.io);
    await context.print(
      dnsSummary({ servers, resolver, setups, resolvesNow: found, usual, install, hindrance }),
    );
    return 0;
  },
});
