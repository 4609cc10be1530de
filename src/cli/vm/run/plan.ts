import { resolve } from 'node:path';
import { AppError } from '../../../base/errors.ts';
import type { Environment, Settings } from '../../../config/settings.ts';
import type { CreateVmRequest, WaitForVmRequest } from '../../../protocol/api/vm-requests.ts';
import type { WorkspaceChoice } from '../../../protocol/api/workspace.ts';
import type { GivenShape } from '../../devcontainer/run/plan-run.ts';
import type { Invocation, OptionValues } from '../../program/command.ts';
import { ProblemList } from '../../program/problems.ts';
import { createRequestOf } from '../create-request.ts';
import { commandOf } from '../guest-command.ts';
import { environmentOf, userOf, workdirOf } from '../guest-env.ts';
import { waitAfterStart } from '../lifecycle/wait-request.ts';
import { timeLimitOf } from '../time-limit.ts';
import { workspaceChoiceOf } from '../workspace/workspace-options.ts';
import type { WayOut } from './bring-out.ts';
import type { RUN_OPTIONS } from './options.ts';
import { outProblems } from './out-problems.ts';

const RUN_WITH_PATH = 'banger vm run --dry-run ./repo';

/** What the command line says about a `devcontainer.json`. */
export interface DevcontainerChoice {
  name?: string | undefined;
  skipped: readonly string[];
  isInitializeAllowed: boolean;
  given: GivenShape;
}

/** The checked command line of `vm run`. */
export interface RunPlan {
  request: CreateVmRequest;
  /** the working tree to copy into the guest */
  workspace?: WorkspaceChoice;
  /** the `devcontainer.json` of the working tree decides */
  devcontainer?: DevcontainerChoice;
  /** absent: a login shell, unless detached or `hasEntrypoint` */
  command?: [string, ...string[]];
  /** runs the image's own program, with `command` as its arguments */
  hasEntrypoint: boolean;
  /** who runs the command in a VM of a devcontainer.json; absent: whom the file names */
  user?: string | undefined;
  env: Record<string, string>;
  /** where the command or the shell starts; absent: in the working tree */
  workdir?: string;
  /** of the command or the shell, not of what comes before it */
  timeoutMs?: number;
  isRemoved: boolean;
  isDetached: boolean;
  /** what programs in the guest must have come to before `--detach` returns */
  wait?: WaitForVmRequest;
  /** does not install tools */
  skipsBootstrap: boolean;
  /** what is copied to this host after the command */
  out?: WayOut;
  /** only says which files would be sent */
  isDryRun: boolean;
  isJson: boolean;
  /** adds to the JSON where the time went */
  isTimed: boolean;
}

/**
 * Checks the command line of `vm run` before anything exists. All problems are reported at once.
 *
 * @throws {AppError} USAGE_*, WORKSPACE_NOT_FOUND, VM_NAME_INVALID, VM_SHAPE_INVALID, SIZE_INVALID,
 * IMAGE_NAME_INVALID.
 */
export function planOf(
  { args, trailing, options }: Invocation<typeof RUN_OPTIONS>,
  { settings, env: ownEnv, cwd }: { settings: Settings; env: Environment; cwd: () => string },
): RunPlan {
  const problems = new ProblemList();
  const given = options.devcontainer ? { ...options, user: undefined } : options;
  const request = createRequestOf(given, { settings, problems, env: ownEnv, cwd: cwd() });
  const workspace = workspaceChoiceOf(args[0], options, { cwd, problems });
  const command = problems.attempt(() =>
    trailing ? commandOf(trailing, { usage: 'banger vm run -- make test' }) : undefined,
  );
  const env = problems.attempt(() => environmentOf(options.env, ownEnv));
  const workdir = problems.attempt(() => workdirOf(options.workdir));
  const user = options.devcontainer ? problems.attempt(() => userOf(options.user)) : undefined;
  const timeoutMs = problems.attempt(() => timeLimitOf(options.timeout));
  const wait = problems.attempt(() =>
    waitAfterStart({ forPort: options.waitForPort, forCommand: options.waitForCommand }, { timeoutMs }),
  );
  const hasCommand = trailing !== undefined || options.entrypoint;
  const hasFolder = args[0] !== undefined || options.workdir !== undefined;
  for (const problem of outProblems(options, { hasCommand, hasFolder })) problems.add(problem);
  for (const problem of contradictions(options, { hasPath: args[0] !== undefined, hasCommand })) {
    problems.add(problem);
  }
  problems.throwAny();
  return {
    request: { ...(options.devcontainer ? withoutUser(request) : request), keepFailed: true },
    ...(workspace === undefined ? {} : { workspace }),
    ...(options.devcontainer ? { devcontainer: devcontainerChoiceOf(options) } : {}),
    ...(command === undefined ? {} : { command }),
    hasEntrypoint: options.entrypoint,
    ...(user === undefined ? {} : { user }),
    env: env ?? {},
    ...(workdir === undefined ? {} : { workdir }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(options.outDir === undefined
      ? {}
      : { out: { patterns: options.out, dir: resolve(cwd(), options.outDir) } }),
    isRemoved: options.rm,
    isDetached: options.detach,
    ...(wait === undefined ? {} : { wait }),
    skipsBootstrap: options.noBootstrap,
    isDryRun: options.dryRun,
    isJson: options.json,
    isTimed: options.timings,
  };
}

/** The file names the users of its VM. */
function withoutUser({ user: _, ...request }: CreateVmRequest): CreateVmRequest {
  return request;
}

function devcontainerChoiceOf(options: OptionValues<typeof RUN_OPTIONS>): DevcontainerChoice {
  const { vcpu, memory, diskSize, systemOverlaySize } = options;
  const sizes = {
    vcpuCount: vcpu,
    memoryMib: memory,
    diskSizeBytes: diskSize,
    systemOverlaySizeBytes: systemOverlaySize,
  } as const;
  const names = Object.keys(sizes) as (keyof typeof sizes)[];
  return {
    name: options.devcontainerName,
    skipped: options.devcontainerSkip,
    isInitializeAllowed: options.initializeCommand,
    given: new Set(names.filter((name) => sizes[name] !== undefined)),
  };
}

/** Finds options that contradict one another. */
function contradictions(
  options: OptionValues<typeof RUN_OPTIONS>,
  { hasPath, hasCommand }: { hasPath: boolean; hasCommand: boolean },
): AppError[] {
  const refuse = (field: string, message: string, hint: string): AppError =>
    new AppError('USAGE_OPTIONS', message, { hint, details: { field } });
  const found: AppError[] = [];
  const isWaiting = options.waitForPort !== undefined || options.waitForCommand !== undefined;
  if (isWaiting && !options.detach) {
    const flag = options.waitForPort === undefined ? '--wait-for-command' : '--wait-for-port';
    const message = `Cannot use ${flag} without --detach: it says when --detach returns`;
    found.push(refuse('detach', message, 'add -d, or wait for a VM with banger vm wait'));
  }
  if (options.detach && options.rm) {
    found.push(
      refuse('rm', 'Cannot use --detach with --rm: the VM would be deleted at once', 'leave one of them out'),
    );
  }
  if (options.detach && hasCommand) {
    found.push(
      refuse(
        'detach',
        'Cannot use --detach with a command: nobody would wait for it',
        'run it afterwards: banger vm exec <vm> -- CMD',
      ),
    );
  }
  for (const [flag, isGiven] of [
    ['env', options.env.length > 0 && !options.devcontainer],
    ['workdir', options.workdir !== undefined],
    ['user', options.user !== undefined && options.devcontainer],
    ['timeout', options.timeout !== undefined && !isWaiting],
  ] as const) {
    if (!options.detach || !isGiven) continue;
    const message = `Cannot use --${flag} with --detach: it applies to a command, and --detach runs none`;
    found.push(refuse(flag, message, `give it to the command: banger vm exec --${flag} ...`));
  }
  for (const [flag, isGiven] of [
    ['devcontainer-name', options.devcontainerName !== undefined],
    ['devcontainer-skip', options.devcontainerSkip.length > 0],
    ['initialize-command', options.initializeCommand],
  ] as const) {
    if (options.devcontainer || !isGiven) continue;
    found.push(
      refuse(flag, `Cannot use --${flag} without --devcontainer`, 'banger vm run --devcontainer ./repo'),
    );
  }
  if (options.devcontainer && !hasPath) {
    const message = 'Cannot use --devcontainer without a path: the file is in a working tree';
    found.push(refuse('devcontainer', message, 'banger vm run --devcontainer ./repo'));
  }
  if (options.devcontainer && options.image !== undefined) {
    const message = 'Cannot use --image with --devcontainer: the file names the image';
    found.push(refuse('image', message, 'leave one of them out'));
  }
  if (options.dryRun && !hasPath) {
    found.push(
      refuse('dryRun', 'Cannot use --dry-run without a path: no files would be sent', RUN_WITH_PATH),
    );
  }
  if (options.json && !hasCommand && !options.detach && !options.dryRun) {
    found.push(
      refuse(
        'json',
        'Cannot use --json with a shell: stdout belongs to the shell',
        'give a command after --',
      ),
    );
  }
  return found;
}
