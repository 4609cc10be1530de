import assert from 'node:assert/strict';
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { GuestAgent } from '../../src/core/ports/guest.ts';
import { type Bench, openBench, openSmallWorkshop, sh, WORK_BYTES, type Workshop } from './support/bench.ts';
import { checkExt4, makeExt4, makeSparse, SMALL_IMAGE_BYTES } from './support/small-image.ts';

const MIB = 2 ** 20;
const DEADLINE_MS = 9 * 60_000;
const FIRST_FREE_BYTES = 100 * MIB;
const SECOND_FREE_BYTES = 300 * MIB;

/** How often a boot that cannot succeed is restarted here: less than in the product, to take less time. */
const MOST_RESTARTS = 3;

const FAILURES: readonly {
  name: string;
  line: RegExp;
  bootArgs?: readonly string[];
  spoil?: (bench: Bench) => Promise<void>;
}[] = [
  {
    name: 'an overlay drive that is too small',
    line: /^banger-agent: boot failed at root device: overlay drive has 8192 sectors and needs 141312$/,
    spoil: ({ path }) => makeSparse(path('overlay.img'), 4 * MIB),
  },
  {
    name: 'an overlay drive that holds something else',
    line: /^banger-agent: boot failed at root device: load table: /,
    spoil: async ({ path }) => {
      const file = await open(path('overlay.img'), 'r+');
      await file.write(Buffer.alloc(4096, 0xff), 0, 4096, 0);
      await file.close();
    },
  },
  {
    name: 'a work disk without a file system',
    line: /^banger-agent: boot failed at work disk: \/dev\/vd[a-z]: no ext4 file system$/,
    spoil: async ({ path }) => {
      await rm(path('work.ext4'));
      await makeSparse(path('work.ext4'), WORK_BYTES);
    },
  },
  {
    name: 'an unknown parameter',
    line: /^banger-agent: boot failed at kernel command line: banger\.overlay is not a known parameter$/,
    bootArgs: ['banger.overlay=1'],
  },
];

suite('the first program of the guest', { timeout: DEADLINE_MS }, () => {
  const signal = AbortSignal.timeout(DEADLINE_MS);
  let workshop: Workshop;

  before(async () => {
    workshop = await openSmallWorkshop(await mkdtemp(join(tmpdir(), 'ab-')), { signal });
  });
  after(() => rm(workshop.dir, { recursive: true }));

  test('creates the root and the work disk once, and keeps later changes to them', async (t) => {
    const bench = await openBench(t, workshop, { signal });
    if (!bench) return;
    await t.test('first boot: an empty work disk gets the home of the image', () => firstBoot(bench));
    await t.test('second boot: file systems grow to larger drives, and files stay unchanged', () =>
      secondBoot(bench),
    );
    await t.test('after a power cut, synced files are there', () => bootAfterPowerCut(bench));
    await t.test('a root larger than its drives is refused', () => refusesToShrink(bench));
  });

  test('keeps a work disk that came with files', async (t) => {
    const bench = await openBench(t, workshop, { signal });
    if (!bench) return;
    const treeDir = bench.path('tree');
    await mkdir(join(treeDir, 'repo'), { recursive: true });
    await rm(bench.path('work.ext4'));
    await makeExt4(bench.path('work.ext4'), { sizeBytes: WORK_BYTES, treeDir, signal });
    await using vm = await bench.boot({ freeBytes: 0 });
    await using agent = await vm.connect();
    assert.equal(await sh(agent, 'ls -A /root', { signal }), 'lost+found\nrepo');
  });

  test('reports "no space" when the root is full, and has lost nothing after a power cut', async (t) => {
    const bench = await openBench(t, workshop, { signal });
    if (!bench) return;
    const fill = 'cd / && while cat /bin/busybox >>big; do :; done 2>&1; sync; sha256sum big';
    let written: string;
    {
      await using vm = await bench.boot({ freeBytes: 8 * MIB });
      await using agent = await vm.connect();
      const [problem, ...sum] = (await sh(agent, fill, { signal })).split('\n');
      assert.match(problem ?? '', /No space left on device$/);
      written = sum.join('\n');
    }
    await using vm = await bench.boot({ freeBytes: 8 * MIB });
    await using agent = await vm.connect();
    assert.equal(await sh(agent, 'cd / && sha256sum big', { signal }), written);
    assert.equal(await sh(agent, 'dmesg | grep -ci "I/O error" || true', { signal }), '0');
  });

  test('prints the probe line and powers off, without any drive', async (t) => {
    const bench = await openBench(t, workshop, { signal });
    if (!bench) return;
    await using vm = await bench.bootWith([], ['banger.mode=probe']);
    assert.deepEqual(
      (await vm.ended()).filter((line) => /banger/i.test(line)),
      ['BANGER-PROBE-OK'],
    );
  });

  const TIMERS: readonly [string, readonly string[], RegExp][] = [
    [
      'considers its timer unusable',
      ['nolapic_timer', 'nr_cpus=1'],
      /^banger-agent: starting over: the kernel has no timer$/,
    ],
    [
      'has measured its timer wrong',
      ['banger.timer_hz=30000000'],
      /^banger-agent: starting over: the kernel has measured its timer as \d+\.\d MHz, but it runs at 30\.0$/,
    ],
  ];
  for (const [what, bootArgs, line] of TIMERS) {
    test(`restarts a kernel that ${what}, but not forever`, async (t) => {
      if (process.arch !== 'x64') return t.skip('its timer has a frequency that need not be measured');
      const bench = await openBench(t, workshop, { signal });
      if (!bench) return;
      await using vm = await bench.bootWith([], bootArgs, { mostRestarts: MOST_RESTARTS });
      const printed = (await vm.ended()).filter((text) => text.includes('banger-agent'));
      // On a busy host a kernel sometimes hangs before it starts the agent, and is restarted without a line
      // on the console.
      assert.ok(printed.length > MOST_RESTARTS / 2, `${printed.length} lines`);
      assert.ok(printed.length <= MOST_RESTARTS + 1, `${printed.length} lines`);
      for (const text of printed) assert.match(text, line);
    });
  }

  test('a guest that has booted ends its VM when it restarts', async (t) => {
    const bench = await openBench(t, workshop, { signal });
    if (!bench) return;
    await using vm = await bench.boot({ freeBytes: 0 });
    await using agent = await vm.connect();
    await Promise.allSettled([sh(agent, 'reboot -f', { signal }), vm.ended()]);
    await vm.ended();
  });

  test('restarts a kernel that hangs before it starts the agent, but not forever', async (t) => {
    if (process.arch !== 'x64') return t.skip('its timer has a frequency that need not be measured');
    const bench = await openBench(t, workshop, { signal });
    if (!bench) return;
    await using vm = await bench.bootWith([], ['nolapic_timer'], { mostRestarts: MOST_RESTARTS });
    const printed = (await vm.ended()).join('\n');
    assert.doesNotMatch(printed, /banger-agent/);
  });

  for (const { name, line, bootArgs = [], spoil } of FAILURES) {
    test(`prints in one line why it failed and powers off: ${name}`, async (t) => {
      const bench = await openBench(t, workshop, { signal });
      if (!bench) return;
      const drives = await bench.drives({ freeBytes: 0 });
      await spoil?.(bench);
      await using vm = await bench.bootWith(drives, bootArgs);
      const printed = (await vm.ended()).filter((text) => text.includes('banger-agent'));
      assert.equal(printed.length, 1, printed.join('\n'));
      assert.match(printed[0] ?? '', line);
    });
  }

  async function firstBoot(bench: Bench): Promise<void> {
    await using vm = await bench.boot({ freeBytes: FIRST_FREE_BYTES });
    await using agent = await vm.connect();
    assert.match(await sh(agent, "grep ' / ' /proc/mounts", { signal }), /^\/dev\/mapper\/root \/ ext4 rw,/);
    await hasGrownTo(agent, '/', SMALL_IMAGE_BYTES + FIRST_FREE_BYTES);
    assert.equal(
      await sh(agent, "cd /root && stat -c '%n %a %u:%g %F' . .profile tool dangling .config", { signal }),
      [
        '. 710 0:0 directory',
        `.profile 644 ${process.getuid?.()}:${process.getgid?.()} regular file`,
        'tool 755 1234:4321 regular file',
        `dangling 777 ${process.getuid?.()}:${process.getgid?.()} symbolic link`,
        `.config 755 ${process.getuid?.()}:${process.getgid?.()} directory`,
      ].join('\n'),
    );
    assert.equal(await sh(agent, 'readlink /root/dangling', { signal }), '/no/where');
    assert.equal(
      await sh(agent, 'cd /root && [ .profile -ef .config/deep/same ] && cat .profile', { signal }),
      'from the image',
    );
    assert.match(
      await sh(
        agent,
        'grep /modules/ /proc/mounts && grep -c ext4 /lib/modules/$(uname -r)/modules.builtin',
        { signal },
      ),
      new RegExp(` /usr/lib/modules/${bench.kernel.release} ext4 ro,`),
    );
    await sh(agent, 'rm -r /root/.profile /root/.config; echo mine >/root/mine; echo changed >/etc/changed', {
      signal,
    });
    await agent.powerOff({ signal });
    await vm.ended();
    await checkExt4(bench.path('work.ext4'), { signal });
  }

  async function secondBoot(bench: Bench): Promise<void> {
    await makeSparse(bench.path('work.ext4'), 3 * WORK_BYTES);
    await using vm = await bench.boot({ freeBytes: SECOND_FREE_BYTES });
    await using agent = await vm.connect();
    await hasGrownTo(agent, '/', SMALL_IMAGE_BYTES + SECOND_FREE_BYTES);
    await hasGrownTo(agent, '/root', 3 * WORK_BYTES);
    assert.equal(await sh(agent, 'ls -A /root', { signal }), 'dangling\nmine\ntool');
    assert.equal(await sh(agent, 'cat /root/mine /etc/changed', { signal }), 'mine\nchanged');
    await sh(agent, 'rm -r /root/*; echo kept >/root/synced; echo kept >/etc/synced', { signal });
    await agent.sync({ signal });
    await vm.kill();
  }

  async function bootAfterPowerCut(bench: Bench): Promise<void> {
    await using vm = await bench.boot({ freeBytes: SECOND_FREE_BYTES });
    await using agent = await vm.connect();
    assert.equal(
      await sh(agent, 'ls -A /root; cat /root/synced /etc/synced', { signal }),
      'synced\nkept\nkept',
    );
  }

  async function refusesToShrink(bench: Bench): Promise<void> {
    await using vm = await bench.boot({ freeBytes: FIRST_FREE_BYTES });
    const printed = (await vm.ended()).join('\n');
    assert.match(
      printed,
      /boot failed at root file system: file system of \d+ bytes is larger than its device of \d+ bytes/,
    );
  }

  /** The tables of a file system take a part of its device. */
  async function hasGrownTo(agent: GuestAgent, mount: string, deviceBytes: number): Promise<void> {
    const kib = Number((await sh(agent, `df -k ${mount} | sed 1d`, { signal })).split(/ +/)[1]);
    assert.ok(
      kib * 1024 > 0.85 * deviceBytes && kib * 1024 <= deviceBytes,
      `${mount} has ${kib} KiB of ${deviceBytes} bytes`,
    );
  }
});
