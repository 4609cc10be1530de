import type { Check } from '../check.ts';

/** Which ports of guests keep their number on this host. Moved ones are a matter of taste, not a fault. */
export const checkPorts: Check = {
  name: 'ports',
  async run({ firstPort, settings }) {
    if (!settings.hasAutoPorts) {
      return { status: 'pass', message: 'only explicit ports of guests are forwarded (auto_ports = false)' };
    }
    if (firstPort <= 1)
      return { status: 'pass', message: 'guests keep the numbers of their ports on this host' };
    return {
      status: 'pass',
      message: `guests' ports below ${firstPort} are 8000 higher on this host; to keep their numbers: sudo sysctl -w net.ipv4.ip_unprivileged_port_start=0 (and a file in /etc/sysctl.d/), then: banger daemon stop`,
    };
  },
};
