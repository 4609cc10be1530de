import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { readProject } from '../../scripts/check/project.ts';
import { BOUNDARY_RULES, TEXT_RULES, UNUSED_RULES } from '../../scripts/check/rules.ts';
import { runRules } from '../../scripts/check/run-rules.ts';

/** Files by path; `null` removes one of the sound tree. */
export type Files = Readonly<Record<string, string | null>>;

/** A small project that breaks no rule: one or two files in each layer, all of them used. */
const SOUND_TREE: Files = {
  'package.json': '{"dependencies": {"zod": "1.0.0"}, "devDependencies": {"typescript": "7.0.0"}}',
  'src/base/text.ts':
    '/** Shouts. */\nexport function shout(text: string): string {\n  return text.toUpperCase();\n}\n',
  'src/base/process/exec.ts':
    "import { spawn } from 'node:child_process';\n/** Runs it. */\nexport const exec = (program: string) => spawn(program);\n",
  'src/protocol/vm.ts': '/** A VM. */\nexport interface Vm {\n  name: string;\n}\n',
  'src/protocol/vm-schema.ts':
    "import * as z from 'zod';\n/** Checks a VM. */\nexport const vmSchema = z.object({ name: z.string() });\n",
  'src/config/settings.ts':
    "import { join } from 'node:path';\n/** Settings. */\nexport const settings = () => join(process.env['XDG_STATE_HOME'] ?? '', 'x');\n",
  'src/core/ports/disk.ts': '/** A disk. */\nexport interface Disk {\n  write(): void;\n}\n',
  'src/core/create.ts':
    "import type { Vm } from '../protocol/vm.ts';\nimport type { Disk } from './ports/disk.ts';\n/** Creates. */\nexport function create(vm: Vm, disk: Disk): string {\n  disk.write();\n  return vm.name;\n}\n",
  'src/adapters/store/disk.ts':
    "import type { Disk } from '../../core/ports/disk.ts';\n/** A disk. */\nexport const disk = (): Disk => ({ write: () => {} });\n",
  'src/adapters/vmm/run.ts':
    "import { exec } from '../../base/process/exec.ts';\n/** Runs. */\nexport const run = (): unknown => exec('true');\n",
  'src/daemon/compose.ts':
    "import { disk } from '../adapters/store/disk.ts';\nimport { run } from '../adapters/vmm/run.ts';\n/** All parts. */\nexport const compose = () => ({ disk: disk(), run });\n",
  'src/daemon/main.ts':
    "import { settings } from '../config/settings.ts';\nimport { create } from '../core/create.ts';\nimport { vmSchema } from '../protocol/vm-schema.ts';\nimport { compose } from './compose.ts';\n\nsettings();\ncreate(vmSchema.parse({}), compose().disk);\n",
  'src/sdk/client.ts':
    "import type { Vm } from '../protocol/vm.ts';\n/** For others. */\nexport const list = (): Vm[] => [];\n",
  'src/cli/main.ts':
    "import { shout } from '../base/text.ts';\nimport { list } from '../sdk/client.ts';\n\nshout(String(list()));\n",
};

/** Placeholder for the folder of the tree in a planted text. */
export const ROOT_MARK = '@ROOT@';

/** Findings in the sound tree with `files` planted into it, each as `path:line rule: message`. */
export async function findingsWith(files: Files): Promise<string[]> {
  const root = await mkdtemp(join(tmpdir(), 'planted-'));
  try {
    for (const [path, text] of Object.entries({ ...SOUND_TREE, ...files })) {
      if (text === null) continue;
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), text.replaceAll(ROOT_MARK, root));
    }
    const project = await readProject(root);
    return runRules(project, [...BOUNDARY_RULES, ...UNUSED_RULES, ...TEXT_RULES]);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** A file of the sound tree, to be planted with an addition. */
export function sound(path: string): string {
  return SOUND_TREE[path] ?? '';
}
