import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../../base/errors.ts';
import { SYSTEM } from '../../../config/system-install.ts';
import type { Check, Finding } from '../check.ts';

/** What this check examines; other files in tests. */
export interface ServicePlaces {
  unitDir: string;
  helperSocket: string;
  /** what the helper's unit must start, from a file that only root can change */
  tree: string;
}

/** Lines without which a restart ends VMs, or a service has more rights than it needs. */
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  [SYSTEM.daemonUnit]: ['KillMode=process', 'RuntimeDirectoryPreserve=yes', 'ProtectSystem=strict'],
  [SYSTEM.helperUnit]: [
    'CapabilityBoundingSet=CAP_NET_ADMIN',
    'KillMode=process',
    'NoNewPrivileges=yes',
    'ProtectHome=yes',
    'ProtectSystem=strict',
    'SendSIGKILL=no',
  ],
  [SYSTEM.helperSocketUnit]: ['SocketMode=0600'],
};

/** The services that `banger system install` made are as it made them. */
export const checkServices: Check = {
  name: 'services',
  run: async ({ uid, settings }) => {
    if (!settings.paths.isService) {
      return { status: 'pass', message: 'the daemon is a program of this user, and needs no services' };
    }
    return await inspectServices({ uid });
  },
};

/** Finds what differs from what an install makes. Changes nothing. */
export async function inspectServices(
  { uid }: { uid: number },
  places: ServicePlaces = SYSTEM,
): Promise<Finding> {
  const problems = [
    ...(await unitProblems(places)),
    ...(await socketProblems(places, uid)),
    ...(await treeProblems(places)),
  ];
  if (problems.length === 0) {
    return { status: 'pass', message: 'units, helper and its socket are as banger system install made them' };
  }
  return { status: 'fail', message: problems.join('; '), fix: 'sudo banger system install' };
}

async function unitProblems({ unitDir }: ServicePlaces): Promise<string[]> {
  const problems: string[] = [];
  for (const [unit, needed] of Object.entries(NEEDED)) {
    const lines = (await textOf(join(unitDir, unit)))?.split('\n');
    const missing = needed.filter((line) => !lines?.includes(line));
    if (lines === undefined) problems.push(`the unit ${unit} is missing`);
    else if (missing.length > 0) problems.push(`the unit ${unit} lacks ${missing.join(', ')}`);
  }
  return problems;
}

async function socketProblems({ helperSocket }: ServicePlaces, uid: number): Promise<string[]> {
  try {
    const found = await lstat(helperSocket);
    if (found.isSocket() && found.uid === uid && (found.mode & 0o777) === 0o600) return [];
    return [`${helperSocket} must be a socket of this user with mode 600`];
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [`the helper has no socket at ${helperSocket}`];
    throw error;
  }
}

async function treeProblems({ tree }: ServicePlaces): Promise<string[]> {
  for (const path of [tree, join(tree, 'root'), join(tree, 'root', 'bin')]) {
    try {
      const found = await lstat(path);
      if (!found.isDirectory() || found.uid !== 0 || (found.mode & 0o022) !== 0) {
        return [`others than root can change ${path}, where the helper is`];
      }
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [`${path} is missing`];
      throw error;
    }
  }
  return [];
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return undefined;
    throw error;
  }
}
