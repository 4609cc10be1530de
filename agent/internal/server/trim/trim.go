// Package trim has the guest's file systems discard the blocks that they do not use, so that the drives give
// that space back to the host.
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
	// windowBytes is trimmed in one call, which nothing can interrupt. It is a multiple of ext4's block groups,
	// because ext4 skips a group later only when it has trimmed all of it at once.
	windowBytes = 1 << 30
	// minExtentBytes is the cluster of the host's drive files: less than that cannot be given back.
	minExtentBytes = 64 << 10
	// WorthBytes is how much a drive must take on the host beyond what its file system uses to be trimmed.
	WorthBytes = 64 << 20
	// periodicBudget bounds a trim in the background.
	periodicBudget = time.Minute
)

// Drive is a file system on a drive of the guest.
type Drive struct {
	// Mount is where the file system is.
	Mount string
	// From is the offset in the file system at which trimming begins.
	From uint64
	// HostBytes is what the drive takes on the host; nil trims it whatever it takes.
	HostBytes *uint64
	// SharedBytes is how much of what the file system uses is not on that drive.
	SharedBytes uint64
}

// Trimmer remembers how far it came with each drive when its time was over.
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

// window is struct fstrim_range of linux/fs.h. The kernel writes to length how much it has discarded.
type window struct {
	start, length, minExtent uint64
}

// Trim discards what the file systems of the drives do not use, for about as long as within: it finishes the
// window that it has begun, and the next Trim continues there. It skips drives that have little to give back,
// and those that cannot discard. It returns how many bytes it has discarded.
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

// Every trims all drives of this guest every period until ctx ends, for the VMs that are never saved.
func (t *Trimmer) Every(ctx context.Context, period time.Duration, log *log.Logger) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if _, err := t.Trim(GuestDrives(nil, nil), periodicBudget); err != nil {
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
		// The first window ends where all others begin and end.
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

// isWorthIt compares what a drive takes on the host with what its file system has on it.
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
