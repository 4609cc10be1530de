import { isAppError, messageOf } from '../../../base/errors.ts';
import type { Vm } from '../../../protocol/vm.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import type { CommandContext } from '../../context/context.ts';
import type { DevcontainerConfig, HookName, WantedPort } from '../config.ts';
import { type Lookup, needsContainerEnv, withContainerEnv } from '../variables.ts';
import { isRoot, ownTree } from './own-tree.ts';
import { type GuestStart, runStep, type StepPlace } from './run-step.ts';

/** What a new VM is set up with. */
export interface SetUp {
  config: DevcontainerConfig;
  /** the user of hooks and commands */
  user: string;
  copyTo: string;
  workspaceFolder: string;
  /** variables that the user gives; they win */
  env: Readonly<Record<string, string>>;
  /** whether a command or a shell follows */
  attaches: boolean;
}

/** Hooks in the order of the specification. A new VM runs each once, and one more for what attaches to it. */
const HOOKS: readonly HookName[] = [
  'onCreateCommand',
  'updateContentCommand',
  'postCreateCommand',
  'postStartCommand',
];

/** Most `bytes` of the variables of a guest. */
const MAX_ENV_BYTES = 2 ** 20;

/**
 * Sets a VM up that has its working tree: forwards ports, gives the tree to the user, and runs the hooks. The
 * first hook that fails ends this. Returns how the command or shell of the user runs.
 *
 * @throws {AppError} DEVCONTAINER_COMMAND_FAILED, DEVCONTAINER_USER_INVALID; PORT_UNAVAILABLE for a port that
 * the file requires.
 */
export async function setUpVm(
  vm: Vm,
  { config, user, copyTo, workspaceFolder, env, attaches }: SetUp,
  { client, context }: { client: BangerClient; context: CommandContext },
): Promise<GuestStart> {
  for (const port of config.ports) await forward(vm, port, { client, context });
  const place = { client, vm, context };
  if (!isRoot(user)) await ownTree(place, { user, folder: copyTo });
  const { words, lookup } = await containerWords(config, { ...place, user });
  const remoteEnv = Object.entries(config.remoteEnv).map(
    ([name, text]) => [name, words(text, lookup)] as const,
  );
  const start = { user, cwd: workspaceFolder, env: { ...Object.fromEntries(remoteEnv), ...env } };
  for (const hook of attaches ? [...HOOKS, 'postAttachCommand' as const] : HOOKS) {
    for (const step of config.hooks[hook]) {
      const resolved = step.map(({ argv: [program, ...args], ...rest }) => ({
        ...rest,
        argv: [words(program, lookup), ...args.map((word) => words(word, lookup))] as [string, ...string[]],
      }));
      await runStep(hook, resolved, { ...place, start });
    }
  }
  return start;
}

async function forward(
  vm: Vm,
  { port, label, isRequired }: WantedPort,
  { client, context }: { client: BangerClient; context: CommandContext },
): Promise<void> {
  const shown = label === undefined ? `port ${port}` : `port ${port} (${label})`;
  try {
    const request = { hostPort: port, guestPort: port };
    await context.follow(client.forwardPort(vm.id, request, { signal: context.signal }), 'devcontainer');
    context.notice(`127.0.0.1:${port} leads to ${shown} of vm "${vm.name}"`);
  } catch (error) {
    if (isRequired || !isAppError(error, 'PORT_UNAVAILABLE')) throw error;
    context.warn(`${shown} is not forwarded: ${messageOf(error)}`);
  }
}

/** Replaces variables of the container. The guest is asked for them only when something names one. */
async function containerWords(
  { remoteEnv, hooks }: DevcontainerConfig,
  { user, ...place }: Omit<StepPlace, 'start'> & { user: string },
): Promise<{ words: typeof withContainerEnv; lookup: Lookup }> {
  const steps = Object.values(hooks).flat(2);
  const texts = [...Object.values(remoteEnv), ...steps.flatMap(({ argv }) => argv)];
  if (!texts.some(needsContainerEnv)) return { words: (text) => text, lookup: () => undefined };
  const { client, vm, context } = place;
  using session = await client.exec(
    vm.id,
    { argv: ['env', '-0'], user, cwd: '/' },
    { signal: context.signal },
  );
  const { stdout } = await session.collect({ maxBytes: MAX_ENV_BYTES });
  const known = new Map(
    stdout
      .toString('utf8')
      .split('\0')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const),
  );
  return { words: withContainerEnv, lookup: (name) => known.get(name) };
}
