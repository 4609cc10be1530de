import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { plainFile } from '../../../scripts/release/entries.ts';
import { isAppError } from '../../../src/base/errors.ts';
import { runUpdate, type UpdateRequest, type UpdateResult } from '../../../src/cli/update/run-update.ts';
import {
  archiveOf,
  type FakeBehaviour,
  type FakeInstall,
  fakeInstall,
  fakeRelease,
} from '../../support/update/fake-release.ts';
import { newKey, openReleaseSite, type ReleaseSite } from '../../support/update/release-site.ts';

const OLD = 'v0.1.0';
const NEW = 'v0.2.0';
const ARCHIVE = `/${NEW}/banger-${NEW}-linux-amd64.tar.zst`;
const RUN_UPDATE = join(import.meta.dirname, '../../support/update/run-update.ts');

describe('an update of an install of install.sh', () => {
  const key = newKey();
  let site: ReleaseSite;
  let install: FakeInstall;
  let warnings: string[];
  before(async () => {
    site = await openReleaseSite([key]);
  });
  after(() => site[Symbol.asyncDispose]());
  beforeEach(() => {
    site.files.clear();
    site.answers.clear();
    warnings = [];
    install = fakeInstall(OLD, { manifestUrl: site.manifestUrl, keys: [key.publicKey], threshold: 1 });
  });
  afterEach(() => install[Symbol.dispose]());

  async function publish(version = NEW, behaviour: FakeBehaviour = {}): Promise<void> {
    const entries = fakeRelease(version, { stateDir: install.stateDir, behaviour, source: sourceOfNew() });
    site.publish(version, await archiveOf(version, entries));
  }
  const sourceOfNew = () => ({ manifestUrl: site.manifestUrl, keys: [key.publicKey], threshold: 1 });

  function update(request: Partial<UpdateRequest> = {}, signal = new AbortController().signal): Promise<UpdateResult> {
    return runUpdate(
      { isCheck: false, isDryRun: false, isForced: false, ...request },
      {
        env: { PATH: process.env['PATH'], HOME: install.home },
        home: install.home,
        programPath: install.programPath,
        step: () => {},
        notice: (text) => void warnings.push(text),
        warn: (text) => void warnings.push(text),
        signal,
      },
    );
  }

  async function fails(code: string, message: RegExp, request: Partial<UpdateRequest> = {}): Promise<void> {
    await assert.rejects(update(request), (error) => {
      assert.ok(isAppError(error, code), String(error));
      assert.match(error.message, message);
      return true;
    });
  }

  const state = (name: string, text: string): void => writeFileSync(join(install.stateDir, name), text);
  const daemon = (): string | undefined => {
    const path = join(install.stateDir, 'daemon');
    return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined;
  };
  const releases = (): string[] => readdirSync(install.releasesDir).filter((name) => name !== '.update.lock');
  const current = (): string => readlinkSync(install.link);

  /** The old release is the current one, its daemon runs or none does, and nothing else is there. */
  function assertOld(): void {
    assert.equal(current(), join(install.releasesDir, OLD, 'bin/banger'));
    assert.deepEqual(releases(), [OLD]);
    assert.notEqual(daemon(), NEW);
  }

  function assertNew(): void {
    assert.equal(current(), join(install.releasesDir, NEW, 'bin/banger'));
    assert.deepEqual(releases().sort(), [OLD, NEW], 'the previous release is kept');
    assert.equal(daemon(), NEW);
  }

  test('changes the daemon, then the command, and keeps the previous release', async () => {
    await publish();
    state('daemon', OLD);
    state('vms', '[{"id":"aa"}]');
    assert.deepEqual(await update(), { outcome: 'updated', installed: OLD, version: NEW });
    assertNew();
  });

  test('says with isCheck whether there is a newer release, and downloads only the list', async () => {
    await publish();
    site.asked.length = 0;
    assert.equal((await update({ isCheck: true })).outcome, 'available');
    assert.deepEqual(site.asked, ['/manifest.json', '/manifest.json.sig']);
    site.files.clear();
    const entries = fakeRelease(OLD, { stateDir: install.stateDir });
    const other = await openReleaseSite([key]);
    try {
      other.publish(OLD, await archiveOf(OLD, entries));
      const same = await update({ isCheck: true, manifestUrl: other.manifestUrl });
      assert.equal(same.outcome, 'up-to-date');
    } finally {
      await other[Symbol.asyncDispose]();
    }
    assertOld();
  });

  test('installs nothing in a dry run, but checks everything', async () => {
    await publish();
    assert.equal((await update({ isDryRun: true })).outcome, 'dry-run');
    assertOld();
    assert.equal(daemon(), undefined);
  });

  test('does not know a release that is not on the list', async () => {
    await publish();
    await fails('UPDATE_RELEASE_NOT_FOUND', /not found/, { to: 'v9.9.9' });
    assertOld();
  });

  test('installs an older release only with force', async () => {
    await publish('v0.0.9');
    assert.equal((await update()).outcome, 'up-to-date');
    await fails('UPDATE_DOWNGRADE', /v0\.1\.0 is installed, which is newer/, { to: 'v0.0.9' });
    assert.equal((await update({ to: 'v0.0.9', isForced: true })).outcome, 'updated');
    assert.equal(current(), join(install.releasesDir, 'v0.0.9', 'bin/banger'));
  });

  test('is refused while the daemon works, unless with force, which says what ends', async () => {
    await publish();
    state('daemon', OLD);
    state('operations', '[{"id":"op-1","kind":"image build","target":"debian"}]');
    state('active', '3');
    await fails('UPDATE_BUSY', /1 operation: image build of debian \(op-1\); 2 commands or sessions in VMs/);
    assertOld();
    await update({ isForced: true });
    assert.match(warnings.join('\n'), /these end when the daemon changes: 1 operation/);
    assertNew();
  });

  for (const [what, behaviour, code, message] of [
    [
      'cannot use the records',
      { daemon: '[ "$2" = --check-migrations ] && { echo incompatible: schema 9; exit 2; }' },
      'UPDATE_RECORDS_INCOMPATIBLE',
      /incompatible: schema 9/,
    ],
    [
      'crashes when it looks at the records',
      { daemon: '[ "$2" = --check-migrations ] && { echo crash >&2; exit 1; }' },
      'UPDATE_RECORDS_INCOMPATIBLE',
      /crash/,
    ],
    [
      'could not resume a suspended VM',
      {
        daemon: `[ "$2" = --check-saved-guests ] && { echo '{"count":1,"unfit":[{"name":"web (suspended)","problem":"agent"}]}'; exit 0; }`,
      },
      'UPDATE_LOSES_GUESTS',
      /1 saved guest would not resume: web \(suspended\)/,
    ],
    [
      'says that it is another version',
      { command: '[ "$1" = --version ] && { echo banger v0.2.1; exit 0; }' },
      'UPDATE_PROGRAM_FAILED',
      /its program is "banger v0\.2\.1"/,
    ],
    ['does not run here', { command: 'exit 126' }, 'EXEC_FAILED', /failed with status 126/],
  ] as const) {
    test(`refuses a release that ${what}, before anything changes`, async () => {
      await publish(NEW, behaviour);
      state('daemon', OLD);
      await fails(code, message);
      assertOld();
      assert.equal(daemon(), OLD);
      assert.doesNotMatch(readFileSync(join(install.stateDir, 'calls'), 'utf8'), /daemon stop/);
    });
  }

  test('says that a release will migrate the records', async () => {
    await publish(NEW, {
      daemon: '[ "$2" = --check-migrations ] && { echo "migrations needed: pending [4]"; exit 1; }',
    });
    await update();
    assert.deepEqual(warnings, ['migrations needed: pending [4]']);
  });

  for (const [what, behaviour, message] of [
    [
      'has a daemon that does not start',
      {
        command: `[ "$1" = doctor ] && { echo '{"checks":[{"name":"daemon","status":"fail","message":"Cannot start the daemon"}]}'; exit 1; }`,
      },
      /daemon: Cannot start the daemon \(rolled back to previous install\)$/,
    ],
    [
      'fails a check',
      {
        command: `[ "$1" = doctor ] && { start; echo '{"checks":[{"name":"vmm","status":"fail","message":"bad"}]}'; exit 1; }`,
      },
      /vmm: bad \(rolled back to previous install\)$/,
    ],
    [
      'crashes in doctor',
      { command: '[ "$1" = doctor ] && { start; exit 139; }' },
      /\(rolled back to previous install\)$/,
    ],
  ] as const) {
    test(`brings the previous release back, with its daemon, when the new one ${what}`, async () => {
      await publish(NEW, behaviour);
      state('daemon', OLD);
      await fails('UPDATE_ROLLED_BACK', message);
      assertOld();
      assert.equal(daemon(), OLD);
      assert.match(readFileSync(join(install.stateDir, 'calls'), 'utf8'), /v0\.1\.0 bangerd --restore-records\n/);
    });
  }

  test('does not count a check that failed before', async () => {
    state('checks', '{"checks":[{"name":"default-image","status":"fail","message":"none"}]}');
    await publish();
    assert.equal((await update()).outcome, 'updated');
  });

  test('replaces a daemon of the old release that another command has started meanwhile', async () => {
    await publish(NEW, {
      command: `if [ "$1" = doctor ] && ! [ -f "$state/raced" ]; then echo ${OLD} >"$state/daemon"; : >"$state/raced"; fi`,
    });
    assert.equal((await update()).outcome, 'updated');
    assertNew();
  });

  test('rolls back when it is interrupted after the daemon was changed', async () => {
    const interrupt = new AbortController();
    await publish(NEW, { command: '[ "$1" = doctor ] && { start; : >"$state/reached"; sleep 60; }' });
    const running = update({}, interrupt.signal);
    const outcome = assert.rejects(running, (error) => isAppError(error, 'UPDATE_ROLLED_BACK'));
    while (!existsSync(join(install.stateDir, 'reached'))) await new Promise((resolve) => setTimeout(resolve, 20));
    interrupt.abort(new Error('interrupted'));
    await outcome;
    assertOld();
    assert.equal(daemon(), OLD);
  });

  for (const [what, damage, code, message] of [
    ['a changed list', () => append('/manifest.json'), 'UPDATE_NOT_TRUSTED', /list of releases: its signature is wrong/],
    ['no signature of the list', () => site.files.delete('/manifest.json.sig'), 'UPDATE_DOWNLOAD_FAILED', /not found/],
    ['an empty signature', () => put('/manifest.json.sig', ''), 'UPDATE_NOT_TRUSTED', /its signature is missing/],
    ['a damaged signature', () => put('/manifest.json.sig', '%%'), 'UPDATE_NOT_TRUSTED', /its signature is damaged/],
    [
      'an expired list',
      () => site.changeList((list) => ({ ...list, expires_at: '2026-01-01T00:00:00.000Z' })),
      'UPDATE_MANIFEST_EXPIRED',
      /it expired at 2026-01-01/,
    ],
    [
      'a list of an unknown schema',
      () => site.changeList((list) => ({ ...list, schema_version: 2 }) as never),
      'UPDATE_MANIFEST_INVALID',
      /schema 2/,
    ],
    [
      'a list that leads to another scheme',
      () =>
        site.changeList((list) => ({
          ...list,
          releases: list.releases.map((release) => ({ ...release, tarball_url: 'http://example.com/x' })),
        })),
      'UPDATE_DOWNLOAD_FAILED',
      /must begin with https/,
    ],
    ['changed checksums', () => append(`/${NEW}/SHA256SUMS`), 'UPDATE_NOT_TRUSTED', /release v0\.2\.0: its signature/],
    [
      'the checksums of another release',
      () => {
        put(`/${NEW}/SHA256SUMS`, site.files.get('/v0.0.9/SHA256SUMS') ?? '');
        put(`/${NEW}/SHA256SUMS.sig`, site.files.get('/v0.0.9/SHA256SUMS.sig') ?? '');
      },
      'UPDATE_SUMS_INVALID',
      /it does not name banger-v0\.2\.0-linux-amd64/,
    ],
    ['a changed archive', () => append(ARCHIVE), 'UPDATE_NOT_TRUSTED', /checksum/],
    [
      'an archive that is cut',
      () =>
        site.answers.set(ARCHIVE, (_, response) => {
          const content = site.files.get(ARCHIVE) ?? Buffer.alloc(0);
          response.writeHead(200, { 'content-length': content.length });
          response.write(content.subarray(0, 100), () => response.destroy());
        }),
      'UPDATE_DOWNLOAD_FAILED',
      /tar\.zst/,
    ],
    [
      'a list that never ends',
      () =>
        site.answers.set('/manifest.json', (_, response) => {
          const more = (error?: Error | null): void => {
            if (!error) response.write('x'.repeat(65_536), more);
          };
          more();
        }),
      'UPDATE_DOWNLOAD_FAILED',
      /more than 1M/,
    ],
    [
      'an archive that says it is enormous',
      () =>
        site.answers.set(ARCHIVE, (_, response) => {
          response.writeHead(200, { 'content-length': 2 ** 40 });
          response.write('x');
        }),
      'UPDATE_DOWNLOAD_FAILED',
      /more than 256M/,
    ],
    [
      'a redirect without end',
      () =>
        site.answers.set('/manifest.json', (_, response) =>
          response.writeHead(302, { location: '/manifest.json' }).end(),
        ),
      'UPDATE_DOWNLOAD_FAILED',
      /redirected too often/,
    ],
    [
      'a server that fails',
      () => site.answers.set('/manifest.json', (_, response) => response.writeHead(500).end()),
      'UPDATE_DOWNLOAD_FAILED',
      /answers 500/,
    ],
  ] as const) {
    test(`changes nothing with ${what}; the next update succeeds`, async () => {
      await publish('v0.0.9');
      await publish();
      const whole = new Map(site.files);
      damage();
      await fails(code, message);
      assertOld();
      for (const [path, content] of whole) site.files.set(path, content);
      site.answers.clear();
      await update();
      assertNew();
    });
  }

  const put = (path: string, content: Buffer | string): void => void site.files.set(path, Buffer.from(content));
  const append = (path: string): void =>
    put(path, Buffer.concat([site.files.get(path) ?? Buffer.alloc(0), Buffer.from('\n')]));

  /** Starts an update in a process of its own; settles when it has ended. */
  async function updateProcess(begun: (pid: number) => void = () => {}): Promise<string> {
    return await runToEnd([process.execPath, RUN_UPDATE, install.home, install.programPath], begun);
  }

  /** The signal that ended a program, otherwise what it wrote to stderr. */
  async function runToEnd(argv: readonly string[], begun: (pid: number) => void = () => {}): Promise<string> {
    const [program = '', ...args] = argv;
    const child = spawn(program, args, { stdio: 'pipe' });
    let text = '';
    child.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    begun(child.pid ?? 0);
    const { promise, resolve } = Promise.withResolvers<string>();
    child.once('close', (_, signal) => resolve(signal ?? text));
    return await promise;
  }

  for (const [step, behaviour] of [
    ['it runs the new program', { command: '[ "$1" = --version ] && kill -9 $PPID' }],
    ['it checks the records', { daemon: '[ "$2" = --check-migrations ] && kill -9 $PPID' }],
    ['it checks saved guests', { daemon: '[ "$2" = --check-saved-guests ] && kill -9 $PPID' }],
    ['the new daemon starts', { command: '[ "$1" = doctor ] && { start; kill -9 $PPID; }' }],
    ['the new daemon lists VMs', { command: '[ "$1" = vm ] && kill -9 $PPID' }],
  ] as const) {
    test(`killed when ${step}, leaves the old command; the next update succeeds`, async () => {
      await publish(NEW, behaviour);
      state('daemon', OLD);
      assert.equal(await updateProcess(), 'SIGKILL');
      assert.equal(current(), join(install.releasesDir, OLD, 'bin/banger'));
      await publish();
      await update();
      assertNew();
      assert.deepEqual(
        readdirSync(join(install.home, '.local/bin')).concat(releases()).sort(),
        ['banger', OLD, NEW],
        'nothing half-made is left',
      );
    });
  }

  for (const path of ['/manifest.json.sig', `/${NEW}/SHA256SUMS`, ARCHIVE]) {
    test(`killed when it downloads ${path}, leaves the old command; the next update succeeds`, async () => {
      await publish();
      let pid = 0;
      site.answers.set(path, (_, response) => {
        response.writeHead(200);
        response.write((site.files.get(path) ?? Buffer.alloc(0)).subarray(0, 10), () => process.kill(pid, 'SIGKILL'));
      });
      assert.equal(
        await updateProcess((begun) => {
          pid = begun;
        }),
        'SIGKILL',
      );
      assert.equal(current(), join(install.releasesDir, OLD, 'bin/banger'));
      site.answers.clear();
      await update();
      assertNew();
    });
  }

  for (const [what, isCounted] of [
    ['too small for the archive', true],
    ['full in the middle of the archive', false],
  ] as const) {
    test(`changes nothing on a disk that is ${what}; the next update succeeds`, {
      skip: process.getuid?.() === 0 ? false : 'needs root to mount a small file system',
    }, async () => {
      const entries = fakeRelease(NEW, { stateDir: install.stateDir });
      const large = plainFile('dist/large', randomBytes(3 * 2 ** 20));
      site.publish(NEW, await archiveOf(NEW, [...entries, large]));
      if (!isCounted) site.answers.set(ARCHIVE, (_, response) => response.end(site.files.get(ARCHIVE)));
      const script = `
        mv '${install.releasesDir}/${OLD}' '${install.home}/${OLD}'
        mount -t tmpfs -o size=2m tmpfs '${install.releasesDir}'
        mv '${install.home}/${OLD}' '${install.releasesDir}/${OLD}'
        "$@"
        echo "status $?" >&2
        ls -A '${install.releasesDir}' >&2
        mv '${install.releasesDir}/${OLD}' '${install.home}/${OLD}'
        umount '${install.releasesDir}'
        mv '${install.home}/${OLD}' '${install.releasesDir}/${OLD}'`;
      const argv = ['unshare', '--mount', 'sh', '-c', script, 'sh', process.execPath, RUN_UPDATE];
      const text = await runToEnd([...argv, install.home, install.programPath]);
      assert.match(text, /Cannot make the .*release.*( are free|no space left)/);
      assert.match(text, /status 1\n\.update\.lock\nv0\.1\.0\n/);
      assertOld();
      site.answers.clear();
      await update();
      assertNew();
    });
  }

  test('is one at a time', async () => {
    await publish(NEW, { command: '[ "$1" = --version ] && { : >"$state/reached"; sleep 60; }' });
    const interrupt = new AbortController();
    const first = assert.rejects(update({}, interrupt.signal), /stop now/);
    while (!existsSync(join(install.stateDir, 'reached'))) await new Promise((resolve) => setTimeout(resolve, 20));
    await fails('UPDATE_UNDER_WAY', /another update is under way/);
    interrupt.abort(new Error('stop now'));
    await first;
    assertOld();
  });

  test('leaves an install alone that is not the current one, or that another program made', async () => {
    await publish();
    rmSync(install.link);
    symlinkSync('/bin/true', install.link);
    await fails('UPDATE_LINK_ELSEWHERE', /does not lead to it/);
  });

  test('trusts a new key as soon as a release brings it, and asks for as many signatures as the release says', async () => {
    const next = newKey();
    const both = { manifestUrl: site.manifestUrl, keys: [key.publicKey, next.publicKey], threshold: 2 };
    const entries = fakeRelease(NEW, { stateDir: install.stateDir, source: both });
    site.publish(NEW, await archiveOf(NEW, entries));
    await update();
    const programPath = join(install.releasesDir, NEW, 'dist/banger.cjs');
    Object.assign(install, { programPath });
    // Signed by the old key alone, which is no longer enough.
    await publish('v0.3.0');
    await fails('UPDATE_NOT_TRUSTED', /1 of the 2 signatures that it needs are right/);
    const signedByBoth = await openReleaseSite([key, next]);
    try {
      signedByBoth.publish('v0.3.0', await archiveOf('v0.3.0', fakeRelease('v0.3.0', { stateDir: install.stateDir })));
      assert.equal((await update({ manifestUrl: signedByBoth.manifestUrl })).outcome, 'updated');
    } finally {
      await signedByBoth[Symbol.asyncDispose]();
    }
    assert.deepEqual(releases().sort(), [NEW, 'v0.3.0'], 'only the previous release is kept');
  });
});
