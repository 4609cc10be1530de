/** Programs of a hostile guest: `python3 -c PROGRAM`, as root. Each runs until it is killed. */

/** The file in which {@link LISTENERS} writes down how many listeners it has opened, per second. */
export const RATE_FILE = '/dev/shm/rate';

/** Has a thousand listeners, and replaces all of them every second. */
export const LISTENERS = `
import resource, socket, time
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
at, open_now = 0, []
count, first = 0, time.monotonic()
while True:
    begun = time.monotonic()
    for part in range(10):
        if len(open_now) >= 1000:
            for closed in open_now[:100]:
                closed.close()
            del open_now[:100]
        for _ in range(100):
            at = (at + 1) % 20000
            one = socket.socket()
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("0.0.0.0", 30000 + at))
            one.listen()
            open_now.append(one)
            count += 1
        open("${RATE_FILE}", "w").write(str(round(count / (time.monotonic() - first))))
        time.sleep(max(0, begun + (part + 1) / 10 - time.monotonic()))
`;

/** Ends {@link LISTENERS}: a command of a guest's shell. */
export const END_LISTENERS = 'pkill -f [o]pen_now; true';

/** Stops the guest's agent, takes its port to the host, and writes garbage there without reading. */
export const GARBAGE = `
import ctypes, glob, os, signal, time
time.sleep(3) # Until the host has its answer.
libc = ctypes.CDLL(None, use_errno=True)
PIDFD_OPEN, PIDFD_GETFD = 434, 438
def ports():
    for link in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            if os.readlink(link).startswith("/dev/vport"):
                yield int(link.split("/")[2]), int(link.split("/")[4])
        except OSError:
            pass
pid, fd = next(ports())
mine = libc.syscall(PIDFD_GETFD, libc.syscall(PIDFD_OPEN, pid, 0), fd, 0)
assert mine >= 0, os.strerror(ctypes.get_errno())
os.set_blocking(mine, True)
os.kill(pid, signal.SIGSTOP)
while True:
    os.write(mine, os.urandom(65536))
`;

/** Only computes, in its own processor. */
export const BUSY = `
busy_loop = 0
while True:
    busy_loop += 1
`;

/** Ends {@link BUSY}: a command of a guest's shell. */
export const END_BUSY = 'pkill -f [b]usy_loop; true';
