package gitwatch

import (
	"crypto/rand"
	"fmt"
	"sort"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// baseToken stands for the making of a disk by the host (host/internal/gitindex).
const baseToken = 0x62616e676572

// maxPlaces bounds the memory, and how many names git looks at. It looks at all files when there are more.
const maxPlaces = 4096

// everything is the answer that all files may have changed.
const everything = "/"

// Watch knows what has changed on the file systems that it was asked about. The zero value is ready for use.
type Watch struct {
	mutex sync.Mutex
	// fileSystems are those that are watched, by their device.
	fileSystems map[uint64]*fileSystem
}

// fileSystem is one that is watched.
type fileSystem struct {
	notes   notes
	changed changes
	// id is another one each time that the notes begin anew.
	id string
	// isFirst is true for the first notes of a disk that was mounted for the first time.
	isFirst bool
}

// Begin watches the file system that a folder is on. isNew says that nothing was ever changed on it.
func (w *Watch) Begin(folder string, isNew bool) error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	device, err := deviceOf(folder)
	if err != nil {
		return err
	}
	_, err = w.begin(device, folder, isNew)
	return err
}

// Forget watches the file system that a folder is on no longer.
func (w *Watch) Forget(folder string) error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	device, err := deviceOf(folder)
	if err != nil {
		return err
	}
	if old := w.fileSystems[device]; old != nil {
		old.notes.close()
		delete(w.fileSystems, device)
	}
	return nil
}

// begin watches a file system anew: another one may have had its device.
func (w *Watch) begin(device uint64, folder string, isNew bool) (*fileSystem, error) {
	noted, err := note(folder)
	if err != nil {
		return nil, fmt.Errorf("watch the file system of %s: %w", folder, err)
	}
	if old := w.fileSystems[device]; old != nil {
		old.notes.close()
	}
	if w.fileSystems == nil {
		w.fileSystems = map[uint64]*fileSystem{}
	}
	watched := &fileSystem{notes: noted}
	watched.forget()
	watched.isFirst = isNew
	w.fileSystems[device] = watched
	return watched, nil
}

// forget begins anew: earlier tokens mean that everything may have changed.
func (f *fileSystem) forget() {
	f.changed = newChanges()
	f.id = "banger:" + rand.Text()
	f.isFirst = false
}

// Answer returns what has changed below the top of a working tree since the token: the next token, and names
// relative to the top, or only "/" when that may be everything. It watches the file system of top from the
// first question on.
func (w *Watch) Answer(top, token string) (next string, names []string, err error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	device, err := deviceOf(top)
	if err != nil {
		return "", nil, err
	}
	watched := w.fileSystems[device]
	if watched == nil || watched.notes.isOver() {
		if watched, err = w.begin(device, top, false); err != nil {
			return "", nil, err
		}
		return watched.id, []string{everything}, nil
	}
	isWhole, err := watched.notes.take(watched.changed)
	if err != nil {
		return "", nil, err
	}
	isKnown := token == watched.id || (watched.isFirst && token == strconv.Itoa(baseToken))
	if isWhole && len(watched.changed.places) <= maxPlaces {
		if names, isWhole, err = namesBelow(top, watched.changed); err != nil {
			return "", nil, err
		}
	} else {
		isWhole = false
	}
	if !isWhole {
		watched.forget()
	}
	if !isWhole || !isKnown {
		return watched.id, []string{everything}, nil
	}
	sort.Strings(names)
	return watched.id, names, nil
}

func deviceOf(folder string) (uint64, error) {
	var stat unix.Stat_t
	if err := unix.Stat(folder, &stat); err != nil {
		return 0, err
	}
	return uint64(stat.Dev), nil
}
