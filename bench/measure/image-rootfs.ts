import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import { imageByTools, missingImageTool } from '../floor/image-by-tools.ts';
import type { Lab } from '../lab.ts';
import { makeLargeImage } from '../make-large-image.ts';
import type { Measurement, Row, UnmeasuredRow } from '../measurement.ts';
import { type Peaked, peakOf } from '../peak-memory.ts';
import { median } from '../stats.ts';
import { repeat } from '../timing.ts';

/** The image to measure with, and what the rows are called. */
interface Subject {
  name: string;
  what: string;
  archive: string;
  runs: number;
}

const TOOLS = '`skopeo copy`, `umoci unpack` and `mke2fs -d` of the same archive';

/** A root file system of a container image, beside the tools that distributions have for it. */
export const imageRootfs: Measurement = {
  name: 'image-rootfs',
  async run(lab, { isQuick, signal }) {
    const archive = join(lab.scratch, 'image.tar');
    await exec([lab.banger, 'image', 'export', '-o', archive, 'debian-bookworm'], { env: lab.env, signal });
    const what = 'the built-in image, from an OCI archive';
    const rows = await compare(
      lab,
      { name: 'image-rootfs', what, archive, runs: isQuick ? 1 : 3 },
      { signal },
    );
    await rm(archive);
    return rows;
  },
};

/** The same with an image of 3 GB. It takes minutes and about 15 GB of disk, so only by name. */
export const imageRootfsLarge: Measurement = {
  name: 'image-rootfs-large',
  isOnRequest: true,
  async run(lab, { isQuick, signal }) {
    const bytes = (isQuick ? 0.3 : 3) * 1e9;
    const archive = join(lab.scratch, 'large.tar');
    await makeLargeImage(archive, { bytes, hostTools: hostToolsOf(lab), dir: lab.scratch, signal });
    const what = `a made image of ${bytes / 1e9} GB`;
    const rows = await compare(lab, { name: 'image-rootfs-large', what, archive, runs: 1 }, { signal });
    await rm(archive);
    return rows;
  },
};

async function compare(
  lab: Lab,
  { name, what, archive, runs }: Subject,
  { signal }: Abortable,
): Promise<(Row | UnmeasuredRow)[]> {
  const missing = await missingImageTool({ signal });
  if (missing !== undefined) {
    const notMeasured = `${missing} is not installed (\`apt install skopeo umoci e2fsprogs\`)`;
    return [{ name, what, notMeasured }];
  }
  const hostTools = hostToolsOf(lab);
  const ours: Peaked[] = [];
  const theirs: Peaked[] = [];
  // By turns, so that both see the same host.
  await repeat(runs, async () => {
    const made = await imageByUs(archive, { hostTools, dir: join(lab.scratch, 'ours'), signal });
    ours.push(made);
    theirs.push(
      await imageByTools(archive, { dir: join(lab.scratch, 'theirs'), sizeBytes: made.sizeBytes, signal }),
    );
  });
  return [
    {
      name,
      what: `a root file system of ${what}`,
      unit: 'ms',
      median: median(ours.map(({ ms }) => ms)),
      floor: median(theirs.map(({ ms }) => ms)),
      floorIs: `no floor: ${TOOLS}`,
      runs,
      goals: [{ ratio: 0.5 }],
    },
    {
      name: `${name}-memory`,
      what: 'the most memory that takes at once',
      unit: 'MiB',
      median: Math.max(...ours.map(({ peakMib }) => peakMib)),
      floor: Math.max(...theirs.map(({ peakMib }) => peakMib)),
      floorIs: `no floor: ${TOOLS}`,
      runs,
      goals: [{ median: 200 }],
    },
  ];
}

/** Makes a root file system as `banger image import` does. `dir` must not exist, and is removed. */
async function imageByUs(
  archive: string,
  { hostTools, dir, signal }: Abortable & { hostTools: string; dir: string },
): Promise<Peaked & { sizeBytes: number }> {
  const [store, out] = [join(dir, 'store'), join(dir, 'rootfs.ext4')];
  const from = ['--store', store, '--from', `oci-archive:${archive}`];
  const imported = await peakOf([hostTools, 'oci', 'import', ...from], { signal });
  const { manifestDigest } = lastLine(imported.output).image;
  const words = ['--store', store, '--manifest', manifestDigest, '--out', out] as const;
  const made = await peakOf([hostTools, 'oci', 'rootfs', ...words], { signal });
  const { size } = await stat(out);
  await rm(dir, { recursive: true });
  return {
    ms: imported.ms + made.ms,
    peakMib: Math.max(imported.peakMib, made.peakMib),
    sizeBytes: size,
  };
}

function lastLine(output: string): { image: { manifestDigest: string } } {
  return JSON.parse(output.trim().split('\n').at(-1) ?? '{}');
}

function hostToolsOf(lab: Lab): string {
  return join(lab.root, 'host', 'bin', `banger-host-${process.arch === 'arm64' ? 'arm64' : 'amd64'}`);
}
