package gitwatch

import (
	"errors"

	"golang.org/x/sys/unix"
)

// noted are the changes that the kernel notes. It notes them before the system call that makes them returns.
const noted = unix.FAN_MODIFY | unix.FAN_ATTRIB | unix.FAN_CLOSE_WRITE | unix.FAN_CREATE | unix.FAN_DELETE |
	unix.FAN_MOVED_FROM | unix.FAN_MOVED_TO | unix.FAN_ONDIR

// handle is the one of a folder (open_by_handle_at(2)). It stays the same when the folder is renamed.
type handle struct {
	kind  int32
	bytes string
}

// place is a name in a folder.
type place struct {
	folder handle
	name   string
}

// changes are the places that have changed.
type changes struct {
	// places are true for a folder that was renamed, with all that is in it.
	places map[place]bool
	// folders says where folders were that were made or deleted: the handle of one that is gone leads nowhere.
	folders map[handle]place
}

func newChanges() changes { return changes{map[place]bool{}, map[handle]place{}} }

// notes are what the kernel has noted of a file system.
type notes struct {
	fd int
	// end is an inotify descriptor with an event once the file system was unmounted: the kernel then notes
	// nothing more. An open file would show that too, but prevent it.
	end int
}

// note has the kernel note the changes of the file system that a folder is on.
func note(folder string) (notes, error) {
	const flags = unix.FAN_CLASS_NOTIF | unix.FAN_CLOEXEC | unix.FAN_NONBLOCK
	fd, err := unix.FanotifyInit(flags|unix.FAN_REPORT_DFID_NAME_TARGET, unix.O_RDONLY|unix.O_CLOEXEC)
	if errors.Is(err, unix.EINVAL) {
		// Before Linux 5.17, the kernel does not say which folder has a name. One that is gone is then anywhere.
		fd, err = unix.FanotifyInit(flags|unix.FAN_REPORT_DFID_NAME, unix.O_RDONLY|unix.O_CLOEXEC)
	}
	if err != nil {
		return notes{}, err
	}
	end, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return notes{}, err
	}
	n := notes{fd, end}
	if _, err := unix.InotifyAddWatch(end, folder, unix.IN_DELETE_SELF|unix.IN_ONLYDIR); err != nil {
		n.close()
		return notes{}, err
	}
	if err := unix.FanotifyMark(fd, unix.FAN_MARK_ADD|unix.FAN_MARK_FILESYSTEM, noted, unix.AT_FDCWD, folder); err != nil {
		n.close()
		return notes{}, err
	}
	return n, nil
}

func (n notes) close() {
	unix.Close(n.fd)
	unix.Close(n.end)
}

// isOver reports whether the kernel notes nothing more.
func (n notes) isOver() bool {
	_, err := unix.Read(n.end, make([]byte, unix.SizeofInotifyEvent+unix.NAME_MAX+1))
	return !errors.Is(err, unix.EAGAIN)
}

// take adds what was noted to changed, and forgets it. isWhole is false when the kernel had to drop notes.
func (n notes) take(changed changes) (isWhole bool, err error) {
	isWhole = true
	buffer := make([]byte, 64<<10)
	for {
		length, err := unix.Read(n.fd, buffer)
		if errors.Is(err, unix.EAGAIN) {
			return isWhole, nil
		}
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return false, err
		}
		if length == 0 {
			return false, nil
		}
		isWhole = changed.parse(buffer[:length]) && isWhole
	}
}
