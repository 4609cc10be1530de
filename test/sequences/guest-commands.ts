import { Readable } from 'node:stream';
import { readTar } from '../../src/base/tar/read-tar.ts';
import { KEPT_FOLDERS, SERVED_FILE } from './guest-model.ts';

/** Fifos of the server process. */
const ASK = '/dev/shm/ask';
const ANSWER = '/dev/shm/answer';

/** A shell command of a guest. */
export type GuestCommand = readonly [string, ...string[]];

/** Creates the folders of the modelled files. */
export const MAKE_FOLDERS = shell(
  `mkdir -p ${Object.values(KEPT_FOLDERS).join(' ')} && sync ${KEPT_FOLDERS.work} ${KEPT_FOLDERS.root} /root /srv`,
);

/**
 * Starts the server process. It counts questions in a variable, and writes each count to a file that it keeps
 * open. The count is only in its memory, so its answers show whether the memory is right.
 */
export const START_SERVER = shell(`
set -e
rm -f ${ASK} ${ANSWER}
mkfifo ${ASK} ${ANSWER}
(
  exec 3>> ${SERVED_FILE}
  n=0
  while :; do
    read -r question < ${ASK} || continue
    n=$((n + 1))
    echo "answer $n" >&3
    echo $n > ${ANSWER}
  done
) < /dev/null > /dev/null 2>&1 &
`);

/** Writes stdin to a file. */
export function writeCommand(
  path: string,
  { isAppended, isSynced }: { isAppended: boolean; isSynced: boolean },
): GuestCommand {
  const write = `cat ${isAppended ? '>>' : '>'} ${path}`;
  return shell(isSynced ? `${write} && ${syncOf(path)}` : write);
}

export function removeCommand(path: string, { isSynced }: { isSynced: boolean }): GuestCommand {
  const remove = `rm -f ${path}`;
  return shell(isSynced ? `${remove} && sync ${folderOf(path)}` : remove);
}

/** The state of a guest. */
export interface GuestFacts {
  hostName: string;
  /** the answer of its server process; `none` when it has none */
  answer: string;
  /** by absolute path */
  files: Map<string, Buffer>;
}

/**
 * Prints the input of {@link readFacts}. Asks the server process first, because its answer changes a file.
 */
export const SHOW_FACTS = shell(`
read -r name < /proc/sys/kernel/hostname
answer=none
if [ -e ${ASK} ]; then
  echo ? > ${ASK}
  read -r answer < ${ANSWER}
fi
echo $name
echo $answer
[ -e ${KEPT_FOLDERS.memory} ] || mkdir ${KEPT_FOLDERS.memory}
exec tar c -C / ${Object.values(KEPT_FOLDERS)
  .map((folder) => folder.slice(1))
  .join(' ')}
`);

export async function readFacts(output: Buffer): Promise<GuestFacts> {
  const first = output.indexOf('\n');
  const second = output.indexOf('\n', first + 1);
  const files = new Map<string, Buffer>();
  for await (const { entry, content } of readTar(Readable.from([output.subarray(second + 1)]))) {
    if (entry.kind !== 'file') continue;
    files.set(`/${entry.name}`, Buffer.concat(await Array.fromAsync(content)));
  }
  return {
    hostName: output.toString('utf8', 0, first),
    answer: output.toString('utf8', first + 1, second),
    files,
  };
}

function syncOf(path: string): string {
  return `sync ${path} ${folderOf(path)}`;
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

function shell(script: string): GuestCommand {
  return ['sh', '-c', script];
}
