import { ON_HOST } from './host-drive.ts';

const DEADLINE_MS = 30 * 60_000;
const SUITE_DEADLINE_MS = 180 * 60_000;

/** Something that must work on a host with KVM. */
export interface HostCheck {
  name: string;
  /** lines of sh; the check passes when they exit with status 0 */
  script: string;
  /** what stdout must also contain */
  shows?: RegExp;
  /** its script takes the arguments of `driver-suite.ts`, and like that prints a line for each test */
  isSuite?: boolean;
  /** every other check needs it */
  isNeeded?: boolean;
  /** far more than the check takes, also on a busy machine; ends a check that hangs */
  deadlineMs: number;
}

/** Small enough for several at once in the memory of the host. */
const SMALL = '--vcpu 1 --memory 384 --disk-size 512M --system-overlay-size 512M';

const SETTINGS = {
  PATH: `${ON_HOST.checkout}/bin:$PATH`,
  HOME: '/root',
  XDG_RUNTIME_DIR: '/run/u',
  TMPDIR: '/root/t',
  BANGER_TEST_GUEST: ON_HOST.testGuest,
  BANGER_TEST_ACCELERATOR: 'kvm',
  BANGER_TEST_PATIENCE: '15',
  // Caches compiled code, so that types are stripped from the sources only once.
  NODE_COMPILE_CACHE: '/root/compiled',
  // The probe has its own check. If it fails, the other checks must not use emulation inside emulation.
  BANGER_ACCELERATOR: 'kvm',
} as const;

/** Runs before each check's script. */
export const PRELUDE = [
  'set -eu',
  ...Object.entries(SETTINGS).map(([name, value]) => `export ${name}="${value}"`),
  'mkdir -p -m 0700 "$XDG_RUNTIME_DIR" "$TMPDIR"',
  `cd ${ON_HOST.checkout}`,
].join('\n');

/** The first start of the daemon compiles everything, which may take longer than a command waits. */
const DAEMON = 'for attempt in 1 2 3 4 5 6 7 8; do banger vm list >/dev/null && break; done';

/**
 * Starts the VM that several checks use, and puts a note into its memory and a file on its disk. Also works
 * after the host was lost.
 */
const FIRST = [
  DAEMON,
  `banger vm show first >/dev/null 2>&1 || banger vm create --name first ${SMALL}`,
  'banger vm show first --json | grep -q \'"state": *"running"\' || banger vm start first',
  'banger vm exec first -- sh -c "echo in-memory > /dev/shm/note; echo kept > /root/file; sync"',
].join('\n');

/** Repeated each time the host is started again. */
export const LOAD_KVM: HostCheck = {
  name: 'the emulated processor has KVM once its module is loaded',
  script: 'modprobe kvm_amd nested=0; test -c /dev/kvm; grep -m1 -o -w svm /proc/cpuinfo',
  shows: /^svm$/m,
  isNeeded: true,
  deadlineMs: DEADLINE_MS,
};

/** Each can be repeated in a host that is started again with the same drives. */
export const HOST_CHECKS: readonly HostCheck[] = [
  LOAD_KVM,
  {
    name: "doctor's probe finds that KVM works",
    script: [
      'banger daemon stop; unset BANGER_ACCELERATOR',
      DAEMON,
      'banger doctor --json || true; cat "$HOME"/.cache/banger/vmm/kvm/*.finding; banger daemon stop',
    ].join('\n'),
    shows: /"outcome":"reached"/,
    deadlineMs: DEADLINE_MS,
  },
  {
    name: 'a cold VM with two processors runs a command on KVM',
    script: [
      DAEMON,
      'rm -rf /root/repo; git init -q /root/repo; cd /root/repo; echo hello > file; git add file',
      'git -c user.name=n -c user.email=m@x commit -qm one; cd -',
      'banger vm run --rm --cold --vcpu 2 --memory 384 /root/repo -- sh -c "pwd; cat file; nproc; dmesg | grep -i -m1 hypervisor"',
    ].join('\n'),
    shows: /\/root\/repo\nhello\n2\n.*KVM/s,
    deadlineMs: DEADLINE_MS,
  },
  {
    name: 'a warm template is created and starts VMs',
    script: [
      FIRST,
      'banger vm show first --json',
      'banger vm delete -f second 2>/dev/null || true',
      `banger vm create --name second ${SMALL} -v 2>&1`,
      'banger vm exec second -- sh -c "test ! -e /root/file; echo fresh"',
      'banger vm delete second',
    ].join('\n'),
    // From the template, or from the pool VM that was started from it.
    shows: /"accelerator": ?"kvm".*\] (restore|claim).*fresh/s,
    deadlineMs: DEADLINE_MS,
  },
  {
    name: 'a running VM is forked',
    script: [FIRST, 'banger vm fork first -n 2 -- cat /dev/shm/note'].join('\n'),
    shows: /(in-memory[\s\S]*){2}/,
    deadlineMs: DEADLINE_MS,
  },
  {
    name: 'a VM is suspended and resumed with its memory',
    script: [
      FIRST,
      'banger vm exec first -- sh -c "sleep 100000 >/dev/null 2>&1 & echo \\$! > /dev/shm/pid"',
      'banger vm suspend first; banger vm show first --json | grep -q suspended',
      'banger vm resume first; banger vm exec first -- sh -c "cat /dev/shm/note; kill -0 \\$(cat /dev/shm/pid) && echo lives"',
    ].join('\n'),
    shows: /in-memory\nlives/,
    deadlineMs: DEADLINE_MS,
  },
  {
    name: 'a snapshot restores memory and drives',
    script: [
      FIRST,
      'banger vm snapshot delete first one 2>/dev/null || true',
      'banger vm snapshot create first one',
      'banger vm exec first -- sh -c "echo changed > /dev/shm/note; echo changed > /root/file"',
      'banger vm snapshot restore first one',
      'banger vm exec first -- cat /dev/shm/note /root/file',
    ].join('\n'),
    shows: /in-memory\nkept/,
    deadlineMs: DEADLINE_MS,
  },
  {
    name: 'doctor --prove finds no shared values',
    script: `${DAEMON}\nbanger vm list -q | xargs -r -n1 banger vm delete; banger doctor --prove`,
    deadlineMs: DEADLINE_MS,
  },
  {
    name: "the driver's conformance suite passes on KVM",
    script: 'banger daemon stop; node_modules/.bin/node test/nested/driver-suite.ts "$@"',
    isSuite: true,
    deadlineMs: SUITE_DEADLINE_MS,
  },
];
