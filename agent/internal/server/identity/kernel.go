package identity

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func setClock(now time.Time) error {
	spec := unix.NsecToTimespec(now.UnixNano())
	return unix.ClockSettime(unix.CLOCK_REALTIME, &spec)
}

func setHostname(name string) error {
	return unix.Sethostname([]byte(name))
}

// unmount detaches the mount from the file, because it may be in use.
func unmount(path string) error {
	err := unix.Unmount(path, unix.MNT_DETACH)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// maxEntropyBytes is more than the kernel's pool uses of one call.
const maxEntropyBytes = 512

// randPoolInfo is struct rand_pool_info of linux/random.h.
type randPoolInfo struct {
	entropyBits int32
	size        int32
	buffer      [maxEntropyBytes]byte
}

// addEntropy adds bytes to the kernel's entropy pool, credits them, and reseeds the kernel's generator at
// once. Otherwise a restored guest would draw the same random numbers as its siblings until the next
// reseeding, minutes later.
func addEntropy(entropy []byte) error {
	fd, err := unix.Open("/dev/urandom", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("/dev/urandom: %w", err)
	}
	defer unix.Close(fd)
	entropy = entropy[:min(len(entropy), maxEntropyBytes)]
	info := randPoolInfo{entropyBits: int32(8 * len(entropy)), size: int32(len(entropy))}
	copy(info.buffer[:], entropy)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.RNDADDENTROPY, uintptr(unsafe.Pointer(&info))); errno != 0 {
		return fmt.Errorf("RNDADDENTROPY: %w", errno)
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.RNDRESEEDCRNG, 0); errno != 0 {
		return fmt.Errorf("RNDRESEEDCRNG: %w", errno)
	}
	return nil
}
