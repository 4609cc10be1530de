import { glob } from 'node:fs/promises';
import { join } from 'node:path';
import { runChecks } from '../check/run-checks.ts';
import { addCounts, type Counts } from './counts.ts';
import { runGoTests } from './go-tests.ts';
import { longestFirst } from './longest-first.ts';
import { runNodeTests } from './node-tests.ts';
import { runFolder } from './run-folder.ts';

/** The arguments of a stage. */
export interface StageContext {
  root: string;
  write: (text: string) => void;
  /** called at once when a test has failed */
  onFailure: () => void;
  /** where tests make their folders */
  scratch: string;
  /** paths of the logs that tests have written so far */
  logs: () => readonly string[];
}

/** One part of `npm test`. */
export interface Stage {
  name: string;
  what: string;
  /** the stage boots VMs of the default image, which is built first when it is missing */
  needsImage: boolean;
  run(context: StageContext): Promise<Counts>;
}

/** A folder of node:test files. */
interface TestFolder {
  pattern: string;
  concurrency: number;
  /** for one test */
  timeoutMs: number;
  /** for one file: several times what the longest one takes on a busy host */
  fileTimeoutMs: number;
  /** its tests look at real processes or VMs, so a file that fails runs once more */
  isRepeated: boolean;
}

const MINUTE_MS = 60_000;

/**
 * Several files run at a time. A guest under emulation takes little more than one processor while it boots,
 * and almost none later. The tests of `integration` wait for about half of their time.
 */
const FOLDERS = {
  unit: {
    pattern: 'src/**/*.test.ts',
    concurrency: 2,
    timeoutMs: MINUTE_MS,
    fileTimeoutMs: 10 * MINUTE_MS,
    isRepeated: false,
  },
  repo: {
    pattern: 'test/repo/**/*.test.ts',
    concurrency: 2,
    timeoutMs: 2 * MINUTE_MS,
    fileTimeoutMs: 10 * MINUTE_MS,
    isRepeated: false,
  },
  integration: {
    pattern: 'test/integration/**/*.test.ts',
    concurrency: 3,
    timeoutMs: 3 * MINUTE_MS,
    fileTimeoutMs: 15 * MINUTE_MS,
    isRepeated: true,
  },
  conformance: {
    pattern: 'test/conformance/**/*.test.ts',
    concurrency: 2,
    timeoutMs: 5 * MINUTE_MS,
    fileTimeoutMs: 15 * MINUTE_MS,
    isRepeated: true,
  },
  e2e: {
    pattern: 'test/e2e/**/*.test.ts',
    concurrency: 2,
    timeoutMs: 10 * MINUTE_MS,
    fileTimeoutMs: 20 * MINUTE_MS,
    isRepeated: true,
  },
} as const satisfies Record<string, TestFolder>;

/** All stages in the order in which they run. Quick stages that are likely to fail come first. */
export const STAGES: readonly Stage[] = [
  {
    name: 'check',
    what: 'format, lint, types, boundaries, unused code, texts, generated docs',
    needsImage: false,
    run: ({ root, write }) => runChecks(root, { names: [], write }),
  },
  {
    name: 'go',
    what: 'tests of the guest agent, of the host tools and of the helper that runs as root',
    needsImage: false,
    run: async ({ root, write }) => {
      let counts = await runGoTests(join(root, 'agent'), { write });
      for (const module of ['host', 'root']) {
        counts = addCounts(counts, await runGoTests(join(root, module), { write }));
      }
      return counts;
    },
  },
  folderStage('unit', 'tests beside the sources; no VM', false),
  folderStage('repo', 'the project itself: its rules, its scripts, its docs', false),
  folderStage('integration', 'parts together with real programs; no VM', false),
  folderStage('conformance', 'every driver against the same suite; small VMs', true),
  folderStage('e2e', 'the command line against real VMs', true),
];

/** Runs one test file with the settings of its folder's stage. */
export async function runFile(path: string, context: StageContext): Promise<Counts> {
  const folder = folderOf(path);
  return await runNodeTests([path], { ...context, ...FOLDERS[folder] });
}

/** Returns whether tests of `path` boot VMs of the default image. */
export function fileNeedsImage(path: string): boolean {
  return STAGES.some((stage) => stage.name === folderOf(path) && stage.needsImage);
}

function folderOf(path: string): keyof typeof FOLDERS {
  const name = /^test\/([^/]+)\//.exec(path)?.[1];
  return name !== undefined && name in FOLDERS ? (name as keyof typeof FOLDERS) : 'unit';
}

function folderStage(name: keyof typeof FOLDERS, what: string, needsImage: boolean): Stage {
  const folder = FOLDERS[name];
  return {
    name,
    what,
    needsImage,
    run: async (context) => {
      const files = longestFirst(await Array.fromAsync(glob(folder.pattern, { cwd: context.root })));
      const run = folder.isRepeated ? runFolder : runNodeTests;
      return await run(files, { ...context, ...folder });
    },
  };
}
