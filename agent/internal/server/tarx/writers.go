package tarx

import (
	"archive/tar"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const (
	// smallBytes is the maximum length of a file for the writers.
	smallBytes = 32 << 10
	// A batch goes to its writer when it has this many bytes or files.
	batchBytes = 128 << 10
	batchFiles = 32
	// pendingNames bounds the number of names that are remembered.
	pendingNames = 4096
)

// writers write small files on all processors while the rest of the archive is read. The result is the same
// as in the archive's order, because code calls settle before it looks up or changes a name.
type writers struct {
	current *batch
	// full holds the batches of each writer. The files of a folder go to one writer, because two would wait
	// for each other's lock on the folder.
	full []chan *batch
	// turn is the number of the writer for folder.
	turn    int
	folder  *handle
	free    chan *batch
	running sync.WaitGroup
	// pending are the names of files that may not be written yet.
	pending map[string]struct{}

	hasFailed atomic.Bool
	mu        sync.Mutex
	// failed is the file that failed, the first one in the archive if there are several, and err its error.
	failed *smallFile
	err    error
	// blocked are the files that found a directory in their place.
	blocked []smallFile
}

type batch struct {
	files   []smallFile
	content []byte
}

// smallFile is a file whose content is in memory.
type smallFile struct {
	at      place
	header  tar.Header
	mode    uint32
	content []byte
	// entry is the number of entries before it in the archive.
	entry int
}

// newWriters starts the writers; close ends them. With one processor there are no writers, and it returns
// nil.
func newWriters(write func(*smallFile) error) *writers {
	count := runtime.GOMAXPROCS(0)
	if count == 1 {
		return nil
	}
	batches := 4 * count
	w := &writers{
		full:    make([]chan *batch, count),
		free:    make(chan *batch, batches),
		pending: map[string]struct{}{},
	}
	for range batches {
		w.free <- &batch{files: make([]smallFile, 0, batchFiles)}
	}
	for at := range w.full {
		full := make(chan *batch, batches)
		w.full[at] = full
		go func() {
			for b := range full {
				w.writeBatch(b, write)
			}
		}()
	}
	return w
}

func (w *writers) close() {
	if w == nil {
		return
	}
	for _, full := range w.full {
		close(full)
	}
}

// takes reports whether a file is for the writers.
func (w *writers) takes(header *tar.Header) bool {
	return w != nil && header.Size <= smallBytes
}

// add reads a file's content and hands the file to the writers. The caller has settled its name.
func (w *writers) add(f smallFile, content io.Reader) error {
	size := int(f.header.Size)
	if f.at.in.handle != w.folder {
		w.flush()
		w.folder, w.turn = f.at.in.handle, (w.turn+1)%len(w.full)
	}
	if w.current == nil {
		w.current = <-w.free
		if w.current.content == nil {
			w.current.content = make([]byte, 0, batchBytes+smallBytes)
		}
	}
	b := w.current
	start := len(b.content)
	f.content = b.content[start : start+size]
	if err := readWhole(&f.header, content, f.content); err != nil {
		return err
	}
	b.content = b.content[:start+size]
	f.at.in.users.Add(1)
	b.files = append(b.files, f)
	w.pending[f.at.name] = struct{}{}
	if len(b.files) == batchFiles || len(b.content) >= batchBytes {
		w.flush()
	}
	return nil
}

func (w *writers) flush() {
	if w.current != nil {
		w.running.Add(1)
		w.full[w.turn] <- w.current
		w.current = nil
	}
}

// isPending reports whether drain must be called before this name is looked up or changed.
func (w *writers) isPending(name string) bool {
	if w == nil {
		return false
	}
	if w.hasFailed.Load() || len(w.pending) == pendingNames {
		return true
	}
	_, found := w.pending[name]
	return found
}

// drain waits until everything is written. It returns, in order, the files that found a directory in their
// place, whose open directories the caller must release, and the file that failed, if there is one.
func (w *writers) drain() (blocked []smallFile, failed *smallFile, err error) {
	w.flush()
	w.running.Wait()
	clear(w.pending)
	blocked, w.blocked = w.blocked, nil
	slices.SortFunc(blocked, func(a, b smallFile) int { return a.entry - b.entry })
	return blocked, w.failed, w.err
}

func (w *writers) writeBatch(b *batch, write func(*smallFile) error) {
	for at := range b.files {
		f := &b.files[at]
		if !w.hasFailed.Load() {
			w.note(f, write(f))
		}
		f.at.in.release()
	}
	clear(b.files)
	b.files, b.content = b.files[:0], b.content[:0]
	w.free <- b
	w.running.Done()
}

func (w *writers) note(f *smallFile, err error) {
	if err == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	kept := *f
	if errors.Is(err, unix.EISDIR) {
		// The batch, which holds the content, will be reused.
		kept.content = append([]byte(nil), f.content...)
		kept.at.in.users.Add(1)
		w.blocked = append(w.blocked, kept)
	} else if w.failed == nil || f.entry < w.failed.entry {
		kept.content = nil
		w.failed, w.err = &kept, err
	}
	w.hasFailed.Store(w.failed != nil)
}
