// Package process starts the commands that the host asks for, each in a session of its own, and ends them.
package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Spec describes the command to run. Strings are bytes: they need not be UTF-8.
type Spec struct {
	Argv []string
	// Env is added to the account's own environment, and wins.
	Env map[string]string
	// Cwd may be empty, for the user's home, or "/" when that does not exist.
	Cwd string
	// User is a name or a number, perhaps with ":" and a group; empty means root.
	User string
	// Terminal is nil for a command with three pipes.
	Terminal *Terminal
}

// Terminal asks for a pseudo-terminal.
type Terminal struct {
	Rows, Cols uint16
	// Term is the terminal of the caller. If the guest does not know it, TERM is a similar one.
	Term string
}

// Codes of a StartError.
const (
	NotFound      = "not_found"
	NotExecutable = "not_executable"
	BadRequest    = "bad_request"
	Failed        = "failed"
)

// StartError is the reason why a command could not be started.
type StartError struct{ Code, Message string }

func (e *StartError) Error() string { return e.Message }

func refuse(code, format string, args ...any) *StartError {
	return &StartError{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Process is a started command: the leader of its session and process group.
type Process struct {
	PID int
	// Stdin is the input of the command. With a terminal, Stdin and Stdout are the same file.
	Stdin  *os.File
	Stdout *os.File
	// Stderr is nil with a terminal.
	Stderr *os.File

	pidfd int
	// mu guards reaped: once the leader is reaped, its number may belong to another process.
	mu     sync.Mutex
	reaped bool
}

// Start starts a command. When that fails, it returns a *StartError and leaves nothing behind.
func Start(spec Spec) (*Process, error) {
	if problem := check(spec); problem != nil {
		return nil, problem
	}
	account, err := Accounts{}.Lookup(orDefault(spec.User, "root"))
	if err != nil {
		return nil, refuse(BadRequest, "%v", err)
	}
	etcEnvironment, err := readOptional("/etc/environment")
	if err != nil {
		return nil, refuse(Failed, "%v", err)
	}
	ofImage, err := readOptional(imageEnvironmentFile)
	if err != nil {
		return nil, refuse(Failed, "%v", err)
	}
	term := ""
	if spec.Terminal != nil {
		term = orDefault(spec.Terminal.Term, "xterm")
	}
	env := environment(account, etcEnvironment, ofImage, spec.Env, term)
	if _, isGiven := spec.Env["TERM"]; spec.Terminal != nil && !isGiven {
		env["TERM"] = knownTerm(term, env)
	}
	if _, isGiven := spec.Env["PATH"]; !isGiven {
		env["PATH"] = withOwnPrograms(env["PATH"], account)
	}
	cwd, problem := workingDirectory(spec.Cwd, account)
	if problem != nil {
		return nil, problem
	}
	file, problem := lookUp(spec.Argv[0], env["PATH"], cwd)
	if problem != nil {
		return nil, problem
	}
	ends, err := openEnds(spec.Terminal, account)
	if err != nil {
		return nil, refuse(Failed, "%v", err)
	}
	defer ends.closeChild()

	pidfd := -1
	attributes := &syscall.SysProcAttr{Setsid: true, Setctty: spec.Terminal != nil, PidFD: &pidfd}
	if os.Geteuid() == 0 {
		attributes.Credential = &syscall.Credential{Uid: account.UID, Gid: account.GID, Groups: account.Groups}
	} else if int(account.UID) != os.Geteuid() {
		ends.closeOurs()
		return nil, refuse(Failed, "cannot run as %q: the agent is not root", account.Name)
	}
	pid, err := syscall.ForkExec(file, spec.Argv, &syscall.ProcAttr{
		Dir:   cwd,
		Env:   environmentList(env),
		Files: ends.child[:],
		Sys:   attributes,
	})
	if err != nil {
		ends.closeOurs()
		return nil, explain(err, file, cwd)
	}
	// The agent is protected from the out-of-memory killer (serve.go); its commands must not be.
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("0"), 0)
	return &Process{PID: pid, Stdin: ends.stdin, Stdout: ends.stdout, Stderr: ends.stderr, pidfd: pidfd}, nil
}

func check(spec Spec) *StartError {
	if len(spec.Argv) == 0 || spec.Argv[0] == "" {
		return refuse(BadRequest, "the command is empty")
	}
	for _, arg := range spec.Argv {
		if strings.ContainsRune(arg, 0) {
			return refuse(BadRequest, "an argument contains a NUL byte")
		}
	}
	for name, value := range spec.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(value, 0) {
			return refuse(BadRequest, "environment variable %q cannot be set", name)
		}
	}
	if strings.ContainsRune(spec.Cwd, 0) {
		return refuse(BadRequest, "the working directory contains a NUL byte")
	}
	return nil
}

func workingDirectory(cwd string, account Account) (string, *StartError) {
	if cwd == "" {
		if info, err := os.Stat(account.Home); err == nil && info.IsDir() {
			return account.Home, nil
		}
		return "/", nil
	}
	if !strings.HasPrefix(cwd, "/") {
		return "", refuse(BadRequest, "working directory %q is not absolute", cwd)
	}
	info, err := os.Stat(cwd)
	if err != nil {
		return "", refuse(BadRequest, "working directory %q: %v", cwd, errors.Unwrap(err))
	}
	if !info.IsDir() {
		return "", refuse(BadRequest, "working directory %q is not a directory", cwd)
	}
	return cwd, nil
}

// lookUp finds a command as execvp(3) does. It returns a name with a slash unchanged; the kernel resolves
// that from cwd.
func lookUp(name, path, cwd string) (string, *StartError) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	found := ""
	for _, dir := range strings.Split(path, ":") {
		if !strings.HasPrefix(dir, "/") {
			dir = filepath.Join(cwd, dir)
		}
		file := dir + "/" + name
		var info unix.Stat_t
		if unix.Stat(file, &info) != nil || info.Mode&unix.S_IFMT != unix.S_IFREG {
			continue
		}
		if info.Mode&0o111 != 0 {
			return file, nil
		}
		found = file
	}
	if found != "" {
		return "", refuse(NotExecutable, "%s: permission denied", found)
	}
	return "", refuse(NotFound, "%s: command not found", name)
}

// explain finds the reason for a failed start. The kernel's error number does not say which step failed.
func explain(err error, file, cwd string) *StartError {
	path := file
	if !strings.HasPrefix(path, "/") {
		path = filepath.Join(cwd, path)
	}
	info, statErr := os.Stat(path)
	switch {
	case errors.Is(err, unix.ENOENT) && statErr == nil:
		return refuse(NotExecutable, "%s: its interpreter is missing", file)
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return refuse(NotFound, "%s: command not found", file)
	case errors.Is(err, unix.EACCES) && statErr == nil && info.IsDir():
		return refuse(NotExecutable, "%s: is a directory", file)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOEXEC), errors.Is(err, unix.ETXTBSY):
		return refuse(NotExecutable, "%s: %v", file, err)
	case errors.Is(err, unix.E2BIG), errors.Is(err, unix.ENAMETOOLONG):
		return refuse(BadRequest, "%v", err)
	}
	return refuse(Failed, "%s: %v", file, err)
}

func orDefault(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
