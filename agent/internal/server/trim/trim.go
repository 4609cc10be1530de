// Package trim makes the guest's file systems discard the blocks that they do not use, which returns that
// space to the host.
package trim

import (
	"context"
	"errors"
	"log"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// windowBytes is trimmed in one call, which cannot be interrupted. It is a multiple of ext4's block
	// groups, because ext4 later skips a group only if one call has trimmed all of it.
	windowBytes = 1 << 30
	// minExtentBytes is the cluster size of the host's drive files: less than that cannot be returned to the
	// host.
	minExtentBytes = 64 << 10
	// WorthBytes is how much more than its file system uses a drive must take on the host to be trimmed.
	WorthBytes = 64 << 20
	// periodicBudget bounds the time of a trim in the background.
	periodicBudget = time.Minute
)

// Drive is a file system on a drive of the guest.
type Drive struct {
	// Mount is where the file system is.
	Mount string
	// From is the offset in the file system at which the trim begins.
	From uint64
	// HostBytes is what the drive takes on the host. If it is nil, the drive is always trimmed.
	HostBytes *uint64
	// SharedBytes is how many of the file system's used bytes are on another drive.
	SharedBytes uint64
}

// Trimmer trims drives. It remembers for each drive where it stopped when its time was over.
type Trimmer struct {
	mutex sync.Mutex
	next  map[string]uint64
	// ioctl and statfs are the kernel's.
	ioctl  func(mount string, window *window) error
	statfs func(mount string, into *unix.Statfs_t) error
}

// New returns a Trimmer for the file systems of this guest.
func New() *Trimmer {
	return &Trimmer{next: map[string]uint64{}, ioctl: fitrim, statfs: unix.Statfs}
}

// window is struct fstrim_range of linux/fs.h. The kernel sets length to the number of bytes that it has
// discarded.
type window struct {
	start, length, minExtent uint64
}

// Trim discards the unused blocks of the drives' file systems and returns how many bytes that were. It begins
// no new window once the time within is over; the next Trim continues there. It skips drives that have little
// to return, and drives that do not support discards.
func (t *Trimmer) Trim(drives []Drive, within time.Duration) (uint64, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	endsAt := time.Now().Add(within)
	var total uint64
	var failures []error
	for _, drive := range drives {
		bytes, err := t.trimDrive(drive, endsAt)
		total += bytes
		if err != nil && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOTTY) {
			failures = append(failures, err)
		}
	}
	return total, errors.Join(failures...)
}

// Every trims all drives of this guest once per period until ctx ends. It is for VMs that are never saved.
func (t *Trimmer) Every(ctx context.Context, period time.Duration, log *log.Logger) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if _, err := t.Trim(GuestDrives(OnHost{}), periodicBudget); err != nil {
				log.Printf("trim: %v", err)
			}
		}
	}
}

func (t *Trimmer) trimDrive(drive Drive, endsAt time.Time) (uint64, error) {
	var fs unix.Statfs_t
	if err := t.statfs(drive.Mount, &fs); err != nil {
		return 0, err
	}
	if !isWorthIt(drive, (fs.Blocks-fs.Bfree)*uint64(fs.Frsize)) {
		return 0, nil
	}
	var total uint64
	first := max(drive.From, t.next[drive.Mount])
	for start := first; time.Now().Before(endsAt); {
		// The first window is shorter, so that all others begin at a multiple of windowBytes.
		w := window{start, windowBytes - start%windowBytes, minExtentBytes}
		err := t.ioctl(drive.Mount, &w)
		if errors.Is(err, unix.EINVAL) && start > drive.From {
			// Beyond the end of the file system.
			t.next[drive.Mount] = 0
			return total, nil
		}
		if err != nil {
			return total, err
		}
		total += w.length
		start += windowBytes - start%windowBytes
		t.next[drive.Mount] = start
	}
	return total, nil
}

// isWorthIt compares what a drive takes on the host with what its file system uses of it.
func isWorthIt(drive Drive, usedBytes uint64) bool {
	if drive.HostBytes == nil {
		return true
	}
	own := usedBytes - min(usedBytes, drive.SharedBytes)
	return *drive.HostBytes > own+WorthBytes
}

// fitrimCommand is FITRIM of linux/fs.h.
const fitrimCommand = 0xc0185879

func fitrim(mount string, w *window) error {
	fd, err := unix.Open(mount, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), fitrimCommand, uintptr(unsafe.Pointer(w))); errno != 0 {
		return errno
	}
	return nil
}
