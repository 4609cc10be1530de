import { AppError } from '../../../base/errors.ts';
import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';

/** `banger __ssh-proxy`: the `ProxyCommand` that banger vm ssh passes to OpenSSH. */
export const sshProxy = defineCommand({
  path: ['__ssh-proxy'],
  summary: 'connect stdin and stdout to a port of a VM',
  description:
    'Connects stdin and stdout to a TCP port on the loopback addresses of a running VM, through the agent in it. OpenSSH runs it for banger vm ssh.',
  examples: [{ command: 'banger __ssh-proxy web 22', does: 'Prints the greeting of the sshd in web.' }],
  args: [
    ONE_VM,
    { name: 'port', summary: 'the port', isRequired: true, kind: 'other' },
    {
      name: 'owner',
      summary: 'id of a process; the connection ends when it exits',
      isRequired: false,
      kind: 'other',
    },
  ],
  options: {},
  isHidden: true,
  async run({ args: [ref = '', port = '', owner] }, context) {
    const wanted = {
      ref,
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
