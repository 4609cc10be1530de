package gitwatch

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// SocketPath is where the agent answers.
const SocketPath = "/run/banger/changes"

const (
	// maxQuestion is the longest question: a path and a token.
	maxQuestion = unix.PathMax + 256
	// questionTime is how long a question may take to arrive; an answer waits for the agent.
	questionTime = 5 * time.Second
	answerTime   = time.Minute
)

// Serve answers at a socket that only root may use, until ctx ends:
//
//	question  top of a working tree, 0, token, 0, end
//	answer    number of bytes that follow (4, big endian), next token, 0, names, each ended by 0
func (w *Watch) Serve(ctx context.Context, path string, to *log.Logger) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		listener.Close()
		return err
	}
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	for {
		conn, err := listener.AcceptUnix()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		go func() {
			defer conn.Close()
			if err := w.answer(conn); err != nil {
				to.Printf("cannot tell git what has changed: %v", err)
			}
		}()
	}
}

func (w *Watch) answer(conn *net.UnixConn) error {
	if err := conn.SetDeadline(time.Now().Add(questionTime)); err != nil {
		return err
	}
	question, err := io.ReadAll(io.LimitReader(conn, maxQuestion))
	if err != nil {
		return err
	}
	parts := strings.Split(string(question), "\x00")
	if len(parts) != 3 || parts[2] != "" {
		return errors.New("the question is damaged")
	}
	next, names, err := w.Answer(parts[0], parts[1])
	if err != nil {
		return err
	}
	body := []byte(next + "\x00")
	for _, name := range names {
		body = append(append(body, name...), 0)
	}
	if err := conn.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return err
	}
	_, err = conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

// Changes is the program that git runs at the top of a working tree, with the version of the interface and
// the last token. It prints the answer of the agent.
func Changes(args []string, socket string, out io.Writer) error {
	if len(args) != 2 {
		return errors.New("usage: banger-agent changes VERSION TOKEN")
	}
	if args[0] != "2" {
		// Version 1 knows no tokens. Git before 2.26 looks at all files.
		_, err := io.WriteString(out, everything)
		return err
	}
	buffer := make([]byte, unix.PathMax)
	length, err := unix.Getcwd(buffer)
	if err != nil {
		return err
	}
	top := string(bytes.TrimRight(buffer[:length], "\x00"))
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	if hasMountBelow(string(mounts), top) {
		return fmt.Errorf("there is another file system in %s", top)
	}
	answer, err := ask(socket, top, args[1])
	if err != nil {
		return err
	}
	_, err = out.Write(answer)
	return err
}

func ask(socket, top, token string) ([]byte, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, top+"\x00"+token+"\x00"); err != nil {
		return nil, err
	}
	if err := conn.CloseWrite(); err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		return nil, err
	}
	if len(answer) < 5 || uint32(len(answer)-4) != binary.BigEndian.Uint32(answer) {
		return nil, errors.New("the agent did not answer")
	}
	return answer[4:], nil
}

// hasMountBelow reports whether something is mounted in a folder (proc_pid_mountinfo(5)).
func hasMountBelow(mounts, folder string) bool {
	below := strings.TrimSuffix(escape(folder), "/") + "/"
	for line := range strings.SplitSeq(mounts, "\n") {
		fields := strings.Fields(line)
		if len(fields) > 4 && strings.HasPrefix(fields[4], below) {
			return true
		}
	}
	return false
}

// escape writes a path as the kernel does in mountinfo.
func escape(path string) string {
	return strings.NewReplacer("\\", `\134`, " ", `\040`, "\t", `\011`, "\n", `\012`).Replace(path)
}
