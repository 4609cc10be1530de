import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BOUNDARY_RULES, TEXT_RULES, UNUSED_RULES } from '../../scripts/check/rules.ts';
import { type Files, findingsWith, ROOT_MARK, sound } from './planted-tree.ts';

/** What is planted, and exactly the rules that must find it. */
interface Planted {
  what: string;
  files: Files;
  finds: string[];
}

const used = (path: string, importLine: string): Files => ({ [path]: `${importLine}\n${sound(path)}` });

function manyFiles(count: number, nameOf: (index: number) => string): Files {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [nameOf(index), 'package parts\n']));
}

const PLANTED: Planted[] = [
  {
    what: 'a folder of src/ that is not a layer',
    files: { 'src/misc/a.ts': 'export {};\n', ...used('src/daemon/main.ts', "import '../misc/a.ts';") },
    finds: ['known-layers', 'layer-order'],
  },
  {
    what: 'base that imports the protocol, even for a type',
    files: used('src/base/text.ts', "import type { Vm } from '../protocol/vm.ts';"),
    finds: ['layer-order', 'base-has-no-product-words', 'base-has-no-product-words'],
  },
  {
    what: 'the core that imports the configuration',
    files: used('src/core/create.ts', "import { settings } from '../config/settings.ts';"),
    finds: ['layer-order'],
  },
  {
    what: 'the command line that imports the core',
    files: used('src/cli/main.ts', "import { create } from '../core/create.ts';"),
    finds: ['layer-order'],
  },
  {
    what: 'the command line that imports an adapter lazily',
    files: used('src/cli/main.ts', "await import('../adapters/store/disk.ts');"),
    finds: ['layer-order'],
  },
  {
    what: 'the SDK that imports the configuration',
    files: used('src/sdk/client.ts', "import '../config/settings.ts';"),
    finds: ['layer-order'],
  },
  {
    what: 'the helper that imports the core',
    files: {
      'src/helper/a.ts': "import '../core/create.ts';\n",
      'src/helper/a.test.ts': "import './a.ts';\n",
    },
    finds: ['layer-order', 'no-unused-files'],
  },
  {
    what: 'a use case that takes the whole world',
    files: {
      'src/core/world.ts': 'export interface VmWorld {}\n',
      ...used('src/core/create.ts', "import type { VmWorld } from './world.ts';"),
    },
    finds: ['use-cases-take-what-they-use'],
  },
  {
    what: 'an adapter that imports another',
    files: used('src/adapters/store/disk.ts', "import { run } from '../vmm/run.ts';"),
    finds: ['adapters-apart'],
  },
  {
    what: 'an adapter imported elsewhere than in compose.ts',
    files: used('src/daemon/main.ts', "import { disk } from '../adapters/store/disk.ts';"),
    finds: ['only-compose-imports-adapters'],
  },
  {
    what: 'the product that imports a script',
    files: { 'scripts/a.ts': 'export {};\n', ...used('src/cli/main.ts', "import '../../scripts/a.ts';") },
    finds: ['product-stands-alone'],
  },
  {
    what: 'the helper of root that imports the host tools, and a module that is replaced by a folder',
    files: {
      'root/main.go': 'package main\n\nimport "banger.dev/host/internal/oci"\n',
      'host/go.mod': 'module banger.dev/host\n\nreplace a => ../agent\n',
    },
    finds: ['go-modules-apart', 'go-modules-apart'],
  },
  {
    what: 'an import without its extension',
    files: used('src/cli/main.ts', "import '../base/text';"),
    finds: ['imports-resolve'],
  },
  {
    what: 'a default export',
    files: { 'src/base/text.ts': `${sound('src/base/text.ts')}export default shout;\n` },
    finds: ['no-default-exports'],
  },
  {
    what: 'a barrel',
    files: {
      'src/base/all.ts': "export { shout } from './text.ts';\n",
      'src/cli/main.ts': sound('src/cli/main.ts').replace('base/text.ts', 'base/all.ts'),
    },
    finds: ['no-barrels'],
  },
  {
    what: 'an export of everything',
    files: { 'src/base/text.ts': `export * from './process/exec.ts';\n${sound('src/base/text.ts')}` },
    finds: ['cli-starts-light', 'no-barrels'],
  },
  {
    what: 'an import() of a computed name',
    files: used('src/cli/main.ts', "const name = 'x';\nawait import('../base/' + name);"),
    finds: ['no-computed-imports'],
  },
  {
    what: 'two files that import each other, even if one imports only a type',
    files: {
      'src/base/a.ts': "import { b } from './b.ts';\n/** A. */\nexport type A = typeof b;\n",
      'src/base/b.ts': "import type { A } from './a.ts';\n/** B. */\nexport const b = (a: A): A => a;\n",
      ...used('src/cli/main.ts', "import { b } from '../base/b.ts';"),
    },
    finds: ['no-cycles'],
  },
  {
    what: 'zod in a protocol file that is not a schema',
    files: used('src/protocol/vm.ts', "import * as z from 'zod';"),
    finds: ['zod-stays-in-schemas'],
  },
  {
    what: 'all of zod in one object',
    files: used('src/protocol/vm-schemas.ts', "import { z } from 'zod';"),
    finds: ['zod-is-taken-in-parts', 'no-unused-files'],
  },
  {
    what: 'a schema on the way to the command line',
    files: used('src/sdk/client.ts', "import { vmSchema } from '../protocol/vm-schema.ts';"),
    finds: ['cli-is-free-of-zod'],
  },
  {
    what: 'a command line that loads something slow before it knows the command',
    files: used('src/cli/main.ts', "import { exec } from '../base/process/exec.ts';"),
    finds: ['cli-starts-light'],
  },
  ...['node:fs/promises', 'node:net', 'node:http2', 'node:sqlite', 'zod'].map((specifier) => ({
    what: `the core that imports ${specifier}`,
    files: used('src/core/create.ts', `import '${specifier}';`),
    finds: ['core-is-pure'],
  })),
  {
    what: 'a process started elsewhere than in exec.ts',
    files: used('src/adapters/vmm/run.ts', "import { spawn } from 'node:child_process';"),
    finds: ['only-exec-starts-processes'],
  },
  {
    what: 'the environment read elsewhere than in settings.ts',
    files: used('src/cli/main.ts', "process.env['HOME'];"),
    finds: ['only-settings-reads-environment'],
  },
  {
    what: 'the environment imported',
    files: used('src/cli/main.ts', "import { env } from 'node:process';"),
    finds: ['only-settings-reads-environment'],
  },
  {
    what: 'a folder of the user found elsewhere than in config',
    files: used('src/adapters/store/disk.ts', "import { homedir } from 'node:os';"),
    finds: ['only-config-names-folders'],
  },
  {
    what: 'a file name defined elsewhere than in config',
    files: used('src/cli/main.ts', "const path = '.config/banger';"),
    finds: ['only-config-names-folders'],
  },
  {
    what: 'a word of the product in base',
    files: {
      'src/base/text.ts': sound('src/base/text.ts').replace('return', 'const guestName = text;\n  return'),
    },
    finds: ['base-has-no-product-words'],
  },
  {
    what: 'a name of a VMM in the core',
    files: {
      'src/core/create.ts': sound('src/core/create.ts').replace('return', "const vmm = 'qemu';\n  return"),
    },
    finds: ['core-names-no-vmm'],
  },
  {
    what: 'a bare error',
    files: {
      'src/core/create.ts': sound('src/core/create.ts').replace('return', 'throw new Error(); return'),
    },
    finds: ['no-bare-errors'],
  },
  {
    what: 'a file that nothing imports',
    files: { 'src/base/lost.ts': 'export {};\n' },
    finds: ['no-unused-files'],
  },
  {
    what: 'a file of the product that only its test imports',
    files: { 'src/base/lost.ts': 'export {};\n', 'src/base/lost.test.ts': "import './lost.ts';\n" },
    finds: ['no-unused-files'],
  },
  {
    what: 'an export that nothing uses',
    files: { 'src/base/text.ts': `${sound('src/base/text.ts')}/** Lost. */\nexport const lost = 1;\n` },
    finds: ['no-unused-exports'],
  },
  {
    what: 'an export that only its own file uses',
    files: {
      'src/base/text.ts': `/** Own. */\nexport const own = 1;\n${sound('src/base/text.ts').replace('text.to', 'own + text.to')}`,
    },
    finds: ['no-unused-exports'],
  },
  {
    what: 'an export that only a test uses',
    files: {
      'src/base/text.ts': `${sound('src/base/text.ts')}/** Lost. */\nexport const lost = 1;\n`,
      'src/base/text.test.ts': "import { lost } from './text.ts';\nlost;\n",
    },
    finds: ['no-unused-exports'],
  },
  {
    what: 'a package that package.json lacks',
    files: used('src/adapters/vmm/run.ts', "import 'left-pad';"),
    finds: ['dependencies-match'],
  },
  {
    what: 'a package that nothing imports',
    files: { 'package.json': '{"dependencies": {"zod": "1.0.0", "left-pad": "1.0.0"}}' },
    finds: ['dependencies-match'],
  },
  {
    what: 'a development dependency in the product',
    files: used('src/adapters/vmm/run.ts', "import 'typescript';"),
    finds: ['dependencies-match'],
  },
  {
    what: 'a long file',
    files: { 'src/base/text.ts': sound('src/base/text.ts') + '\n'.repeat(400) },
    finds: ['files-are-short'],
  },
  {
    what: 'a folder with too many files',
    files: manyFiles(21, (index) => `agent/parts/part-${index}.go`),
    finds: ['folders-are-small'],
  },
  {
    what: 'a folder with the most files allowed, and their tests beside them',
    files: {
      ...manyFiles(20, (index) => `agent/parts/part-${index}.go`),
      ...manyFiles(20, (index) => `agent/parts/part-${index}_test.go`),
    },
    finds: [],
  },
  ...['// ', '/** ', '    // ', ' * '].map((start) => ({
    what: `a comment line that is too wide, "${start}"`,
    files: used('src/cli/main.ts', `/*\n */\n${start}${'x'.repeat(111 - start.length)} */`),
    finds: ['comments-are-narrow'],
  })),
  {
    what: 'a comment line of the maximum width',
    files: used('src/cli/main.ts', `// ${'x'.repeat(107)}`),
    finds: [],
  },
  {
    what: 'a comment line in Go that is too wide',
    files: { 'agent/main.go': `// Command agent. ${'x'.repeat(100)}\npackage main\n` },
    finds: ['comments-are-narrow'],
  },
  {
    what: 'a file name in camel case',
    files: {
      'src/base/text.ts': null,
      'src/base/someText.ts': sound('src/base/text.ts'),
      'src/cli/main.ts': sound('src/cli/main.ts').replace('text.ts', 'someText.ts'),
    },
    finds: ['names-are-kebab-case'],
  },
  {
    what: 'postponed work',
    files: used('src/cli/main.ts', `// TO${'DO'}: later`),
    finds: ['nothing-put-off'],
  },
  {
    what: 'the address of a host',
    files: { 'docs/a.md': `see https:${'//'}registry.elsewhere.dev/x\n` },
    finds: ['no-foreign-hosts'],
  },
  {
    what: 'the name of a host',
    files: { 'docs/a.md': `packages come from packages.elsewhere${'.'}org today\n` },
    finds: ['no-foreign-hosts'],
  },
  {
    what: 'the name of a host in Go, but not that of a module',
    files: {
      'host/a.go': `package a\n\nimport (\n\t"github${'.'}com/a/b"\n)\n\nconst host = "packages.elsewhere${'.'}org/a"\n`,
      'host/go.mod': `require github${'.'}com/a/b v1.0.0\n`,
    },
    finds: ['no-foreign-hosts'],
  },
  {
    what: 'an error code that the list lacks, and one that is never thrown',
    files: {
      'src/core/create.ts': sound('src/core/create.ts').replace(
        'return',
        "throw new AppError('VM_LOST', ''); codes = ['VM_GONE', 'NO_COLOR', 'VM_KNOWN']; return",
      ),
      'docs/errors.md': '| `VM_KNOWN` | yes |\n| `VM_OLD` | no |\n',
    },
    finds: ['error-codes-are-listed', 'error-codes-are-listed', 'error-codes-are-listed'],
  },
  {
    what: 'a path of this machine',
    files: { 'docs/a.md': `look in ${ROOT_MARK}/docs\n` },
    finds: ['no-local-paths'],
  },
  {
    what: 'an exported function without a contract',
    files: { 'src/base/text.ts': sound('src/base/text.ts').replace('/** Shouts. */', '// Shouts.') },
    finds: ['exports-are-documented'],
  },
];

describe('the rules of the project', () => {
  test('find nothing in a sound tree', async () => {
    assert.deepEqual(await findingsWith({}), []);
  });

  for (const { what, files, finds } of PLANTED) {
    test(`find ${what}`, async () => {
      const findings = await findingsWith(files);
      const rules = findings.map((line) => line.split(' ')[1]?.replace(':', ''));
      assert.deepEqual(rules.sort(), [...finds].sort(), findings.join('\n'));
    });
  }

  test('all have a violation here', () => {
    const planted = new Set(PLANTED.flatMap(({ finds }) => finds));
    const rules = [...BOUNDARY_RULES, ...UNUSED_RULES, ...TEXT_RULES].map((rule) => rule.name);
    assert.deepEqual(
      rules.filter((name) => !planted.has(name)),
      [],
    );
  });
});
