import { relative } from 'node:path';
import { formatSize } from '../../base/text/size.ts';
import { renderTable } from '../render/table.ts';
import type { Devcontainer } from './load.ts';
import type { KeyReport } from './read-fields.ts';

/** What `devcontainer check --json` prints. Fields are added, never changed. */
export interface CheckReport {
  file: string;
  canRun: boolean;
  /** the image that the VM boots, unless a Dockerfile is built */
  image?: string;
  build?: { dockerfile: string; context: string; target?: string };
  workspaceFolder: string;
  /** absent: that of the image */
  remoteUser?: string;
  forwardPorts: number[];
  /** variables of this shell that the file asks for and does not get */
  withheldEnv: readonly string[];
  keys: readonly KeyReport[];
}

/** Returns what a check says. */
export function checkReport(found: Devcontainer): CheckReport {
  const { file, config, workspaceFolder, withheldEnv, keys } = found;
  const { image, build } = config;
  const user = config.remoteUser ?? config.containerUser;
  return {
    file,
    canRun: !keys.some(({ status }) => status === 'refused'),
    ...(image === undefined ? {} : { image }),
    ...(build === undefined ? {} : { build: dockerfileOf(build) }),
    workspaceFolder,
    ...(user === undefined ? {} : { remoteUser: user }),
    forwardPorts: config.ports.map(({ port }) => port),
    withheldEnv,
    keys,
  };
}

/** The same as text: a table of the keys, and what the VM would be. */
export function renderCheck(found: Devcontainer, width: number | undefined): string {
  const { repoRoot, shownFile, config, workspaceFolder, withheldEnv, keys } = found;
  const { canRun } = checkReport(found);
  const rows = keys.map(({ key, status, note }) => [key, status, note]);
  const { cpus, memoryMib, storageBytes } = config.requirements;
  const shape = [
    ...(cpus === undefined ? [] : [`${cpus} vcpu`]),
    ...(memoryMib === undefined ? [] : [`${memoryMib} MiB`]),
    ...(storageBytes === undefined ? [] : [`${formatSize(storageBytes)} disk`]),
  ];
  const facts = [
    `file: ${shownFile}`,
    ...(config.build ? [`boots: what ${relative(repoRoot, config.build.dockerfile)} builds`] : []),
    ...(config.build || config.image === undefined ? [] : [`boots: ${config.image}`]),
    `working tree: ${found.copyTo}`,
    ...(workspaceFolder === found.copyTo ? [] : [`starts in: ${workspaceFolder}`]),
    ...(shape.length > 0 ? [`at least: ${shape.join(' | ')}`] : []),
    ...(withheldEnv.length > 0 ? [`empty, unless given with -e: ${withheldEnv.join(', ')}`] : []),
    canRun ? 'banger vm run --devcontainer can run it' : 'banger vm run --devcontainer refuses it',
  ];
  return `${renderTable([['KEY', 'STATUS', 'NOTE'], ...rows], width)}\n${facts.join('\n')}\n`;
}

function dockerfileOf({
  dockerfile,
  context,
  target,
}: NonNullable<Devcontainer['config']['build']>): NonNullable<CheckReport['build']> {
  return { dockerfile, context, ...(target === undefined ? {} : { target }) };
}
