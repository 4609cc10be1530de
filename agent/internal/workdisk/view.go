package workdisk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Owner is a user and its group, neither of them root.
type Owner struct{ UID, GID uint32 }

// viewMark is an extended attribute of the work disk's top folder: the home that was filled. See seedMark.
const viewMark = "trusted.banger.view"

// MountView mounts a second view of the work disk at the home of a user, in which the user and root have
// changed places: what belongs to root on the disk belongs to the user there. So both have the same home
// folder, and each owns what is in it. With isFilled, it first copies what the image has in the user's home,
// once for each disk. Does nothing when the view is mounted already.
func MountView(home string, owner Owner, isFilled bool) error {
	work, err := homeFolder()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	isMounted, err := onSameDevice(work, home)
	if err != nil || isMounted {
		return err
	}
	if isFilled {
		if err := fillOnce(home, work, owner); err != nil {
			return fmt.Errorf("copy %s: %w", home, err)
		}
	}
	return mountView(work, home, owner)
}

func mountView(work, home string, owner Owner) error {
	users, err := swappedOrKept(owner)
	if err != nil {
		return fmt.Errorf("make a user namespace: %w", err)
	}
	defer users.Close()
	tree, err := unix.OpenTree(unix.AT_FDCWD, work, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return fmt.Errorf("open_tree %s: %w", work, err)
	}
	defer unix.Close(tree)
	attributes := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(users.Fd())}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &attributes); err != nil {
		return fmt.Errorf("this kernel cannot show files with other owners (Linux 5.12 can): mount_setattr: %w", err)
	}
	// The user can give root's own view of the folder to everyone, and has made the files in it that seem to be
	// root's there.
	if err := unix.MountSetattr(unix.AT_FDCWD, work, 0, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID}); err != nil {
		return fmt.Errorf("forbid set-user-id programs in %s: %w", work, err)
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, home, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("mount at %s: %w", home, err)
	}
	return nil
}

func onSameDevice(one, other string) (bool, error) {
	var a, b unix.Stat_t
	if err := unix.Stat(one, &a); err != nil {
		return false, &os.PathError{Op: "stat", Path: one, Err: err}
	}
	if err := unix.Stat(other, &b); err != nil {
		return false, &os.PathError{Op: "stat", Path: other, Err: err}
	}
	return a.Dev == b.Dev && a.Ino == b.Ino, nil
}

// firstUser is whom the first user of an image is made as: most often, a view is for this one.
var firstUser = Owner{1000, 1000}

// kept is a user namespace for the views of firstUser. Guests that others are restored from make it: a guest
// that was just restored takes tens of milliseconds to start a process.
var kept struct {
	sync.Mutex
	users *os.File
}

// keepNamespace makes the namespace for the views of firstUser, unless there is one. Without it, a view
// makes its own.
func keepNamespace() {
	kept.Lock()
	defer kept.Unlock()
	if kept.users != nil {
		return
	}
	if users, err := swapped(firstUser); err == nil {
		kept.users = users
	}
}

func swappedOrKept(owner Owner) (*os.File, error) {
	kept.Lock()
	defer kept.Unlock()
	if owner == firstUser && kept.users != nil {
		users := kept.users
		kept.users = nil
		return users, nil
	}
	return swapped(owner)
}

// swapped returns a user namespace in which root and the owner have changed places. No process is in it.
func swapped(owner Owner) (*os.File, error) {
	// A traced process belongs to the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// It stops before its first instruction.
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"view"}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{
		Cloneflags:                 unix.CLONE_NEWUSER,
		UidMappings:                swap(owner.UID),
		GidMappings:                swap(owner.GID),
		GidMappingsEnableSetgroups: true,
		Ptrace:                     true,
		Pdeathsig:                  unix.SIGKILL,
	}})
	if err != nil {
		return nil, err
	}
	defer func() {
		_ = unix.Kill(pid, unix.SIGKILL)
		for {
			var status unix.WaitStatus
			if _, err := unix.Wait4(pid, &status, 0, nil); err == nil && !status.Exited() && !status.Signaled() || errors.Is(err, unix.EINTR) {
				continue
			}
			return
		}
	}()
	return os.Open(fmt.Sprintf("/proc/%d/ns/user", pid))
}

// swap maps all numbers to themselves but 0 and one other. A zero number changes nothing.
func swap(number uint32) []syscall.SysProcIDMap {
	const all = 1<<32 - 1
	id := int(number)
	if id == 0 {
		return []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: all}}
	}
	maps := []syscall.SysProcIDMap{{ContainerID: 0, HostID: id, Size: 1}, {ContainerID: id, HostID: 0, Size: 1}}
	if id > 1 {
		maps = append(maps, syscall.SysProcIDMap{ContainerID: 1, HostID: 1, Size: id - 1})
	}
	return append(maps, syscall.SysProcIDMap{ContainerID: id + 1, HostID: id + 1, Size: all - id - 1})
}

// fillOnce copies the entries of a home but the folders that the work disk has. On the disk they belong to
// root when they belonged to the owner, as the view shows them. After a power cut in the middle, the next
// call continues.
func fillOnce(home, work string, owner Owner) error {
	value := make([]byte, 16)
	if _, err := unix.Lgetxattr(work, viewMark, value); err == nil {
		return nil
	}
	names, err := readNames(home)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return nil
	}
	c := treeCopy{firstName: map[inode]string{}, owner: owner}
	for _, name := range names {
		into := filepath.Join(work, name)
		// Files there are of the home of the image's root, folders may also be the working tree.
		if info, err := os.Lstat(into); err == nil && info.IsDir() {
			continue
		}
		beside := into + ".banger-new"
		if err := os.RemoveAll(beside); err != nil {
			return err
		}
		if err := c.copyEntry(filepath.Join(home, name), beside); err != nil {
			return err
		}
		// A socket is left out.
		if err := os.Rename(beside, into); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := syncFileSystem(work); err != nil {
		return err
	}
	return unix.Lsetxattr(work, viewMark, []byte(seedDone), 0)
}
