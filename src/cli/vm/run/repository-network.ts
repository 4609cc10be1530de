import { join } from 'node:path';
import { printable } from '../../../base/errors.ts';
import { REPOSITORY_FILE, readRepositoryFile } from '../../../config/repository/read-repository-file.ts';
import type { CreateVmRequest } from '../../../protocol/api/vm-requests.ts';
import type { CommandContext } from '../../context/context.ts';

/** What the file of a repository asks for, in the JSON of `vm run`. */
export interface RepositoryNetwork {
  /** on this host */
  file: string;
  /** its rules and presets; the VM reaches only what these allow, too */
  allow: readonly string[];
}

/** Most characters of rules in the line about them. */
const MAX_SHOWN = 200;

/**
 * Returns what the working tree's own file asks for about the network of its VM, and prints a line about it;
 * `undefined` when it says nothing.
 *
 * @throws {AppError} REPOSITORY_FILE_INVALID
 */
export function tellRepositoryNetwork(
  repoRoot: string,
  request: CreateVmRequest,
  context: Pick<CommandContext, 'notice'>,
): RepositoryNetwork | undefined {
  const allow = readRepositoryFile(repoRoot)?.allow;
  if (!allow) return undefined;
  context.notice(lineOf(allow, request));
  return { file: join(repoRoot, REPOSITORY_FILE), allow };
}

/** The request for a VM whose network is no wider than what its repository asks for. */
export function narrowedRequest(
  request: CreateVmRequest,
  { allow }: Pick<RepositoryNetwork, 'allow'>,
): CreateVmRequest {
  const { nat, network, ...others } = request;
  if (!hasNetwork(request)) return request;
  return { ...others, network: { ...network, mode: 'user', narrowTo: [...allow] } };
}

/** Says what a repository asks for, and what it gets. */
function lineOf(allow: readonly string[], request: CreateVmRequest): string {
  const asked = `${REPOSITORY_FILE} asks for ${allow.length === 0 ? 'no network' : shortened(allow)}`;
  if (!hasNetwork(request)) {
    return allow.length === 0 ? asked : `${asked}; the VM has no network without --nat or --allow`;
  }
  if (allow.length === 0) return `${asked}: the VM reaches nothing outside`;
  const limits = request.network?.policy ? 'only what your rules allow of that' : 'nothing else outside';
  return `${asked}: the VM reaches ${limits}`;
}

function hasNetwork({ nat, network }: CreateVmRequest): boolean {
  return nat ?? network?.mode === 'user';
}

function shortened(allow: readonly string[]): string {
  const text = printable(allow.join(', '));
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text;
}
