// Package keeplog writes the logs of a VMM and bounds the size of each, also while the daemon does not run.
package keeplog

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

const noFollow = unix.O_NOFOLLOW

// FirstFd is the descriptor of the first log's pipe; those of the other logs follow.
const FirstFd = 3

// chunkBytes is the capacity of a pipe.
const chunkBytes = 64 * 1024

// Run copies pipes to files until all pipes have ended: "--max BYTES --keep PATH ...". With "--memory PATH"
// at the end, it also gives the program a read-only descriptor of the saved memory at PATH; the connection
// for that is the descriptor after the pipes.
func Run(args []string) error {
	if len(args) < 2 || args[0] != "--max" {
		return errors.New("keep-logs: --max BYTES must come first")
	}
	max, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil || max < chunkBytes {
		return fmt.Errorf("keep-logs: %q is not a size of at least %d bytes", args[1], chunkBytes)
	}
	var logs []*log
	var saved *memory
	for rest := args[2:]; len(rest) > 0; rest = rest[2:] {
		if len(rest) == 2 && rest[0] == "--memory" {
			if saved, err = openMemory(rest[1], FirstFd+len(logs)); err != nil {
				return fmt.Errorf("keep-logs: %w", err)
			}
			break
		}
		if len(rest) < 2 || rest[0] != "--keep" {
			return fmt.Errorf("keep-logs: expected --keep PATH, not %q", rest[0])
		}
		log, err := openLog(rest[1], max)
		if err != nil {
			return fmt.Errorf("keep-logs: %w", err)
		}
		logs = append(logs, log)
	}
	return keep(logs, FirstFd, saved)
}

// keep copies until no pipe has a writer left.
func keep(logs []*log, firstFd int, saved *memory) error {
	waiting := make([]unix.PollFd, len(logs)+1)
	for at := range logs {
		waiting[at] = unix.PollFd{Fd: int32(firstFd + at), Events: unix.POLLIN}
	}
	pipes, held := waiting[:len(logs)], &waiting[len(logs)]
	// poll(2) ignores a negative descriptor.
	*held = unix.PollFd{Fd: -1, Events: unix.POLLIN}
	if saved != nil {
		held.Fd = int32(saved.control)
	}
	chunk := make([]byte, chunkBytes)
	for open := len(pipes); open > 0; {
		if _, err := unix.Poll(waiting, -1); err != nil && err != unix.EINTR {
			return fmt.Errorf("keep-logs: cannot wait for the pipes: %w", err)
		}
		if held.Revents != 0 {
			next, err := saved.serve()
			if err != nil {
				fmt.Fprintf(os.Stderr, "banger-host: keep-logs: %v\n", err)
			}
			held.Fd, held.Revents = int32(next), 0
		}
		for at := range pipes {
			if pipes[at].Revents == 0 {
				continue
			}
			count, err := unix.Read(int(pipes[at].Fd), chunk)
			switch {
			case err == unix.EINTR || err == unix.EAGAIN:
			case err != nil || count == 0:
				pipes[at].Fd, pipes[at].Revents = -1, 0
				open--
			default:
				logs[at].write(chunk[:count])
			}
		}
	}
	return nil
}
