import type { DoctorCheck, DoctorFix } from '../../protocol/api/daemon.ts';
import { buildLabel } from '../../protocol/build-info.ts';
import type { CommandContext } from '../context/context.ts';
import { defineCommand } from '../program/command.ts';

/** `banger doctor` */
export const doctor = defineCommand({
  path: ['doctor'],
  summary: 'check whether this host can run VMs',
  description:
    'Checks what VMs need on this host and says how to fix what is missing. It changes nothing, except with --fix, which removes files and processes of VMs that no longer exist, and installs programs that are missing, after it has said how and asked. With --deep it also reads all warm templates and the device state of all snapshots, and compares them with their checksums; a damaged template is set aside, and the next VM makes a new one. With --prove it also makes three VMs of the default image and shape, and deletes them again: it shows that they share no random numbers, ids, keys or files, have the right time, and have not changed the template. The exit status is 1 when a check fails, and 0 when there are only warnings.',
  examples: [
    {
      command: 'banger doctor',
      does: 'The first thing to run on a new host, and when something does not work.',
    },
    { command: 'banger doctor --verbose', does: 'With the facts behind each check.' },
    {
      command: 'banger doctor --fix',
      does: 'Removes what crashes have left behind, and installs what is missing.',
    },
    {
      command: 'banger doctor --prove',
      does: 'Shows that VMs started from one template are as independent as VMs that were booted.',
    },
    {
      command: 'banger doctor --deep',
      does: 'Finds damage by a failing disk in templates and snapshots.',
    },
    { command: 'banger doctor --json', does: 'The same for programs.' },
  ],
  args: [],
  options: {
    fix: {
      type: 'flag',
      summary: "remove banger's own stale files and processes, install missing programs, then check",
    },
    yes: { type: 'flag', short: 'y', summary: 'with --fix: install without asking' },
    deep: { type: 'flag', summary: 'also read all templates and snapshots and compare checksums' },
    prove: { type: 'flag', summary: 'also make three VMs and show that they are independent of each other' },
    verbose: { type: 'flag', short: 'v', summary: 'print the facts behind each check' },
    json: { type: 'flag', summary: 'print the checks as JSON' },
  },
  async run({ options }, context) {
    const { checks, fixed } = await examine(context, {
      isFix: options.fix,
      isAgreed: options.yes,
      isDeep: options.deep,
      isProved: options.prove,
    });
    if (options.json) await context.printJson(options.fix ? { checks, fixed } : { checks });
    else {
      const { doctorReport } = await import('./render-doctor.ts');
      const { style, stdout } = context;
      const rendering = { style, width: stdout.columns, isVerbose: options.verbose };
      await context.print(doctorReport({ checks, fixed }, rendering));
    }
    return checks.some(({ status }) => status === 'fail') ? 1 : 0;
  },
});

/**
 * A daemon that does not start is reported like any other finding, because it may be why the user runs
 * doctor.
 */
async function examine(
  context: CommandContext,
  {
    isFix,
    isAgreed,
    isDeep,
    isProved,
  }: { isFix: boolean; isAgreed: boolean; isDeep: boolean; isProved: boolean },
): Promise<DoctorFix> {
  const { signal } = context;
  try {
    const client = await context.client();
    context.progress.step('doctor', 'checking this host');
    const [{ build }, found] = await Promise.all([
      client.daemonStatus({ signal }),
      isFix
        ? client.fixHost({ signal })
        : client.doctor({ signal }).then((checks) => ({ checks, fixed: [] })),
    ]);
    if (isFix) {
      const { installMissing } = await import('./install-missing.ts');
      const hasInstalled = await installMissing(found.checks, context, { isAgreed });
      if (hasInstalled) found.checks = await client.doctor({ signal });
    }
    const saved = isDeep ? await context.follow(client.checkSaved({ signal }), 'doctor') : { checks: [] };
    const checks = [versionCheck(context, build), ...found.checks, ...saved.checks];
    if (!isProved) return { ...found, checks };
    const { prove } = await import('./prove/prove.ts');
    return { ...found, checks: [...checks, ...(await prove(client, context))] };
  } catch (error) {
    const { isAppError, messageOf } = await import('../../base/errors.ts');
    if (!isAppError(error, 'DAEMON_START_FAILED', 'DAEMON_UNREACHABLE')) throw error;
    const daemon: DoctorCheck = {
      name: 'daemon',
      status: 'fail',
      message: messageOf(error),
      ...(error.hint === undefined ? {} : { fix: error.hint }),
    };
    return { checks: [versionCheck(context, undefined), daemon], fixed: [] };
  }
}

/** Checks that the command and its daemon are the same build. */
function versionCheck({ io: { build } }: CommandContext, daemonBuild: string | undefined): DoctorCheck {
  const own = buildLabel(build);
  if (daemonBuild === undefined || daemonBuild === own) {
    return {
      name: 'banger version',
      status: 'pass',
      message: `${build.version} (node ${process.versions.node})`,
    };
  }
  return {
    name: 'banger version',
    status: 'warn',
    message: `this command is build ${own}, the daemon is build ${daemonBuild}`,
    fix: 'banger daemon stop',
  };
}
