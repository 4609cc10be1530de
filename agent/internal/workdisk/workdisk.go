// Package workdisk mounts the work disk of a guest at the home folder of root.
//
// A restored guest may get another work disk than the one that it was saved with. It unmounts that one before
// the host replaces it.
package workdisk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"banger.dev/agent/internal/drives"
	"banger.dev/agent/internal/ext4"
)

// What a host may ask for with Apply.
const (
	// ModeMount mounts the disk at the home folder.
	ModeMount = "mount"
	// ModeRelease unmounts it.
	ModeRelease = "release"
)

const homeDir = "/root"

// Disk is the work disk of this guest.
type Disk struct {
	// Began, if it is set, is called just after a disk was mounted at a folder, before anything is written
	// there.
	Began func(folder string, mounted ext4.Mounted)
	mutex sync.Mutex
	// drive is the disk's device once it was found. Searching takes a guest that was just restored tens of
	// milliseconds, so it finds what the guest has found that it was restored from.
	drive drives.Drive
}

// Apply does what a host asks for (ModeMount, ModeRelease); nothing when it is done already. It does not
// release a disk that a program uses.
func (d *Disk) Apply(mode string) error {
	work, err := d.find()
	if err != nil {
		return err
	}
	home, err := homeFolder()
	if err != nil {
		return err
	}
	isMounted, err := isMountedAt(work, home)
	if err != nil || isMounted == (mode == ModeMount) {
		return err
	}
	if mode == ModeRelease {
		keepNamespace()
		if err := unix.Unmount(home, 0); err != nil {
			return fmt.Errorf("unmount %s: %w", home, err)
		}
		return nil
	}
	device, err := openFresh(work.Path)
	if err != nil {
		return fmt.Errorf("flush buffers of %s: %w", work.Path, err)
	}
	// Until then the kernel keeps what is read of it.
	opened := os.NewFile(uintptr(device), work.Path)
	if err := mountAt(work, home, d.Began); err != nil {
		opened.Close()
		return err
	}
	// Nothing waits for it, and nothing is lost when it fails.
	go func() {
		defer opened.Close()
		_ = ext4.PrefetchFolders(opened, home)
	}()
	return nil
}

func (d *Disk) find() (drives.Drive, error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.drive.Path == "" {
		found, isThere := drives.Here()[drives.Work]
		if !isThere {
			return drives.Drive{}, fmt.Errorf("there is no drive with serial %s", drives.Work)
		}
		d.drive = found
	}
	return d.drive, nil
}

// Mount mounts the work disk at the home folder of root. It grows the file system to the size of its device,
// and fills a new one with the content of that folder.
func Mount(work drives.Drive) error {
	home, err := homeFolder()
	if err != nil {
		return err
	}
	return mountAt(work, home, nil)
}

// mountAt mounts the disk at the home folder and fills a new one with the content that the folder had before.
// After a failure it is not mounted.
func mountAt(work drives.Drive, home string, began func(folder string, mounted ext4.Mounted)) error {
	// The mount hides this folder.
	before, err := os.Open(home)
	if err != nil {
		return err
	}
	defer before.Close()
	mounted, err := ext4.Mount(work.Path, home, work.Sectors)
	if err != nil {
		return err
	}
	if began != nil {
		began(home, mounted)
	}
	if err := seed(home, fmt.Sprintf("/proc/self/fd/%d/.", before.Fd())); err != nil {
		return errors.Join(err, unix.Unmount(home, unix.MNT_DETACH))
	}
	return nil
}

// homeFolder returns the home folder of root, which it creates if necessary. In some images it is elsewhere,
// and /root links to it.
func homeFolder() (string, error) {
	if err := os.MkdirAll(homeDir, 0o700); err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(homeDir)
}

func isMountedAt(work drives.Drive, dir string) (bool, error) {
	var stat unix.Stat_t
	if err := unix.Stat(dir, &stat); err != nil {
		return false, &os.PathError{Op: "stat", Path: dir, Err: err}
	}
	dev := uint64(stat.Dev)
	return fmt.Sprintf("%d:%d", unix.Major(dev), unix.Minor(dev)) == work.Dev, nil
}

// openFresh opens a device and makes the kernel forget what it has read of it: the device of a restored guest
// may have another content than before.
func openFresh(device string) (fd int, err error) {
	fd, err = unix.Open(device, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.IoctlSetInt(fd, unix.BLKFLSBUF, 0); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
