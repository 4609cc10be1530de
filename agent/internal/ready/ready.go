// Package ready lets `banger-agent ready` tell the running agent that the guest's init has reached the point
// at which user commands may run. It uses a file, which outlives a restart of either process and is part of a
// snapshot.
package ready

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Path is the path of the mark in a VM. /run is empty after every boot.
const Path = "/run/banger/ready"

// Mark creates the mark. Idempotent.
func Mark(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return file.Close()
}

// Watch returns a channel that is closed once the mark exists. It waits with inotify(7). The folder of path
// must exist. When ctx ends, the watch ends and the channel stays open.
func Watch(ctx context.Context, path string) (<-chan struct{}, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	events := os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, filepath.Dir(path), unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
		events.Close()
		return nil, fmt.Errorf("watch %s: %w", filepath.Dir(path), err)
	}
	marked := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { events.Close() })
	go func() {
		defer events.Close()
		defer stop()
		buffer := make([]byte, 4096)
		for {
			// Checked after the watch is set and before each wait, so that no mark is missed.
			if _, err := os.Stat(path); err == nil {
				close(marked)
				return
			} else if !errors.Is(err, fs.ErrNotExist) {
				return
			}
			if _, err := events.Read(buffer); err != nil {
				return
			}
		}
	}()
	return marked, nil
}
