import { join } from 'node:path';
import { AppError } from '../../../base/errors.ts';
import type { Vm } from '../../../protocol/vm.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import type { CommandContext } from '../../context/context.ts';
import type { ForkOwner } from '../fan-out/fork-owner.ts';
import { type Commit, checkOut } from '../fan-out/guest-commits.ts';
import { logName } from '../fan-out/log-folder.ts';
import { repositoryOf } from '../fan-out/repository-of.ts';
import { runLogged } from '../fan-out/run-logged.ts';
import { startFolder } from '../start-folder.ts';
import { verdictOf } from './choose-commit.ts';
import type { BisectPlan } from './plan.ts';
import { type Tested, testedLine } from './tested.ts';

/** Variable that tells the command which commit it tests. */
const COMMIT_VARIABLE = 'BANGER_BISECT_COMMIT';

interface TesterParts {
  plan: BisectPlan;
  source: Vm;
  owner: ForkOwner;
  client: BangerClient;
  context: CommandContext;
  logDir: string;
}

/**
 * Tests commits one after another, each in a fork. A fork is a copy of the one in which a commit was found
 * good last, so that incremental builds continue there; of the VM itself at first, and with `isClean`.
 * Forks of bad and skipped commits are deleted: what failed may have left half of something.
 */
export class CommitTester {
  readonly tested: Tested[] = [];
  readonly #parts: TesterParts;
  #parent: Vm;

  constructor(parts: TesterParts) {
    this.#parts = parts;
    this.#parent = parts.source;
  }

  /**
   * Runs the command with the files of a commit.
   *
   * @throws {AppError} VM_BISECT_STOPPED for a status that is no verdict; as `BangerClient.exec`
   */
  async test({ id, subject }: Commit): Promise<Tested> {
    const { plan, owner, client, context, logDir } = this.#parts;
    const { signal } = context;
    const [vm] = await owner.take(this.#parent.id, { count: 1, signal });
    let isGood = false;
    try {
      await checkOut(id, { client, vm, guestPath: repositoryOf(vm), signal });
      const cwd = vm.workspace && (await startFolder(vm.id, vm.workspace, { client, context }));
      const start = {
        argv: plan.command,
        env: { ...plan.env, [COMMIT_VARIABLE]: id },
        ...(cwd === undefined ? {} : { cwd }),
      };
      const log = join(logDir, logName(this.tested.length, id.slice(0, 12)));
      const beganAt = performance.now();
      const exitStatus = await runLogged(client, vm.id, { start, logFile: log, signal });
      const verdict = verdictOf(exitStatus);
      if (verdict === 'stop') throw stopped(id, exitStatus, log);
      const durationMs = Math.round(performance.now() - beganAt);
      const tested: Tested = { commit: id, subject, verdict, exitStatus, durationMs, log };
      this.tested.push(tested);
      context.progress.line(testedLine(tested, context));
      isGood = verdict === 'good';
      return tested;
    } finally {
      if (isGood && !plan.isClean) await this.#goOnFrom(vm);
      else await owner.drop(vm.id);
    }
  }

  async #goOnFrom(vm: Vm): Promise<void> {
    const before = this.#parent;
    this.#parent = vm;
    await this.#parts.owner.drop(before.id);
  }
}

function stopped(commit: string, exitStatus: number, log: string): AppError {
  return new AppError(
    'VM_BISECT_STOPPED',
    `Cannot bisect: at commit ${commit.slice(0, 12)} the command ended with status ${exitStatus}, which says neither good nor bad`,
    {
      hint: `see its output: ${log}; to count it as bad: sh -c 'COMMAND || exit 1'`,
      details: { commit, exitStatus },
    },
  );
}
