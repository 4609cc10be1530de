import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';

/**
 * How an image build fails where user namespaces are forbidden, or subordinate ids are missing. Each probe
 * runs inside a user namespace in which that is the case: the kernel has a separate
 * `user.max_user_namespaces` for each, and other files are mounted over those in `/etc`.
 */

const signal = neverAborts();
const SOURCE = join(import.meta.dirname, '../../src');
/** Runs the doctor's check, then lists the processes that it left behind. */
const PROBE = `
import { checkNamespaces } from '${SOURCE}/daemon/doctor/host/check-namespaces.ts';
import { findNamespaceProblem } from '${SOURCE}/adapters/image/debian/namespaces.ts';
import { execFileSync } from 'node:child_process';
const options = { signal: new AbortController().signal };
const host = { uid: 1000, env: process.env };
const problem = await findNamespaceProblem(host, options);
const namespaceProblem = (options) => findNamespaceProblem(host, options);
const finding = await checkNamespaces.run({ ...host, namespaceProblem }, options);
const left = execFileSync('ps', ['-e', '-o', 'args='], { encoding: 'utf8' }).split('\\n').filter((line) => /^unshare /.test(line));
console.log(JSON.stringify({ code: problem?.code, hint: problem?.hint, finding, left }));
`;
const INSIDE = `
mount --bind "$SUBIDS" /etc/subuid && mount --bind "$SUBIDS" /etc/subgid || exit 99
[ -z "$FORBIDDEN" ] || echo 0 > /proc/sys/user/max_user_namespaces
exec "$NODE" --input-type=module -e "$PROBE"
`;

let dir: string;
let granted: string;
let empty: string;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'namespaces-'));
  granted = join(dir, 'granted');
  empty = join(dir, 'empty');
  await writeFile(granted, 'root:100000:65536\n');
  await writeFile(empty, '');
});

after(async () => {
  await rm(dir, { recursive: true });
});

test('forbidden user namespaces are named with the command that allows them, and no process is left', async (t) => {
  const found = await probe({ subIds: granted, isForbidden: true });
  if (!found) return t.skip('this user may make no user namespaces here');
  assert.equal(found.code, 'IMAGE_NEEDS_NAMESPACES');
  assert.equal(found.hint, 'sudo sysctl -w user.max_user_namespaces=15000');
  assert.equal(found.finding.status, 'warn');
  assert.match(
    found.finding.message,
    /namespaces cannot be created here, so the built-in image cannot be built/,
  );
  assert.equal(found.finding.fix, found.hint);
  assert.deepEqual(found.left, []);
});

test('missing subordinate ids are named with the command that grants them', async (t) => {
  const found = await probe({ subIds: empty, isForbidden: false });
  if (!found) return t.skip('this user may make no user namespaces here');
  assert.equal(found.code, 'IMAGE_NEEDS_SUBIDS');
  assert.match(found.finding.fix, /^sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 /);
  assert.deepEqual(found.left, []);
});

interface Found {
  code: string;
  hint: string;
  finding: { status: string; message: string; fix: string };
  left: string[];
}

/** What {@link PROBE} found; `undefined` when this user cannot create a user namespace to run it in. */
async function probe(host: { subIds: string; isForbidden: boolean }): Promise<Found | undefined> {
  const argv = [
    'unshare',
    '--user',
    '--map-root-user',
    '--mount',
    '--pid',
    '--fork',
    '--mount-proc',
  ] as const;
  const can = await exec([...argv, 'true'], { signal, okCodes: [0, 1], deadlineMs: 55_000 });
  if (can.code !== 0) return undefined;
  const { stdout } = await exec([...argv, 'sh', '-c', INSIDE], {
    signal,
    deadlineMs: 60_000,
    env: {
      ...process.env,
      PROBE,
      NODE: process.execPath,
      SUBIDS: host.subIds,
      FORBIDDEN: host.isForbidden ? '1' : '',
    },
  });
  return JSON.parse(stdout.toString()) as Found;
}
