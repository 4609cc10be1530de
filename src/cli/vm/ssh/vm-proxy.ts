import { AppError } from '../../../base/errors.ts';
import { defineCommand } from '../../program/command.ts';

/** `banger vm proxy`: the `ProxyCommand` with which OpenSSH reaches a VM. */
export const vmProxy = defineCommand({
  path: ['vm', 'proxy'],
  summary: 'connect stdin and stdout to a port of a VM',
  description:
    'Connects stdin and stdout to a TCP port on the loopback addresses of a VM, through the agent in it. Starts the daemon when it is not running, and resumes a suspended VM. OpenSSH runs it for banger vm ssh and for ssh NAME.vm.',
  examples: [
    { command: 'banger vm proxy web.vm', does: 'Prints the greeting of the sshd in web.' },
    { command: 'banger vm proxy web 8080', does: 'Speaks with what listens on port 8080 of web.' },
  ],
  args: [
    { name: 'vm', summary: 'name or id of a VM, or its name with .vm', isRequired: true, kind: 'vm' },
    { name: 'port', summary: 'the port; default: 22', isRequired: false, kind: 'other' },
    {
      name: 'owner',
      summary: 'id of a process; the connection ends when it exits',
      isRequired: false,
      kind: 'other',
    },
  ],
  options: {},
  isHidden: true,
  async run({ args: [host = '', port = '22', owner] }, context) {
    const wanted = {
      host,
      port: numberOf(port, { field: 'port', most: 65_535 }),
      ...(owner === undefined ? {} : { ownerPid: numberOf(owner, { field: 'owner', most: MAX_PID }) }),
    };
    const { joinPort } = await import('./join-port.ts');
    await joinPort(wanted, context);
    return 0;
  },
});

/** Linux's own limit for process ids (proc(5), `pid_max`). */
const MAX_PID = 2 ** 22;

function numberOf(text: string, { field, most }: { field: string; most: number }): number {
  if (/^[0-9]{1,7}$/.test(text) && Number(text) >= 1 && Number(text) <= most) return Number(text);
  throw new AppError(
    'USAGE_OPTION_VALUE',
    `Cannot use "${text}" for <${field}>: it is not a number from 1 to ${most}`,
    { details: { field, value: text } },
  );
}
