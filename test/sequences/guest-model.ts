/** Folders of a guest whose files are modelled, by where they are stored. */
export const KEPT_FOLDERS = {
  /** on the work disk */
  work: '/root/kept',
  /** on the root device, which is a snapshot store over the image */
  root: '/srv/kept',
  /** in memory */
  memory: '/dev/shm/kept',
} as const;

export type Place = keyof typeof KEPT_FOLDERS;

/** A file's content; `undefined` when there is no such file. */
export type Content = Buffer | undefined;

/**
 * The contents of a file since it was last synced, oldest first. The last is the present one. After a power
 * cut the file may have any of them, or a mixture.
 */
export type Versions = readonly Content[];

/** The expected content of a guest. Immutable, so that copies of VMs may share it. */
export interface GuestModel {
  /** by absolute path */
  files: ReadonlyMap<string, Versions>;
  /** number of questions that the server process has answered; absent when there is no server process */
  answered?: number;
}

/** File that the server process keeps open, and to which it appends a line for each answer. */
export const SERVED_FILE = `${KEPT_FOLDERS.work}/served`;

/**
 * Unit of the mixture after a power cut: the guest's kernel writes whole blocks of its file systems.
 */
const BLOCK_BYTES = 4096;

function isInMemory(path: string): boolean {
  return path.startsWith(`${KEPT_FOLDERS.memory}/`);
}

/** The content of a file while the guest runs. */
export function contentOf(guest: GuestModel, path: string): Content {
  return guest.files.get(path)?.at(-1);
}

/** After a file was written or removed; `isSynced`: and synced before the command ended. */
export function withFile(
  guest: GuestModel,
  { path, content, isSynced }: { path: string; content: Content; isSynced: boolean },
): GuestModel {
  const before = guest.files.get(path) ?? [undefined];
  const versions = isSynced || isInMemory(path) ? [content] : [...before, content];
  return { ...guest, files: new Map(guest.files).set(path, versions) };
}

/** After another answer of the server process. */
export function afterAnswer(guest: GuestModel): GuestModel {
  if (guest.answered === undefined) return guest;
  const answered = guest.answered + 1;
  const content = Buffer.concat([
    contentOf(guest, SERVED_FILE) ?? Buffer.alloc(0),
    Buffer.from(`answer ${answered}\n`),
  ]);
  return { ...withFile(guest, { path: SERVED_FILE, content, isSynced: false }), answered };
}

/** After a sync of everything. */
export function synced(guest: GuestModel): GuestModel {
  const files = [...guest.files].map(([path, versions]) => [path, versions.slice(-1)] as const);
  return { ...guest, files: new Map(files) };
}

/** After the VM's end: the content of memory is gone, and content that was not synced may exist or not. */
export function afterPowerCut({ files }: GuestModel): GuestModel {
  return { files: new Map([...files].filter(([path]) => !isInMemory(path))) };
}

/** After the disks of a stopped VM were read: exactly what they contain. */
export function settled(guest: GuestModel, found: ReadonlyMap<string, Buffer>): GuestModel {
  const paths = [...guest.files.keys()];
  return { ...guest, files: new Map(paths.map((path) => [path, [found.get(path)]])) };
}

/** The problems in a running guest; empty when there are none. */
export function problemsWhileRunning(guest: GuestModel, found: ReadonlyMap<string, Buffer>): string[] {
  const paths = new Set([...guest.files.keys(), ...found.keys()]);
  return [...paths].flatMap((path) => {
    const [wanted, is] = [contentOf(guest, path), found.get(path)];
    return isSame(wanted, is) ? [] : [`${path} has ${shown(is)} instead of ${shown(wanted)}`];
  });
}

/**
 * The problems on the disks of a VM that does not run; empty when there are none. Content that may exist or
 * not must be one of the two, and never anything else.
 */
export function problemsOnDisks(guest: GuestModel, found: ReadonlyMap<string, Buffer>): string[] {
  const paths = new Set([...guest.files.keys(), ...found.keys()].filter((path) => !isInMemory(path)));
  return [...paths].flatMap((path) => {
    const versions = guest.files.get(path) ?? [undefined];
    const is = found.get(path);
    if (isOneOf(versions, is) || (versions.length > 1 && is && isMixtureOf(versions, is))) return [];
    return [`${path} has ${shown(is)} instead of ${versions.map(shown).join(' or ')}`];
  });
}

function isOneOf(versions: Versions, is: Content): boolean {
  return versions.some((version) => isSame(version, is));
}

/**
 * What ext4 may leave of a file that was not synced. Its size may be that of any version, or less if the file
 * was rewritten. Each block has the content of one of the versions, followed by zeros: a block that was
 * allocated but not written is all zeros, and the size may be written before data that was appended to a
 * block.
 */
function isMixtureOf(versions: Versions, is: Buffer): boolean {
  const known = versions.filter((version) => version !== undefined);
  if (known.every((version) => version.length < is.length)) return false;
  const [first] = versions;
  // A file that was only appended to never becomes shorter.
  const isGrown = first && known.every((version) => version.subarray(0, first.length).equals(first));
  if (isGrown && is.length < first.length) return false;
  for (let at = 0; at < is.length; at += BLOCK_BYTES) {
    const block = is.subarray(at, at + BLOCK_BYTES);
    const isKnown = known.some((version) => {
      const part = version.subarray(at, at + block.length);
      return part.equals(block.subarray(0, part.length)) && isZero(block.subarray(part.length));
    });
    if (!isKnown && !isZero(block)) return false;
  }
  return true;
}

function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}

function isSame(a: Content, b: Content): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b);
}

function shown(content: Content): string {
  if (!content) return 'nothing';
  const start = JSON.stringify(content.toString('latin1', 0, 40));
  return `${content.length} bytes (${start}${content.length > 40 ? '…' : ''})`;
}
