package boot

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// newRoot is where the image is mounted until it becomes the root.
const newRoot = "/newroot"

// switchRoot makes the file system at newRoot the root, frees the initramfs' memory, and mounts the kernel's
// file systems and /run in the new root. The running program stays readable through /proc/self/exe.
func switchRoot() error {
	for i := len(kernelMounts) - 1; i >= 0; i-- {
		if err := unix.Unmount(kernelMounts[i].at, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount %s: %w", kernelMounts[i].at, err)
		}
	}
	if err := emptyInitramfs(); err != nil {
		return err
	}
	if err := os.Chdir(newRoot); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move the root: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("chroot: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := mountAll(append(kernelMounts, runMount)); err != nil {
		return err
	}
	return os.Mkdir(agentDir, 0o755)
}

// emptyInitramfs removes every file of the first file system. It touches only the two kinds of file system
// into which the kernel unpacks an initramfs.
func emptyInitramfs() error {
	var fs unix.Statfs_t
	if err := unix.Statfs("/", &fs); err != nil {
		return err
	}
	if fs.Type != unix.TMPFS_MAGIC && fs.Type != unix.RAMFS_MAGIC {
		return fmt.Errorf("the first file system has type %#x, not tmpfs or ramfs", fs.Type)
	}
	var root unix.Stat_t
	if err := unix.Lstat("/", &root); err != nil {
		return err
	}
	removeContent("/", root.Dev)
	return nil
}

// removeContent removes all files below dir that are on the device `dev`; mount points stay. It ignores a
// file that cannot be removed, which only costs memory.
func removeContent(dir string, dev uint64) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		var stat unix.Stat_t
		if unix.Lstat(path, &stat) != nil || stat.Dev != dev {
			continue
		}
		if stat.Mode&unix.S_IFMT == unix.S_IFDIR {
			removeContent(path, dev)
			_ = unix.Rmdir(path)
		} else {
			_ = unix.Unlink(path)
		}
	}
}
