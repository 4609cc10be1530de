import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Abortable, poll } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import type { Vm } from '../../src/protocol/vm.ts';
import type { Lab } from '../lab.ts';
import type { Measurement } from '../measurement.ts';
import { firstAndRest, median } from '../stats.ts';
import { repeat, type TimedOptions, timeOf, timeToFirstOutput } from '../timing.ts';
import { withVm } from '../with-vm.ts';

const SSH_PORT = 22;

/** A command that does nothing, over ssh: with a connection of its own, and with a shared one. */
export const sshRoundTrip: Measurement = {
  name: 'ssh-round-trip',
  run: (lab, { isQuick, signal }) =>
    withVm(lab, { signal }, async (vm) => {
      const runs = isQuick ? 5 : 20;
      const home = join(lab.scratch, 'ssh-home');
      await mkdir(home, { recursive: true });
      // The daemon has made the user's key below the usual home.
      const { HOME = '', XDG_DATA_HOME = join(HOME, '.local', 'share') } = process.env;
      const env = { ...lab.env, HOME: home, XDG_DATA_HOME };
      await exec([lab.banger, 'ssh-config', '--install'], { env, signal });
      const ssh = ['ssh', '-F', join(home, '.ssh', 'config')] as const;
      const shared = [...ssh, '-o', `ControlPath=${join(home, 'cm')}`] as const;
      const host = `${vm.name}.vm`;
      const direct = [...ssh, ...(await optionsOfDirect(lab, vm, { signal })), host] as const;
      const times = new Map<string, number[]>();
      const note = (way: string, ms: number): void => void times.set(way, [...(times.get(way) ?? []), ms]);
      await using _master = await openShared([...shared, host], { env, signal });
      // In turns, because the speed of the machine varies.
      await repeat(runs, async () => {
        note('cold', await timeOf([...ssh, host, 'true'], { env, signal }));
        note('direct', await timeOf([...direct, 'true'], { env, signal }));
        note('warm', await timeOf([...shared, host, 'true'], { env, signal }));
        note('proxy', (await timeToFirstOutput([lab.banger, 'vm', 'proxy', host], { env, signal })).ms);
        note('version', await timeOf([lab.banger, 'version'], { env, signal }));
        note('viaExec', await timeOf([lab.banger, 'vm', 'exec', vm.name, '--', 'true'], { env, signal }));
      });
      const of = (way: string): number[] => times.get(way) ?? [];
      const unit = 'ms';
      return [
        {
          name: 'ssh',
          what: '`ssh NAME.vm true`',
          unit,
          ...firstAndRest(of('cold')),
          floor: median(of('direct')),
          floorIs: "`ssh` to the forwarded port of the guest's sshd, without `vm proxy`",
          runs,
        },
        {
          name: 'ssh-shared',
          what: '`ssh NAME.vm true` over a shared connection',
          unit,
          ...firstAndRest(of('warm')),
          floor: median(of('viaExec')),
          floorIs: '`banger vm exec VM -- true`',
          runs,
        },
        {
          name: 'vm-proxy',
          what: "`vm proxy`, which each ssh starts, to the greeting of the guest's sshd",
          unit,
          ...firstAndRest(of('proxy')),
          floor: median(of('version')),
          floorIs: '`banger version`',
          runs,
        },
      ];
    }),
};

/** Options of ssh for a connection to the forwarded port itself, with the same key and host key. */
async function optionsOfDirect({ client }: Lab, vm: Vm, { signal }: Abortable): Promise<string[]> {
  const forwarded = async (): Promise<number | undefined> => {
    const { ports } = await client.vmPorts(vm.id, { signal });
    return ports.find(({ port }) => port === SSH_PORT)?.hostPort;
  };
  const what = 'the port of sshd to be forwarded';
  const port = await poll(forwarded, { everyMs: 50, deadlineMs: 60_000, what, signal });
  const options = {
    ProxyCommand: 'none',
    HostName: vm.guest_ip ?? '',
    Port: port,
    HostKeyAlias: `${vm.name}.vm`,
  };
  return Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

/** Opens the connection that commands with the same `ControlPath` share, until disposed of. */
async function openShared(
  [ssh, ...words]: readonly [string, ...string[]],
  { env, signal }: TimedOptions,
): Promise<AsyncDisposable> {
  const master = spawn(ssh, ['-M', '-N', ...words], { env, stdio: 'ignore' });
  const ended = once(master, 'exit');
  const isOpen = async (): Promise<true | undefined> => {
    const { code } = await exec([ssh, '-O', 'check', ...words], { env, signal, okCodes: [0, 255] });
    return code === 0 || undefined;
  };
  await poll(isOpen, { everyMs: 100, deadlineMs: 60_000, what: 'the shared connection', signal });
  return {
    async [Symbol.asyncDispose]() {
      master.kill();
      await ended;
    },
  };
}
