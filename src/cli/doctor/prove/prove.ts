import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Abortable } from '../../../base/abort.ts';
import { isAppError, messageOf } from '../../../base/errors.ts';
import type { DoctorCheck } from '../../../protocol/api/daemon.ts';
import type { Vm } from '../../../protocol/vm.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import type { CommandContext } from '../../context/context.ts';
import { makeClones } from './clones.ts';
import { ask, askGuest, type Guest } from './guest-facts.ts';
import { digestsOf, filesVerdict, templateOf } from './template-files.ts';
import { verdictsOf } from './verdicts.ts';

const CLONE_COUNT = 3;
const LABEL = 'doctor';

/** Folders on both drives and in memory; another image may lack some of them. */
const FOLDERS = ['/root', '/var/tmp', '/tmp', '/dev/shm'] as const;

/**
 * Proves the promise that clones of one image and shape share nothing that must be unique, with real VMs,
 * which it deletes afterwards. Also fails a check that cannot be made.
 */
export async function prove(client: BangerClient, context: CommandContext): Promise<DoctorCheck[]> {
  const { signal, progress } = context;
  try {
    // Makes one VM first: it shows which template the others will use, so that the template is read before
    // they are made.
    await using first = await makeClones(1, { client, context, label: LABEL });
    const templateDir = await findTemplate(first.vms, client, context);
    progress.step(LABEL, 'reading the template');
    const before = templateDir ? await digestsOf(templateDir, { signal }) : undefined;
    const begunAt = performance.now();
    await using others = await makeClones(CLONE_COUNT - 1, { client, context, label: LABEL });
    const seconds = ((performance.now() - begunAt) / 1000).toFixed(1);
    const guests = [...first.guests, ...others.guests];
    progress.step(LABEL, 'asking the clones');
    const facts = await Promise.all(guests.map((guest) => askGuest(guest, { signal })));
    const files = await filesStayApart(guests, { signal });
    progress.step(LABEL, 'reading the template');
    const after = templateDir ? await digestsOf(templateDir, { signal }) : undefined;
    return [
      {
        name: 'clones',
        status: 'pass',
        message: `${CLONE_COUNT} made, the last ${others.guests.length} in ${seconds} s`,
      },
      ...verdictsOf(facts),
      files,
      filesVerdict(before, after),
    ];
  } catch (error) {
    if (!isAppError(error)) throw error;
    return [
      {
        name: 'clones',
        status: 'fail',
        message: messageOf(error),
        ...(error.hint === undefined ? {} : { fix: error.hint }),
      },
    ];
  }
}

/** Returns the folder of the template from which the VM was made; undefined when it was booted. */
async function findTemplate(
  [vm]: readonly Vm[],
  client: BangerClient,
  context: CommandContext,
): Promise<string | undefined> {
  const key = vm && (await templateOf(vm, client, { signal: context.signal }));
  return key === undefined ? undefined : join(context.paths().templatesDir, key);
}

/** Checks that files of one guest exist there and in no other guest. Deletes the files afterwards. */
async function filesStayApart(guests: readonly Guest[], { signal }: Abortable): Promise<DoctorCheck> {
  const name = 'files';
  const [writer, ...others] = guests;
  if (!writer) return { name, status: 'fail', message: 'there is no guest' };
  const paths = FOLDERS.map((folder) => `${folder}/banger-proof-${randomUUID()}`);
  const forEach = (guest: Guest, script: string): Promise<Buffer | undefined> =>
    ask(guest, ['sh', '-c', `for path; do ${script}; done 2>/dev/null; true`, 'sh', ...paths], { signal });
  await forEach(writer, 'echo proof > "$path"; sync "$path"');
  const listed = await Promise.all(guests.map((guest) => forEach(guest, 'ls "$path"')));
  await forEach(writer, 'rm -f "$path"');
  const [own, ...seen] = listed.map((output) => output?.toString());
  const found = others.find((_, index) => seen[index] !== '');
  if (!own) return { name, status: 'fail', message: `a file written in "${writer.name}" is not there` };
  return found
    ? { name, status: 'fail', message: `a file written in "${writer.name}" is in "${found.name}"` }
    : { name, status: 'pass', message: 'files written in one VM are in no other' };
}
