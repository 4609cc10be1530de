/** One command line that must work: the words after the command, separated by blanks. */
export interface GoodLine {
  words: string;
  /** default: 0 */
  status?: number;
  /** runs until Ctrl-C */
  isFollowed?: true;
  /** runs a command in the guest as root, which needs an agent that runs as root */
  needsRoot?: true;
}

/**
 * Command lines that must work, by command. Together they use every option of every command, and run in this
 * order they create, use and delete what they need. Placeholders: `REPO` is a working tree on the host,
 * `COMMIT` its HEAD, `GUEST` and `GUEST2` are folders in the guest, `DIR` is a folder on the host, and
 * `OPERATION` is an operation that has ended, and `JOB` a job.
 */
export const GOOD_LINES: Readonly<Record<string, readonly GoodLine[]>> = {
  'vm run': [
    {
      words:
        '-d -v --name run1 --image debian-bookworm --vcpu 1 --memory 128 --disk-size 64M --system-overlay-size 64M --nat --allow @npm --secret A=command:hostname@a.test --expose-host 45681 --json',
    },
    { words: '--dry-run --branch fix --from HEAD --include-untracked --no-submodules --no-bootstrap REPO' },
    { words: '--dry-run --cold --vmm qemu --timings --json REPO' },
    { words: '-d --name run2 --wait-for-command true --timeout 30s --json', needsRoot: true },
    { words: '-d --name run3 --wait-for-port 1 --timeout 100ms', needsRoot: true, status: 125 },
    { words: '--rm -e A=1 -w / -u root -- true', needsRoot: true },
    { words: '--rm --image alpine:3.20 --kernel-ref fake-kernel --entrypoint', needsRoot: true },
    { words: '--rm --image alpine:3.20 --platform linux/arm64 --entrypoint', needsRoot: true },
    { words: '--rm --json --timings -- true', needsRoot: true },
    { words: '--rm --timeout 200ms -- sleep 60', needsRoot: true, status: 124 },
    { words: '--rm -w DIR --out none --out-dir DIR/out -- false', needsRoot: true, status: 1 },
    {
      words:
        '--rm --devcontainer --devcontainer-name other --devcontainer-skip mounts --initialize-command REPO -- true',
      needsRoot: true,
    },
  ],
  'devcontainer check': [
    { words: 'REPO' },
    { words: '--name other --skip mounts --initialize-command -e A=1 --json REPO' },
    { words: '--name other REPO', status: 1 },
  ],
  'vm create': [
    {
      words:
        '--name made1 --image debian-bookworm --kernel-ref fake-kernel --vcpu 1 --memory 256 --disk-size 64M --system-overlay-size 64M --nat --allow example.com:443 --secret A=command:hostname@a.test:8443 --json',
    },
    { words: '--name made2 --no-start -v --vcpu 1 --memory 256 --disk-size 64M --expose-host 45682' },
    { words: '--name made3 -q --cold --no-start --timings --platform linux/amd64' },
    // The daemon of these tests has no VMM but the fake.
    { words: '--name made7 --no-start --vmm qemu', status: 2 },
    { words: '--name made4 --no-start --detach -q' },
    { words: '--name made5 --no-start --detach --json --timings' },
    { words: '--name made6 --user dev --no-start --json --timings' },
  ],
  'operations list': [{ words: '' }, { words: '--all' }, { words: '-q' }, { words: '--json --all' }],
  'operations follow': [{ words: '-v OPERATION' }, { words: '--json OPERATION' }],
  'operations cancel': [
    { words: '-q OPERATION', status: 1 },
    { words: '--json OPERATION', status: 1 },
  ],
  'vm list': [{ words: '--all' }, { words: '--latest --json' }, { words: '-q' }],
  'vm show': [{ words: 'made1' }, { words: 'made1 --json' }, { words: '--format text made1' }],
  'vm exec': [
    { words: '-e A=1 -w / -u 0 -T made1 -- true', needsRoot: true },
    { words: '--guest-path / --auto-prepare made1 -- true', needsRoot: true },
    { words: '-t --timings made1 -- true', needsRoot: true },
    { words: '--json --timings made1 -- true', needsRoot: true },
    { words: '--detach --json made1 -- true', needsRoot: true },
    { words: '--timeout 200ms made1 -- sleep 60', needsRoot: true, status: 124 },
  ],
  'vm jobs': [{ words: 'made1' }, { words: '--json made1' }, { words: '-q made1' }],
  'vm attach': [{ words: 'made1 JOB' }, { words: '--after 0 made1 JOB' }],
  'vm job logs': [{ words: '--after 0 made1 JOB' }, { words: '-f made1 JOB' }, { words: '--json made1 JOB' }],
  'vm job kill': [
    { words: '-q made1 JOB', status: 1 },
    { words: '--signal INT --json made1 JOB', status: 1 },
  ],
  // The guests are processes of this host, so a running VM has this host's ports, perhaps an sshd's too.
  'vm ssh': [{ words: '-t made2 -- true', status: 1 }],
  'vm logs': [
    { words: 'made1' },
    { words: '--console made1' },
    { words: '--vmm made1' },
    { words: '-f made1', isFollowed: true, status: 130 },
  ],
  'vm cp': [
    { words: '--json REPO/file made1:DIR/copied' },
    { words: 'made1:DIR/copied DIR/back' },
    { words: '--all --max-size 1G --max-entries 10 made1:DIR/copied DIR/back' },
  ],
  'vm port': [
    { words: 'made1 45678:80' },
    { words: '-q made1 45678:81' },
    { words: '--json made1 45678:82' },
    { words: '--remove made1 45678' },
    { words: '--reverse made1 45679:45680' },
    { words: '--reverse --remove made1 45679:45680' },
  ],
  'vm ports': [{ words: 'made1' }, { words: '--json made1' }],
  'vm stats': [
    { words: 'made1' },
    { words: '--json made1' },
    { words: '--watch made1', isFollowed: true, status: 130 },
  ],
  'vm network': [{ words: 'made1' }, { words: '--json made1' }],
  'vm network check': [{ words: 'made1 example.com:443' }, { words: '--json made1 udp/10.0.0.1:53' }],
  'vm network log': [{ words: '--json made1' }, { words: '-f made1', isFollowed: true, status: 130 }],
  'vm network learn': [{ words: '--for 10ms made1' }, { words: '--for 10ms --json made1' }],
  'vm start': [
    { words: 'made2 made1' },
    { words: '--timings -v made2' },
    { words: '-q --cold made2' },
    { words: '--json --timings made2 made1' },
  ],
  'vm workspace prepare': [
    { words: 'made1 REPO --guest-path GUEST -v --include-untracked --no-submodules' },
    { words: 'made1 REPO --guest-path GUEST2 --branch fix --from HEAD --json' },
    { words: 'made1 REPO --guest-path GUEST --mode full_copy' },
    { words: 'made1 REPO --guest-path GUEST --discard-guest' },
    { words: 'made1 REPO --dry-run' },
    { words: 'made1 REPO --dry-run --json' },
  ],
  'vm workspace export': [
    { words: 'made1 --guest-path GUEST --base-commit COMMIT', needsRoot: true },
    { words: 'made1 -o DIR/p.patch --guest-path GUEST2 --json', needsRoot: true },
    { words: 'made1 --commits --format am --guest-path GUEST', needsRoot: true },
  ],
  'vm workspace pull': [
    { words: 'made1 --dry-run' },
    { words: 'made1 --apply --conflicts markers -v' },
    { words: 'made1 --hunks', status: 2 },
    { words: 'made1 --undo', status: 1 },
    { words: 'made1 --branch fix --json', status: 1 },
  ],
  'vm workspace sync': [{ words: '-v --json made1' }, { words: '--watch', status: 2 }],
  'vm workspace diff': [
    { words: 'made1 --guest-path GUEST --base-commit COMMIT src', needsRoot: true },
    { words: 'made1 --guest-path GUEST --stat', needsRoot: true },
    { words: 'made1 --guest-path GUEST --name-status', needsRoot: true },
    { words: 'made1 --guest-path GUEST --json', needsRoot: true },
  ],
  'vm fork': [
    { words: '--name fork1 -v --timings made1' },
    { words: '-n 2 --json --timings made1' },
    { words: '--rm -e A=1 made1 -- true', needsRoot: true },
  ],
  'vm matrix': [
    { words: '--over a=1 -e C=3 -j 2 --fail-fast --logs DIR --json made1 -- true', needsRoot: true },
    { words: '--commits COMMIT..COMMIT --keep-failed made1 -- true', status: 2, needsRoot: true },
  ],
  'vm bisect': [
    { words: '-e A=1 --no-verify --clean made1 COMMIT COMMIT -- true', status: 2, needsRoot: true },
    { words: '--logs DIR --json made1 COMMIT COMMIT -- true', status: 2, needsRoot: true },
  ],
  'vm snapshot create': [{ words: '-v made1 one' }, { words: '--json made1 two' }],
  'vm snapshot list': [{ words: 'made1' }, { words: '--json made1' }],
  'vm snapshot restore': [{ words: '-v made1 one' }, { words: '--cold --json made1 two' }],
  'vm snapshot delete': [{ words: 'made1 one' }],
  'vm suspend': [
    { words: 'fork1' },
    { words: '--timings -v fork1' },
    { words: '-q fork1' },
    { words: '--json fork1' },
  ],
  'vm resume': [
    { words: 'fork1' },
    { words: '--timings -v fork1' },
    { words: '-q fork1' },
    { words: '--json fork1' },
  ],
  'vm stop': [
    { words: 'made2' },
    { words: '--timings -v made2' },
    { words: '-q made2' },
    { words: '--json --timings made2' },
  ],
  'vm restart': [
    { words: 'made1' },
    { words: '--timings -v made1' },
    { words: '-q made1' },
    { words: '--json made1' },
  ],
  'vm wait': [
    { words: 'made2' },
    { words: '--timings --until ready --for-command true -v made1' },
    { words: '--timeout 100ms --for-port 1 -q made1', status: 1 },
    { words: '--json made2' },
  ],
  'vm set': [
    { words: '--timings --vcpu 2 --memory 512 made2' },
    { words: '--disk-size 128M -v made2' },
    { words: '--vcpu 1 --nat -q made2' },
    { words: '--no-nat made2' },
    { words: '--allow udp/10.0.0.0/8:53 --allow @npm --secret A=command:hostname@a.test made2' },
    { words: '--disallow @npm --remove-secret A made2' },
    { words: '--allow-all --expose-host 45683 made2' },
    { words: '--unexpose-host 45683 made2' },
    { words: '--vcpu 2 --no-nat --json made2' },
  ],
  'vm kill': [
    { words: '--signal KILL made1' },
    { words: '--timings -v made1' },
    { words: '-q made1' },
    { words: '--json made1' },
  ],
  'image commit': [{ words: '-v made1 tools2' }, { words: '-f --json made1 tools2' }],
  'vm rename': [{ words: 'made3 other1' }, { words: '-q other1 other2' }, { words: '--json other2 other3' }],
  'vm delete': [
    { words: 'made1 made4' },
    { words: '--timings -v other3' },
    { words: '-f -q run1' },
    { words: '--json --timings made5 made6' },
  ],
  'vm prune': [{ words: '--force --json' }, { words: '-f -q' }],
  'image build': [
    { words: '' },
    { words: '--force -v' },
    { words: '--platform linux/amd64 --json debian-bookworm' },
    // There is no such Dockerfile: the guests are processes of this host, which must run no step of one.
    { words: '-f DIR/none --name app --kernel-ref fake-kernel --build-arg A=b --target x DIR', status: 1 },
    { words: '-f DIR/none --secret id=a,src=DIR/own.ext4 --nat --no-cache DIR', status: 1 },
  ],
  'image pull': [
    { words: '-v --platform arm64 alpine:3.20' },
    { words: '--name tools --kernel-ref fake-kernel --force --json localhost:5000/x:1' },
  ],
  'image import': [
    { words: '--name tiny -v --platform linux/arm64/v8 DIR' },
    { words: '--name tiny --kernel-ref fake-kernel --force --json rootfs:DIR/x.tar' },
  ],
  'image register': [
    { words: '--name own -v --platform linux/arm64 DIR/own.ext4' },
    { words: '--name own --kernel-ref fake-kernel --force --json DIR/own.ext4' },
  ],
  'image promote': [{ words: '-v debian-bookworm' }, { words: '--json debian-bookworm' }],
  'image cache prune': [{ words: '--dry-run' }, { words: '--json' }],
  'image df': [{ words: '' }, { words: '--json' }],
  'image export': [
    { words: '-o DIR/one.tar -v debian-bookworm' },
    { words: '--output DIR/two.tar --json debian-bookworm' },
  ],
  'image push': [
    { words: '-v debian-bookworm localhost:5000/x:1' },
    { words: '--json debian-bookworm localhost:5000/x:2' },
  ],
  'image prune': [{ words: '--dry-run' }, { words: '--json' }],
  'image list': [{ words: '' }, { words: '--all --json' }, { words: '--available' }],
  'image show': [{ words: 'debian-bookworm' }, { words: '--json debian-bookworm' }],
  'kernel list': [
    { words: '' },
    { words: '--json' },
    { words: '--available' },
    { words: '--available --json' },
  ],
  'kernel pull': [{ words: '-v' }, { words: '--platform linux/arm64 --json' }],
  'kernel import': [
    { words: '-v --name mine DIR/vmlinuz' },
    { words: '--name other --modules DIR --config DIR/config --json DIR/vmlinuz' },
  ],
  'kernel show': [{ words: 'mine' }, { words: '--json mine' }],
  'kernel rm': [{ words: 'mine' }, { words: '--json other' }],
  'template list': [{ words: '' }, { words: '--json' }],
  'template show': [{ words: '--json deadbeef', status: 1 }],
  'template delete': [{ words: '--json deadbeef', status: 1 }],
  'template prune': [{ words: '' }, { words: '--all --json' }, { words: '--dry-run' }],
  'workspace cache list': [{ words: '' }, { words: '--json' }],
  'workspace cache prune': [{ words: '' }, { words: '--all --json' }, { words: '--dry-run' }],
  'daemon status': [{ words: '' }, { words: '--json' }],
  'daemon socket': [{ words: '' }, { words: '--json' }],
  'daemon logs': [{ words: '-n 3' }, { words: '-f', isFollowed: true, status: 130 }],
  'dns status': [{ words: '' }, { words: '--json' }],
  'dns install': [
    { words: '--root DIR --for dnsmasq --server 127.53.0.1:7453 --dry-run --json' },
    { words: '--root DIR --for dnsmasq' },
  ],
  'dns uninstall': [{ words: '--root DIR --dry-run' }, { words: '--root DIR --json' }],
  'system install': [{ words: '--owner nobody --dry-run --json', status: 1 }],
  'system status': [{ words: '' }, { words: '--json' }],
  'system restart': [{ words: '--dry-run --json', status: 1 }],
  'system uninstall': [{ words: '--purge --force --dry-run --json', status: 1 }],
  'ssh-config': [{ words: '--install --json' }, { words: '' }, { words: '--uninstall' }],
  doctor: [
    { words: '--fix --json' },
    { words: '--deep --json' },
    { words: '--prove', needsRoot: true, status: 1 },
    { words: '-v --yes' },
  ],
  // The tests run a checkout, which no update of this command changes.
  update: [
    { words: '--check --dry-run --force --to v9.9.9', status: 1 },
    { words: '--json', status: 1 },
  ],
  version: [{ words: '' }, { words: '--json' }],
  completion: [{ words: 'bash' }, { words: 'zsh' }, { words: 'fish' }],
  'image delete': [{ words: '--json tools' }, { words: '-f debian-bookworm' }],
  'daemon stop': [{ words: '' }, { words: '--json' }],
};

/**
 * For each option with a value: a value that every command with this option must reject, and the other words
 * that the command line needs.
 */
export const BAD_VALUES: Readonly<Record<string, { value: string; besides?: string }>> = {
  '--name': { value: 'MyBox' },
  '--devcontainer-name': { value: 'nowhere', besides: '--devcontainer' },
  '--devcontainer-skip': { value: 'nokey', besides: '--devcontainer' },
  '--skip': { value: 'nokey' },
  '--owner': { value: 'no-such-user' },
  '--count': { value: '0' },
  '--over': { value: 'a' },
  '--commits': { value: 'HEAD' },
  '--jobs': { value: '0' },
  '--logs': { value: '' },
  '--mode': { value: 'metadata' },
  '--out': { value: '../x' },
  '--out-dir': { value: '' },
  '--conflicts': { value: 'ours' },
  '--image': { value: '' },
  '--platform': { value: 'linux/riscv64' },
  '--kernel-ref': { value: '' },
  '--modules': { value: '' },
  '--config': { value: '' },
  '--vmm': { value: 'xen' },
  '--vcpu': { value: '0' },
  '--memory': { value: '1' },
  '--expose-host': { value: '0' },
  '--unexpose-host': { value: '70000' },
  '--disk-size': { value: 'banana' },
  '--system-overlay-size': { value: 'banana' },
  '--file': { value: '' },
  '--build-arg': { value: '=x' },
  '--target': { value: '' },
  '--secret': { value: 'src=x' },
  '--branch': { value: 'a..b' },
  '--from': { value: 'nowhere', besides: '--branch fix' },
  '--env': { value: '=x' },
  '--workdir': { value: 'srv' },
  '--guest-path': { value: 'srv' },
  '--user': { value: '' },
  '--format': { value: 'xml' },
  '--after': { value: 'soon' },
  '--for-port': { value: '0' },
  '--for-command': { value: '' },
  '--wait-for-port': { value: '0', besides: '-d' },
  '--wait-for-command': { value: '', besides: '-d' },
  '--signal': { value: 'STOP' },
  '--until': { value: 'dancing' },
  '--timeout': { value: 'soon' },
  '--output': { value: '' },
  '--base-commit': { value: 'HEAD~1' },
  '--lines': { value: 'all' },
  '--for': { value: 'bind' },
  '--to': { value: 'newest' },
  '--server': { value: '8.8.8.8:53' },
  '--root': { value: 'srv' },
  '--allow': { value: '*' },
  '--disallow': { value: '*' },
  '--remove-secret': { value: '1A' },
  '--max-size': { value: 'banana' },
  '--max-entries': { value: '0' },
};
