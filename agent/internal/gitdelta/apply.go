package gitdelta

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Apply checks the delta that a working tree was sent, and applies it if how is not "check". It returns
// ErrNotSimple when the script has to do that, or has to complete it.
func Apply(top, how string) error {
	if how != "check" && how != "apply" {
		return ErrNotSimple
	}
	d, err := read(top)
	if err != nil {
		return err
	}
	if err := d.canBeApplied(); err != nil {
		return err
	}
	if err := d.syncIncoming(); err != nil {
		return err
	}
	if err := d.check(); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(d.incoming, ".git"), d.meta); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if how == "check" {
		return nil
	}
	// The host may hang up in the middle.
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGTERM, unix.SIGPIPE)
	return d.apply()
}

// canBeApplied reports whether git here stores refs as files, and no delta has begun to be applied. A working
// tree of another user is the script's, which then gives that user what is new.
func (d *delta) canBeApplied() error {
	var top unix.Stat_t
	if err := unix.Stat(d.top, &top); err != nil {
		return err
	}
	if int(top.Uid) != os.Geteuid() {
		return ErrNotSimple
	}
	for _, name := range []string{".git/reftable", ".git/refs/banger/sent.lock", ".git/banger/meta/ready"} {
		if _, err := os.Lstat(filepath.Join(d.top, name)); !errors.Is(err, fs.ErrNotExist) {
			return ErrNotSimple
		}
	}
	return nil
}

// apply takes the steps of the script, in its order. Each may be taken again.
func (d *delta) apply() error {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return err
	}
	state := filepath.Dir(d.meta)
	running := filepath.Join(state, "running")
	if err := os.WriteFile(running, fmt.Appendf(nil, "%d %s\n", os.Getpid(), bytes.TrimSpace(boot)), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(d.meta, "ready"), nil, 0o644); err != nil {
		return err
	}
	for _, name := range d.packs {
		if err := os.Rename(filepath.Join(d.meta, name), filepath.Join(d.top, ".git/objects/pack", name)); err != nil {
			return err
		}
	}
	if err := d.deleteFiles(); err != nil {
		return err
	}
	for path := range d.new {
		to := filepath.Join(d.top, path)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(d.incoming, path), to); err != nil {
			return err
		}
	}
	if err := d.setSent(); err != nil {
		return err
	}
	// Without this file, whatever is left of the delta is only deleted.
	if err := os.Remove(filepath.Join(d.meta, "ready")); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(d.meta), os.RemoveAll(d.incoming), os.RemoveAll(filepath.Join(state, "check-index")), os.Remove(running))
}

// deleteFiles deletes files, and the folders that are empty then.
func (d *delta) deleteFiles() error {
	for _, path := range d.deleted {
		if err := os.Remove(filepath.Join(d.top, path)); err != nil {
			return err
		}
		for folder := filepath.Dir(path); folder != "."; folder = filepath.Dir(folder) {
			if unix.Rmdir(filepath.Join(d.top, folder)) != nil {
				break
			}
		}
	}
	return nil
}

// setSent sets refs/banger/sent. A process that dies leaves no lock behind.
func (d *delta) setSent() error {
	ref := filepath.Join(d.top, ".git/refs/banger/sent")
	if err := os.MkdirAll(filepath.Dir(ref), 0o755); err != nil {
		return err
	}
	next := filepath.Join(d.meta, "sent")
	if err := os.WriteFile(next, []byte(d.sent+"\n"), 0o644); err != nil {
		return err
	}
	if err := syncFiles([]string{next}); err != nil {
		return err
	}
	return os.Rename(next, ref)
}
