import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';

/** `banger vm network check` */
export const vmNetworkCheck = defineCommand({
  path: ['vm', 'network', 'check'],
  summary: 'say whether a guest may reach a host, and why',
  description:
    'Says what would happen if the guest of a running VM opened a connection, and why; nothing is sent to the host. The exit status is 1 when the connection would be refused.',
  examples: [
    { command: 'banger vm network check web example.com:443', does: 'Whether the guest may reach a server.' },
    { command: 'banger vm network check web udp/10.0.0.1:53', does: 'The same for UDP, and an address.' },
  ],
  args: [
    ONE_VM,
    { name: 'target', summary: 'one port of one host, HOST:PORT', isRequired: true, kind: 'other' },
  ],
  options: { json: { type: 'flag', summary: 'print it as JSON' } },
  async run({ args: [ref = '', target = ''], options }, context) {
    const { parseEgressRule } = await import('../../../protocol/egress/egress-rule.ts');
    parseEgressRule(target);
    const client = await context.client();
    const verdict = await client.checkNetwork(ref, target, { signal: context.signal });
    if (options.json) await context.printJson(verdict);
    else {
      const { renderVerdict } = await import('./render-decision.ts');
      await context.print(renderVerdict(target, verdict));
    }
    return verdict.allowed ? 0 : 1;
  },
});
