import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import fc from 'fast-check';
import type { DriveBase, DriveRequest, DriveSpec } from '../../core/ports/vmm/spec.ts';
import { BlankDisks } from './blank-disks.ts';
import { addBase } from './drive-base.ts';
import { checkDrives } from './drive-check.ts';
import { growQcow2 } from './grow-drive.ts';
import { parseQcow2Header } from './qcow2-header.ts';
import { prepareDrives } from './qemu/launch/prepare-drives.ts';

const MIB = 2 ** 20;
const NEVER = new AbortController().signal;
let dir: string;
let blanks: BlankDisks;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'drives-'));
  await mkdir(join(dir, 'vm'));
  await writeFile(join(dir, 'rootfs.ext4'), Buffer.alloc(1024));
  await writeFile(join(dir, 'modules.ext4'), Buffer.alloc(512));
  blanks = new BlankDisks({ dir: join(dir, 'cache'), env: process.env });
});

afterEach(() => rm(dir, { recursive: true }));

function prepare({
  signal = NEVER,
  ...changes
}: Partial<DriveRequest> & { signal?: AbortSignal } = {}): Promise<readonly DriveSpec[]> {
  const request = {
    dir: join(dir, 'vm'),
    rootfsPath: join(dir, 'rootfs.ext4'),
    modulesPath: join(dir, 'modules.ext4'),
    overlayBytes: 100 * MIB,
    diskSizeBytes: 64 * MIB,
    ...changes,
  };
  return prepareDrives(request, { blanks, signal });
}

test('prepareDrives() returns four drives, two of them new and thin', async () => {
  const drives = await prepare();
  assert.deepEqual(drives, [
    {
      serial: 'root',
      pathOnHost: join(dir, 'rootfs.ext4'),
      format: 'raw',
      isReadOnly: true,
      sizeBytes: 1024,
    },
    {
      serial: 'overlay',
      pathOnHost: join(dir, 'vm/overlay.qcow2'),
      format: 'qcow2',
      isReadOnly: false,
      sizeBytes: 100 * MIB,
    },
    {
      serial: 'work',
      pathOnHost: join(dir, 'vm/work.qcow2'),
      format: 'qcow2',
      isReadOnly: false,
      sizeBytes: 64 * MIB,
    },
    {
      serial: 'modules',
      pathOnHost: join(dir, 'modules.ext4'),
      format: 'raw',
      isReadOnly: true,
      sizeBytes: 512,
    },
  ]);
  await checkDrives(drives);
  for (const name of ['overlay.qcow2', 'work.qcow2']) {
    const { mode, blocks } = await stat(join(dir, 'vm', name));
    assert.equal(mode & 0o777, 0o600);
    assert.ok(blocks * 512 < 5 * MIB, `${name} takes ${blocks * 512} bytes`);
  }
});

test('the work drive is a clean ext4 that belongs to root, and no inode table is left to initialise', async () => {
  await prepare();
  const raw = join(dir, 'work.raw');
  run('qemu-img', 'convert', '-O', 'raw', join(dir, 'vm/work.qcow2'), raw);
  run('e2fsck', '-f', '-n', raw);
  assert.match(run('debugfs', '-R', 'stat /', raw), /User: +0 +Group: +0/);
  const groups = run('dumpe2fs', raw)
    .split('\n')
    .filter((line) => /^Group \d+:/.test(line));
  assert.ok(groups.length > 0 && groups.every((line) => line.includes('ITABLE_ZEROED')));
});

test('later drives of the same size are copies of the first', async () => {
  await prepare();
  const made = await readdir(join(dir, 'cache'));
  assert.deepEqual(made.filter((name) => name.endsWith('.qcow2')).sort(), [
    `overlay-1-${100 * MIB}.qcow2`,
    `work-1-${64 * MIB}.qcow2`,
  ]);
  const begun = await stat(join(dir, 'cache', `work-1-${64 * MIB}.qcow2`));
  await rm(join(dir, 'vm'), { recursive: true });
  await mkdir(join(dir, 'vm'));
  await prepare();
  assert.equal((await stat(join(dir, 'cache', `work-1-${64 * MIB}.qcow2`))).ino, begun.ino);
});

test('concurrent callers get complete drives', async () => {
  const targets = Array.from({ length: 6 }, (_, i) => join(dir, `w${i}`));
  const others = new BlankDisks({ dir: join(dir, 'cache'), env: process.env });
  await Promise.all(
    targets.map((target, i) =>
      (i % 2 ? blanks : others).copyTo({ kind: 'work', sizeBytes: 32 * MIB, target }, { signal: NEVER }),
    ),
  );
  const contents = await Promise.all(targets.map((target) => readFile(target)));
  for (const content of contents) assert.ok(content.equals(contents[0] as Buffer));
  assert.deepEqual(await readdir(join(dir, 'cache/.staging')), []);
});

test('a truncated cached disk is created again', async () => {
  const target = join(dir, 'w');
  await blanks.copyTo({ kind: 'work', sizeBytes: 32 * MIB, target }, { signal: NEVER });
  await truncate(join(dir, 'cache', `work-1-${32 * MIB}.qcow2`), 70_000);
  await rm(target);
  await blanks.copyTo({ kind: 'work', sizeBytes: 32 * MIB, target }, { signal: NEVER });
  run('qemu-img', 'check', target);
});

test('an existing drive is refused and unchanged, and nothing else is left', async () => {
  await writeFile(join(dir, 'vm/work.qcow2'), 'precious');
  await assert.rejects(prepare(), { code: 'EEXIST' });
  assert.equal(await readFile(join(dir, 'vm/work.qcow2'), 'utf8'), 'precious');
  assert.deepEqual(await readdir(join(dir, 'vm')), ['work.qcow2']);
});

test('a work drive over a base has nothing of its own, and says what is below it', async () => {
  const file = await baseFile(48 * MIB);
  await mkdir(join(dir, 'b'));
  const workBase = await addBase({ file, dir: join(dir, 'b') }, { signal: NEVER });
  assert.deepEqual(workBase, { pathOnHost: join(dir, 'b/work.ext4'), sizeBytes: 48 * MIB });
  assert.equal((await stat(workBase.pathOnHost)).ino, (await stat(file)).ino);
  assert.deepEqual(await addBase({ file, dir: join(dir, 'b') }, { signal: NEVER }), workBase);
  assert.deepEqual(
    await addBase({ file: workBase.pathOnHost, dir: join(dir, 'b') }, { signal: NEVER }),
    workBase,
  );
  const drives = await prepare({ workBase });
  await checkDrives(drives);
  const work = drives[2];
  assert.deepEqual(work?.base, workBase);
  for (const about of [work, (await prepareAgain(workBase, drives))[2]]) {
    const path = about?.pathOnHost ?? '';
    const info = JSON.parse(run('qemu-img', 'info', '--output=json', path));
    assert.equal(info['backing-filename'], workBase.pathOnHost);
    assert.equal(info['backing-filename-format'], 'raw');
    run('qemu-img', 'check', path);
    run('qemu-img', 'convert', '-O', 'raw', path, join(dir, 'flat'));
    assert.equal((await readFile(join(dir, 'flat'))).toString('latin1', 0, 11), 'the content');
  }
});

/** Copies of the drives in another folder. */
async function prepareAgain(
  workBase: DriveBase,
  copyOf: readonly DriveSpec[],
): Promise<readonly DriveSpec[]> {
  await mkdir(join(dir, 'copy'));
  return await prepare({ dir: join(dir, 'copy'), workBase, copyOf });
}

async function baseFile(sizeBytes: number): Promise<string> {
  const file = join(dir, 'base.ext4');
  await writeFile(file, 'the content', { mode: 0o400 });
  await chmod(file, 0o600);
  await truncate(file, sizeBytes);
  return file;
}

test('a base that is missing, not of whole pages, or larger than the disk is refused, and nothing is left', async () => {
  const to = join(dir, 'b');
  await mkdir(to);
  for (const [file, message] of [
    [join(dir, 'nothing'), /it is missing$/],
    [join(dir, 'modules.ext4'), /512 bytes are not whole pages/],
  ] as const) {
    await assert.rejects(addBase({ file, dir: to }, { signal: NEVER }), {
      code: 'VMM_DRIVE_INVALID',
      message,
    });
    assert.deepEqual(await readdir(to), []);
  }
  const workBase = await addBase({ file: await baseFile(65 * MIB), dir: to }, { signal: NEVER });
  await assert.rejects(prepare({ workBase }), { code: 'VMM_DRIVE_INVALID', message: /and the disk only/ });
  assert.deepEqual(await readdir(join(dir, 'vm')), []);
});

test('checkDrives() refuses a drive whose base is missing or of another size', async () => {
  const workBase = { pathOnHost: await baseFile(MIB), sizeBytes: MIB };
  const drives = await prepare({ workBase });
  await truncate(workBase.pathOnHost, 2 * MIB);
  await assert.rejects(checkDrives(drives), { message: /below it: it has 2097152 bytes instead of/ });
  await rm(workBase.pathOnHost);
  await assert.rejects(checkDrives(drives), { message: /below it: it is missing$/ });
});

for (const bytes of [0, -4096, 4096, 16 * MIB + 512, 1.5 * 2 ** 60, Number.NaN]) {
  test(`a work drive of ${bytes} bytes is refused`, async () => {
    await assert.rejects(prepare({ diskSizeBytes: bytes }), { code: 'VMM_DRIVE_INVALID' });
    assert.deepEqual(await readdir(join(dir, 'vm')), []);
  });
}

test('a preparation that is aborted at any moment leaves no file in the folder of the VM', async () => {
  let aborted = 0;
  for (let waitMs = 0; waitMs < 60; waitMs += 4) {
    const diskSizeBytes = (16 + waitMs) * MIB;
    const stop = AbortSignal.timeout(waitMs);
    try {
      await prepare({ diskSizeBytes, signal: stop });
      assert.equal((await readdir(join(dir, 'vm'))).length, 2);
    } catch (error) {
      assert.equal(error, stop.reason);
      assert.deepEqual(await readdir(join(dir, 'vm')), []);
      aborted += 1;
    }
    await rm(join(dir, 'vm'), { recursive: true });
    await mkdir(join(dir, 'vm'));
  }
  assert.ok(aborted > 0);
  assert.deepEqual(await readdir(join(dir, 'cache/.staging')), []);
});

test('a missing tool is named, and nothing is left', async () => {
  const poor = new BlankDisks({ dir: join(dir, 'cache'), env: { PATH: join(dir, 'empty') } });
  // The system folders are searched, too, so only a program that is in no sbin folder is missing.
  await assert.rejects(
    poor.copyTo({ kind: 'overlay', sizeBytes: 20 * MIB, target: join(dir, 'o') }, { signal: NEVER }),
    {
      code: 'VMM_TOOL_MISSING',
      message: 'Cannot make drives: "qemu-img" is not installed',
    },
  );
  assert.deepEqual(await readdir(join(dir, 'cache/.staging')), []);
});

const CUTS: readonly [string, (drives: readonly DriveSpec[]) => Promise<void>, RegExp][] = [
  [
    'a truncated root',
    () => truncate(join(dir, 'rootfs.ext4'), 512),
    /"root".* it has 512 bytes instead of 1024$/,
  ],
  ['a missing root', () => rm(join(dir, 'rootfs.ext4')), /"root".* it is missing$/],
  [
    'a work drive without a header',
    () => truncate(join(dir, 'vm/work.qcow2'), 40),
    /"work".* it has no qcow2 header$/,
  ],
  [
    'a work drive without its tables',
    () => truncate(join(dir, 'vm/work.qcow2'), 300_000),
    /"work".* it is cut short$/,
  ],
  ['a missing overlay', () => rm(join(dir, 'vm/overlay.qcow2')), /"overlay".* it is missing$/],
];

for (const [what, cut, message] of CUTS) {
  test(`checkDrives() refuses ${what}`, async () => {
    const drives = await prepare();
    await cut(drives);
    await assert.rejects(checkDrives(drives), { code: 'VMM_DRIVE_INVALID', message });
  });
}

test('checkDrives() refuses a qcow2 file of another size', async () => {
  const drives = (await prepare()).map((drive) => ({ ...drive, sizeBytes: drive.sizeBytes + 4096 }));
  await assert.rejects(checkDrives(drives.slice(1, 2)), { message: /bytes for the guest instead of/ });
});

test('parseQcow2Header() accepts any bytes without a crash', () => {
  const magic = Buffer.from('514649fb00000003', 'hex');
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: 120 }), fc.boolean(), (bytes, hasMagic) => {
      const header = parseQcow2Header(hasMagic ? Buffer.concat([magic, bytes]) : Buffer.from(bytes));
      return (
        header === undefined || (header.clusterBytes >= 512 && Number.isSafeInteger(header.virtualBytes))
      );
    }),
  );
});

function run(program: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, {
    env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
  });
  assert.equal(status, 0, `${program}: ${stderr}`);
  return stdout.toString();
}

async function workDrive(): Promise<DriveSpec> {
  const work = (await prepare()).find(({ serial }) => serial === 'work');
  assert.ok(work);
  return work;
}

test('growQcow2() makes a drive larger, keeps its content, and may be called again', async () => {
  const work = await workDrive();
  const before = run('qemu-img', 'convert', '-O', 'raw', work.pathOnHost, join(dir, 'before.raw'));
  assert.equal(before, '');
  const grown = await growQcow2(work, { sizeBytes: 4096 * MIB, env: process.env });
  assert.deepEqual(grown, { ...work, sizeBytes: 4096 * MIB });
  await checkDrives([grown]);
  assert.ok((await stat(work.pathOnHost)).blocks * 512 < 5 * MIB);
  run('qemu-img', 'convert', '-O', 'raw', work.pathOnHost, join(dir, 'after.raw'));
  run('cmp', '-n', String(64 * MIB), join(dir, 'before.raw'), join(dir, 'after.raw'));
  run('qemu-img', 'check', '-q', work.pathOnHost);
  // The operation was interrupted before the record was written, so that still has the old size.
  assert.deepEqual(await growQcow2(work, { sizeBytes: 4096 * MIB, env: process.env }), grown);
});

for (const [what, change, sizeBytes] of [
  ['a smaller size', {}, 32 * MIB],
  ['a size that is not a multiple of a page', {}, 64 * MIB + 512],
  ['a size that is not a number', {}, Number.NaN],
  ['a read-only drive', { isReadOnly: true }, 128 * MIB],
  ['a raw drive', { format: 'raw' }, 128 * MIB],
  ['a missing drive', { pathOnHost: '/nowhere/work.qcow2' }, 128 * MIB],
  ['a drive with another size than in the record', { sizeBytes: 32 * MIB }, 128 * MIB],
] as const) {
  test(`growQcow2() refuses ${what}, and changes nothing`, async () => {
    const work = await workDrive();
    const content = await readFile(work.pathOnHost);
    await assert.rejects(growQcow2({ ...work, ...change }, { sizeBytes, env: process.env }), {
      code: 'VMM_DRIVE_INVALID',
    });
    assert.deepEqual(await readFile(work.pathOnHost), content);
  });
}
