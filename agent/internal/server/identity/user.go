package identity

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"banger.dev/agent/internal/server/process"
)

// User is the user of the VM besides root.
type User struct {
	Name string `json:"name"`
	// FillHome copies what the image has in the user's home, once for each work disk.
	FillHome bool `json:"fillHome"`
}

const (
	// firstUserID is the first number of an ordinary user on every distribution.
	firstUserID = 1000
	lastUserID  = 59_999
	// subordinateIDs is how many numbers a user's own containers get.
	subordinateIDs = 65_536
	// firstSubordinateID is what useradd(8) begins at.
	firstSubordinateID = 100_000
)

var userName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)

func (u User) check() error {
	if u.Name == "root" || !userName.MatchString(u.Name) {
		return fmt.Errorf("%q is not a name for a user", u.Name)
	}
	return nil
}

// user makes the user when the guest has none of that name, and its home a view of the work disk. Idempotent.
func (s System) user(u User) error {
	account, err := s.account(u.Name)
	if err != nil {
		return err
	}
	if err := errors.Join(s.groupOfDocker(u.Name), s.sudo(u.Name), s.sshd(account)); err != nil {
		return err
	}
	return s.SetHome(account, u.FillHome)
}

// account finds the user, or makes one.
func (s System) account(name string) (process.Account, error) {
	home := "/home/" + name
	accounts := process.Accounts{Root: s.Root}
	passwd, err := readOrNothing(s.Root + "/etc/passwd")
	if err != nil {
		return process.Account{}, err
	}
	if slices.ContainsFunc(linesOf(passwd), func(fields []string) bool { return fields[0] == name }) {
		account, err := accounts.Lookup(name)
		switch {
		case err != nil:
			return account, err
		case account.UID == 0:
			return account, fmt.Errorf("the image's user %q has the number of root", name)
		case account.Home != home:
			return account, fmt.Errorf("the home of the image's user %q is %q, not %s", name, account.Home, home)
		}
		return account, nil
	}
	groups, err := readOrNothing(s.Root + "/etc/group")
	if err != nil {
		return process.Account{}, err
	}
	uid, err := freeNumber(linesOf(passwd), firstUserID)
	if err != nil {
		return process.Account{}, err
	}
	gid, isThere := groupNumber(linesOf(groups), name)
	if !isThere {
		if gid, err = freeNumber(linesOf(groups), uid); err != nil {
			return process.Account{}, err
		}
	}
	steps := []func() error{
		func() error { return s.appendLine("/etc/subuid", name, subordinate(name), false) },
		func() error { return s.appendLine("/etc/subgid", name, subordinate(name), false) },
		func() error {
			// No password, which is not the same as a locked account: sshd(8) refuses that.
			return s.appendLine("/etc/shadow", name, func([][]string) string { return name + ":*:19000:0:99999:7:::" }, false)
		},
		func() error {
			if isThere {
				return nil
			}
			line := func([][]string) string { return fmt.Sprintf("%s:x:%d:", name, gid) }
			return s.appendLine("/etc/group", name, line, true)
		},
		// The last one: a user who is in it is whole.
		func() error {
			line := fmt.Sprintf("%s:x:%d:%d::%s:%s", name, uid, gid, home, s.shell())
			return s.appendLine("/etc/passwd", name, func([][]string) string { return line }, true)
		},
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return process.Account{}, err
		}
	}
	return accounts.Lookup(name)
}

func (s System) shell() string {
	if _, err := os.Stat(s.Root + "/bin/bash"); err == nil {
		return "/bin/bash"
	}
	return "/bin/sh"
}

// groupOfDocker makes the user a member of the group that may use Docker, if there is one.
func (s System) groupOfDocker(name string) error {
	path := s.Root + "/etc/group"
	content, err := readOrNothing(path)
	if err != nil {
		return err
	}
	lines := strings.Split(string(content), "\n")
	for at, line := range lines {
		fields := strings.Split(line, ":")
		if len(fields) != 4 || fields[0] != "docker" {
			continue
		}
		members := strings.FieldsFunc(fields[3], func(c rune) bool { return c == ',' })
		if slices.Contains(members, name) {
			return nil
		}
		fields[3] = strings.Join(append(members, name), ",")
		lines[at] = strings.Join(fields, ":")
		return writeFile(path, []byte(strings.Join(lines, "\n")), 0o644)
	}
	return nil
}

// sudo lets the user become root without a password, if the image has sudo.
func (s System) sudo(name string) error {
	folder := s.Root + "/etc/sudoers.d"
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return nil
	}
	return writeFile(folder+"/banger-user", []byte(name+" ALL=(ALL:ALL) NOPASSWD: ALL\n"), 0o440)
}

// sshd lets the user log in with the keys in its own home, and find its own programs. Images whose sshd reads
// no folder of settings have that by default.
func (s System) sshd(account process.Account) error {
	folder := s.Root + "/etc/ssh/sshd_config.d"
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return nil
	}
	text := fmt.Sprintf("Match User %s\nAuthorizedKeysFile %s/.ssh/authorized_keys\nSetEnv PATH=%s\nMatch all\n",
		account.Name, account.Home, process.LoginPath(account))
	return writeFile(folder+"/98-banger-user.conf", []byte(text), 0o644)
}

// appendLine adds a line to a file of lines with fields, unless a line there begins with the name. A file
// that is missing is made only when it isNeeded.
func (s System) appendLine(file, name string, line func([][]string) string, isNeeded bool) error {
	path := s.Root + file
	content, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		if !isNeeded {
			return nil
		}
		return writeFile(path, []byte(line(nil)+"\n"), 0o644)
	}
	if err != nil {
		return err
	}
	all := linesOf(content)
	if slices.ContainsFunc(all, func(fields []string) bool { return fields[0] == name }) {
		return nil
	}
	added := line(all) + "\n"
	if len(content) > 0 && !bytes.HasSuffix(content, []byte("\n")) {
		added = "\n" + added
	}
	return appendTo(path, []byte(added))
}

// subordinate returns the line of subuid(5) for a user: the numbers after those of all others.
func subordinate(name string) func([][]string) string {
	return func(all [][]string) string {
		first := uint64(firstSubordinateID)
		for _, fields := range all {
			if len(fields) < 3 {
				continue
			}
			from, err1 := strconv.ParseUint(fields[1], 10, 32)
			count, err2 := strconv.ParseUint(fields[2], 10, 32)
			if err1 == nil && err2 == nil {
				first = max(first, from+count)
			}
		}
		return fmt.Sprintf("%s:%d:%d", name, first, subordinateIDs)
	}
}

// freeNumber returns the first number from least on that is no third field.
func freeNumber(all [][]string, least int) (int, error) {
	for number := least; number <= lastUserID; number++ {
		text := strconv.Itoa(number)
		if !slices.ContainsFunc(all, func(fields []string) bool { return len(fields) > 2 && fields[2] == text }) {
			return number, nil
		}
	}
	return 0, fmt.Errorf("all numbers from %d to %d are taken", least, lastUserID)
}

func groupNumber(all [][]string, name string) (int, bool) {
	for _, fields := range all {
		if len(fields) > 2 && fields[0] == name {
			if number, err := strconv.Atoi(fields[2]); err == nil {
				return number, true
			}
		}
	}
	return 0, false
}

func linesOf(content []byte) [][]string {
	var all [][]string
	for line := range strings.Lines(string(content)) {
		all = append(all, strings.Split(strings.TrimRight(line, "\r\n"), ":"))
	}
	return all
}

func readOrNothing(path string) ([]byte, error) {
	content, err := readSmall(path)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	return content, err
}
