import { AppError } from '../../base/errors.ts';
import { defineCommand } from '../command.ts';

/** `banger __ssh-proxy`: what banger vm ssh gives OpenSSH as its `ProxyCommand`. */
export const sshProxy = defineCommand({
  path: ['__ssh-proxy'],
  summary: 'join stdin and stdout with a port of a VM',
  description:
    'Connects stdin and stdout to a TCP port on the loopback addresses of a running VM, through the agent in it. OpenSSH runs it for banger vm ssh.',
  examples: [{ command: 'banger __ssh-proxy web 22', does: 'What the sshd in web says first.' }],
  args: [
    { name: 'vm', summary: "the VM's name, id, or unique start of its id", isRequired: true, kind: 'vm' },
    { name: 'port', summary: 'the port', isRequired: true, kind: 'other' },
  ],
  options: {},
  isHidden: true,
  async run({ args: [ref = '', port = ''] }, context) {
    if (!/^[0-9]{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535) {
      throw new AppError(
        'USAGE_OPTION_VALUE',
        `Cannot use "${port}" for <port>: it is not a number from 1 to 65535`,
        {
          details: { field: 'port', value: port },
        },
      );
    }
    const { joinPort } = await import('../vm-ssh/join-port.ts');
    await joinPort({ ref, port: Number(port) }, context);
    return 0;
  },
});
