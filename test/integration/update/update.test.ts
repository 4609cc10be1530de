import assert from 'node:assert/strict';
import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { isAppError } from '../../../src/base/errors.ts';
import { until } from '../../support/until.ts';
import { archiveOf, fakeRelease } from '../../support/update/fake-release.ts';
import { newKey, openReleaseSite } from '../../support/update/release-site.ts';
import { NEW, OLD, UpdateLab } from '../../support/update/update-lab.ts';

describe('an update of an install of install.sh', () => {
  let lab: UpdateLab;
  beforeEach(async () => {
    lab = await UpdateLab.open();
  });
  afterEach(() => lab[Symbol.asyncDispose]());

  test('changes the daemon, then the command, and keeps the previous release', async () => {
    await lab.publish();
    lab.set('daemon', OLD);
    lab.set('vms', '[{"id":"aa"}]');
    assert.deepEqual(await lab.update(), { outcome: 'updated', installed: OLD, version: NEW });
    lab.assertNew();
  });

  test('says with isCheck whether there is a newer release, and downloads only the list', async () => {
    await lab.publish();
    lab.site.asked.length = 0;
    assert.equal((await lab.update({ isCheck: true })).outcome, 'available');
    assert.deepEqual(lab.site.asked, ['/manifest.json', '/manifest.json.sig']);
    lab.site.files.clear();
    const entries = fakeRelease(OLD, { stateDir: lab.install.stateDir });
    const other = await openReleaseSite([lab.key]);
    try {
      other.publish(OLD, await archiveOf(OLD, entries));
      const same = await lab.update({ isCheck: true, manifestUrl: other.manifestUrl });
      assert.equal(same.outcome, 'up-to-date');
    } finally {
      await other[Symbol.asyncDispose]();
    }
    lab.assertOld();
  });

  test('installs nothing in a dry run, but checks everything', async () => {
    await lab.publish();
    assert.equal((await lab.update({ isDryRun: true })).outcome, 'dry-run');
    lab.assertOld();
    assert.equal(lab.get('daemon'), undefined);
  });

  test('does not know a release that is not on the list', async () => {
    await lab.publish();
    await lab.fails('UPDATE_RELEASE_NOT_FOUND', /not found/, { to: 'v9.9.9' });
    lab.assertOld();
  });

  test('installs an older release only with force', async () => {
    await lab.publish('v0.0.9');
    assert.equal((await lab.update()).outcome, 'up-to-date');
    await lab.fails('UPDATE_DOWNGRADE', /v0\.1\.0 is installed, which is newer/, { to: 'v0.0.9' });
    assert.equal((await lab.update({ to: 'v0.0.9', isForced: true })).outcome, 'updated');
    assert.equal(lab.current(), join(lab.install.releasesDir, 'v0.0.9', 'bin/banger'));
  });

  test('is refused while the daemon works, unless with force, which says what ends', async () => {
    await lab.publish();
    lab.set('daemon', OLD);
    lab.set('operations', '[{"id":"op-1","kind":"image build","target":"debian"}]');
    lab.set('active', '3');
    await lab.fails(
      'UPDATE_BUSY',
      /1 operation: image build of debian \(op-1\); 2 commands or sessions in VMs/,
    );
    lab.assertOld();
    await lab.update({ isForced: true });
    assert.match(lab.said.join('\n'), /these end when the daemon changes: 1 operation/);
    lab.assertNew();
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
      await lab.publish(NEW, behaviour);
      lab.set('daemon', OLD);
      await lab.fails(code, message);
      lab.assertOld();
      assert.equal(lab.get('daemon'), OLD);
      assert.doesNotMatch(lab.get('calls') ?? '', /daemon stop/);
    });
  }

  test('says that a release will migrate the records', async () => {
    await lab.publish(NEW, {
      daemon: '[ "$2" = --check-migrations ] && { echo "migrations needed: pending [4]"; exit 1; }',
    });
    await lab.update();
    assert.deepEqual(lab.said, ['migrations needed: pending [4]']);
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
      await lab.publish(NEW, behaviour);
      lab.set('daemon', OLD);
      await lab.fails('UPDATE_ROLLED_BACK', message);
      lab.assertOld();
      assert.equal(lab.get('daemon'), OLD);
      assert.match(lab.get('calls') ?? '', /v0\.1\.0 bangerd --restore-records\n/);
    });
  }

  test('says what is known when the previous release does not come back either', async () => {
    await lab.publish(NEW, {
      command: `[ "$1" = doctor ] && { start; echo '{"checks":[{"name":"vmm","status":"fail","message":"bad"}]}'; exit 1; }
[ "$2" = stop ] && exit 1`,
    });
    lab.set('sticky', '');
    await lab.fails('UPDATE_ROLLBACK_FAILED', /vmm: bad; rolling back failed too: /);
    assert.equal(lab.current(), lab.commandOf(OLD), 'the command is the old one');
    assert.deepEqual(lab.releases(), [OLD, NEW], 'the daemon of the new release may still run');
  });

  test('does not count a check that failed before', async () => {
    lab.set('checks', '{"checks":[{"name":"default-image","status":"fail","message":"none"}]}');
    await lab.publish();
    assert.equal((await lab.update()).outcome, 'updated');
  });

  test('replaces a daemon of the old release that another command has started meanwhile', async () => {
    await lab.publish(NEW, {
      command: `if [ "$1" = doctor ] && ! [ -f "$state/raced" ]; then echo ${OLD} >"$state/daemon"; : >"$state/raced"; fi`,
    });
    assert.equal((await lab.update()).outcome, 'updated');
    lab.assertNew();
  });

  test('rolls back when it is interrupted after the daemon was changed', async () => {
    const interrupt = new AbortController();
    await lab.publish(NEW, { command: '[ "$1" = doctor ] && { start; : >"$state/reached"; sleep 60; }' });
    const running = lab.update({}, { signal: interrupt.signal });
    const outcome = assert.rejects(running, (error) => isAppError(error, 'UPDATE_ROLLED_BACK'));
    await until(() => lab.get('reached') !== undefined);
    interrupt.abort(new Error('interrupted'));
    await outcome;
    lab.assertOld();
    assert.equal(lab.get('daemon'), OLD);
  });

  test('is one at a time', async () => {
    await lab.publish(NEW, { command: '[ "$1" = --version ] && { : >"$state/reached"; sleep 60; }' });
    const interrupt = new AbortController();
    const first = assert.rejects(lab.update({}, { signal: interrupt.signal }), /stop now/);
    await until(() => lab.get('reached') !== undefined);
    await lab.fails('UPDATE_UNDER_WAY', /another update is under way/);
    interrupt.abort(new Error('stop now'));
    await first;
    lab.assertOld();
  });

  test('leaves an install alone that is not the current one, or that another program made', async () => {
    await lab.publish();
    rmSync(lab.install.link);
    symlinkSync('/bin/true', lab.install.link);
    await lab.fails('UPDATE_LINK_ELSEWHERE', /does not lead to it/);
  });

  test('trusts a new key as soon as a release brings it, and asks for as many signatures as the release says', async () => {
    const next = newKey();
    const both = {
      manifestUrl: lab.site.manifestUrl,
      keys: [lab.key.publicKey, next.publicKey],
      threshold: 2,
    };
    const entries = fakeRelease(NEW, { stateDir: lab.install.stateDir, source: both });
    lab.site.publish(NEW, await archiveOf(NEW, entries));
    await lab.update();
    const programPath = join(lab.install.releasesDir, NEW, 'dist/banger.cjs');
    // Signed by the old key alone, which is no longer enough.
    await lab.publish('v0.3.0');
    await lab.fails(
      'UPDATE_NOT_TRUSTED',
      /1 of the 2 signatures that it needs are right/,
      {},
      { programPath },
    );
    const signedByBoth = await openReleaseSite([lab.key, next]);
    try {
      signedByBoth.publish(
        'v0.3.0',
        await archiveOf('v0.3.0', fakeRelease('v0.3.0', { stateDir: lab.install.stateDir })),
      );
      assert.equal(
        (await lab.update({ manifestUrl: signedByBoth.manifestUrl }, { programPath })).outcome,
        'updated',
      );
    } finally {
      await signedByBoth[Symbol.asyncDispose]();
    }
    assert.deepEqual(lab.releases(), [NEW, 'v0.3.0'], 'only the previous release is kept');
  });
});
