import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { AppError } from '../../base/errors.ts';
import { SYSTEM } from '../../config/system-install.ts';
import type { CliIo } from '../context/io.ts';
import type { CopiedPart, Step } from './steps.ts';
import { installText, type UnitFacts, unitTexts } from './units.ts';

/** Go's names of the architectures of hosts. */
const GO_ARCH: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/** Units that a stop or an uninstall stops, in this order: the socket would start the helper again. */
export const UNITS = [SYSTEM.daemonUnit, SYSTEM.helperSocketUnit, SYSTEM.helperUnit] as const;

/** The files that `system install` writes. */
export const WRITTEN_FILES = [SYSTEM.installFile, ...UNITS.map(unitFile)] as const;

/** The place of a unit. */
export function unitFile(unit: string): string {
  return join(SYSTEM.unitDir, unit);
}

/** Go's name of this host's architecture. @throws {AppError} VMM_HOST_UNSUPPORTED */
export function goArch(arch: string = process.arch): string {
  const name = GO_ARCH[arch];
  if (name !== undefined) return name;
  throw new AppError(
    'VMM_HOST_UNSUPPORTED',
    `Cannot install on a "${arch}" processor: only x64 and arm64 are known`,
  );
}

/** All that an install does. */
export function installSteps(
  facts: UnitFacts,
  { io, now, hasCommand }: { io: CliIo; now: Date; hasCommand: boolean },
): Step[] {
  const { version, commit, builtAt } = io.build;
  return [
    { kind: 'copy', path: SYSTEM.tree, parts: copiedParts(facts, io) },
    ...(hasCommand
      ? []
      : [{ kind: 'link', path: SYSTEM.link, target: join(SYSTEM.tree, 'bin', 'banger') } as const]),
    ...[...unitTexts(facts)].map(
      ([name, content]): Step => ({ kind: 'write', path: join(SYSTEM.unitDir, name), content }),
    ),
    {
      kind: 'write',
      path: SYSTEM.installFile,
      content: installText(facts, { version, commit, builtAt, now }),
    },
    { kind: 'run', argv: ['systemctl', 'daemon-reload'] },
    { kind: 'run', argv: ['systemctl', 'enable', '--quiet', SYSTEM.helperSocketUnit, SYSTEM.daemonUnit] },
    ...restartSteps(),
  ];
}

/** Starts what does not run, and restarts what does. VMs keep running. */
export function restartSteps(): Step[] {
  return [
    // A service of an earlier install may still use the socket, which cannot be replaced then.
    { kind: 'run', argv: ['systemctl', 'stop', SYSTEM.helperUnit] },
    { kind: 'run', argv: ['systemctl', 'restart', SYSTEM.helperSocketUnit] },
    { kind: 'run', argv: ['systemctl', 'start', SYSTEM.helperUnit] },
    { kind: 'run', argv: ['systemctl', 'restart', SYSTEM.daemonUnit] },
  ];
}

/** Stops these units. VMs keep running. */
export function stopSteps(units: readonly string[] = UNITS): Step[] {
  return units.length === 0 ? [] : [{ kind: 'run', argv: ['systemctl', 'stop', ...units] }];
}

/** The helper's program. */
export function helperProgram(arch: string): string {
  return join(SYSTEM.tree, 'root', 'bin', `bangerd-root-${arch}`);
}

/** What {@link removeSteps} needs to know. */
export interface RemoveRequest {
  /** VMs and images go too */
  isPurge: boolean;
  /** `/usr/local/bin/banger` is our link */
  hasOwnLink: boolean;
  /** the helper's program and its owner; absent: an uninstall that was cut off has deleted it */
  helper?: { program: string; uid: number };
}

/** All that an uninstall does, after the units have stopped. The file that it is known by goes last. */
export function removeSteps({ isPurge, hasOwnLink, helper }: RemoveRequest): Step[] {
  const folders = isPurge ? [SYSTEM.stateDir, SYSTEM.cacheDir] : [];
  return [
    { kind: 'run', argv: ['systemctl', 'disable', '--quiet', ...UNITS], mayFail: true },
    // What a VM or a pool VM left behind belongs to the units' own control groups.
    { kind: 'run', argv: ['systemctl', 'kill', '--signal=KILL', SYSTEM.daemonUnit], mayFail: true },
    ...(helper
      ? [{ kind: 'run', argv: [helper.program, 'clean', '--owner', String(helper.uid)] } as const]
      : []),
    ...UNITS.map((unit): Step => ({ kind: 'remove', path: unitFile(unit) })),
    { kind: 'run', argv: ['systemctl', 'daemon-reload'] },
    { kind: 'run', argv: ['systemctl', 'reset-failed', ...UNITS], mayFail: true },
    ...(hasOwnLink ? [{ kind: 'remove', path: SYSTEM.link } as const] : []),
    ...[SYSTEM.tree, SYSTEM.runtimeDir, SYSTEM.helperRuntimeDir, ...folders].map(
      (path): Step => ({ kind: 'remove', path }),
    ),
    { kind: 'remove', path: SYSTEM.installFile },
    { kind: isPurge ? 'remove' : 'tidy', path: SYSTEM.configDir },
  ];
}

/** Parts of this release, for one architecture of hosts, and agents for guests of all. */
function copiedParts({ arch }: UnitFacts, io: CliIo): CopiedPart[] {
  const node = io.daemonArgv[0];
  const bundle = io.daemonArgv.at(-1) ?? '';
  const root = join(dirname(bundle), '..');
  const wanted = [
    'bin/banger',
    'agent/bin',
    `host/bin/banger-host-${arch}`,
    `root/bin/bangerd-root-${arch}`,
    ...['banger.cjs', 'bangerd.cjs', 'banger-receive.cjs'].map((name) => `dist/${name}`),
  ];
  const missing = wanted.filter((part) => !existsSync(join(root, part)));
  if (basename(bundle) !== 'bangerd.cjs' || missing.length > 0) {
    throw new AppError(
      'SYSTEM_INCOMPLETE',
      `Cannot install from "${root}": ${missing[0] ?? 'its bundles'} is missing`,
      {
        hint: 'install a release, or run npm run setup in a checkout',
        details: { root, missing },
      },
    );
  }
  const optional = ['release.json', 'share'].filter((part) => existsSync(join(root, part)));
  return [
    { from: node, to: 'node/bin/node' },
    ...[...wanted, ...optional].map((part) => ({ from: join(root, part), to: part })),
  ];
}
