import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { writeBuildWall } from '../../src/adapters/image/debian/build-wall.ts';
import { findNamespaceProblem } from '../../src/adapters/image/debian/namespaces.ts';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import { toolEnv } from '../../src/base/process/programs.ts';
import { inRootNamespace, NAMESPACE_GRACE_MS } from '../../src/base/process/root-namespace.ts';
import { BUILT_HOST_TOOLS } from '../support/host-tools.ts';

/** What a package's script might try, as root of its namespaces; each line prints the outcome. */
const SCRIPT = `
try() { what=$1; shift; if "$@" 2>/dev/null; then echo "$what: done"; else echo "$what: denied"; fi; }
write() { echo x > "$1"; }
try 'read the home' test -n "$(cat "$VICTIM/key" 2>/dev/null)"
try 'list the home' test -n "$(ls "$VICTIM" 2>/dev/null)"
try 'write to the home' write "$VICTIM/new"
try 'write beside the build' write "$BUILD-other"
try 'write through a link' sh -c 'ln -sfn "$VICTIM" "$BUILD/tree/etc/link" && echo x > "$BUILD/tree/etc/link/linked"'
try 'open a connection' bash -c ': < "/dev/tcp/127.0.0.1/$PORT"'
try 'write to the image' write "$BUILD/tree/etc/file"
try 'write a temporary file' write "$BUILD/tmp/file"
`;
const OWN = { 'write to the image': 'done', 'write a temporary file': 'done' };
const FORBIDDEN = [
  'read the home',
  'list the home',
  'write to the home',
  'write beside the build',
  'write through a link',
];

const uid = process.getuid?.() ?? 0;
const signal = neverAborts();
let dir: string;
let victim: string;
let server: Server;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wall-'));
  victim = join(dir, 'home');
  await mkdir(victim);
  await writeFile(join(victim, 'key'), 'secret\n');
  server = createServer((connection) => connection.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

after(async () => {
  server.close();
  await rm(dir, { recursive: true, force: true });
});

/** What the script could do in a build with the wall of `hostTools`, or without a wall. */
async function outcomes(name: string, hostTools: string | undefined): Promise<Record<string, string>> {
  const build = join(dir, name);
  await mkdir(join(build, 'tree', 'etc'), { recursive: true });
  await mkdir(join(build, 'tmp'));
  if (hostTools !== undefined) await writeBuildWall({ dir: build, hostTools, env: process.env });
  const { port } = server.address() as AddressInfo;
  const env = { ...toolEnv(process.env), BUILD: build, VICTIM: victim, PORT: String(port) };
  const argv: [string, ...string[]] =
    hostTools === undefined ? ['sh', '-c', SCRIPT] : [join(build, 'bin', 'confined'), 'sh', '-c', SCRIPT];
  const { stdout } = await exec(inRootNamespace(argv, { uid }), { env, signal, graceMs: NAMESPACE_GRACE_MS });
  const lines = stdout
    .toString()
    .split('\n')
    .filter((line) => line.includes(': '));
  return Object.fromEntries(lines.map((line) => line.split(': ') as [string, string]));
}

function check(what: string, needsLandlock: boolean, body: () => Promise<void>): void {
  test(what, async (context: TestContext) => {
    const problem = await findNamespaceProblem({ uid, env: toolEnv(process.env) }, { signal });
    if (problem) return context.skip(problem.message);
    const { stdout } = await exec([BUILT_HOST_TOOLS, 'walls'], { signal });
    const { landlockAbi } = JSON.parse(stdout.toString()) as { landlockAbi: number };
    if (needsLandlock && landlockAbi === 0) return context.skip('this kernel has no Landlock');
    await body();
  });
}

function all(names: readonly string[], outcome: string): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, outcome]));
}

check(
  'the script of a package can read no file of the user, write only to its image, and has no network',
  true,
  async () => {
    const denied = all([...FORBIDDEN, 'open a connection'], 'denied');
    assert.deepEqual(await outcomes('walled', BUILT_HOST_TOOLS), { ...OWN, ...denied });
    assert.equal(await readFile(join(victim, 'key'), 'utf8'), 'secret\n');
  },
);

check('without banger-host it still has no network', false, async () => {
  const expected = { ...OWN, ...all(FORBIDDEN, 'done'), 'open a connection': 'denied' };
  assert.deepEqual(await outcomes('bare', join(dir, 'none')), expected);
});

check('namespaces alone do not stop it', false, async () => {
  const done = all([...FORBIDDEN, 'open a connection'], 'done');
  assert.deepEqual(await outcomes('open', undefined), { ...OWN, ...done });
});
