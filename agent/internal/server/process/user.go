package process

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Account is a user of the guest.
type Account struct {
	Name  string
	UID   uint32
	GID   uint32
	Home  string
	Shell string
	// Groups are the numbers of all groups that the user is in, GID too.
	Groups []uint32
}

// Accounts reads users from the files of a root file system ("/" in a guest). It reads them every time,
// because commands may add users. It needs neither cgo nor name services.
type Accounts struct{ Root string }

// Lookup finds a user by name or by number. For a number without a user, it returns an account without a name
// whose home is "/". After a ":", who also has a group, by name or by number, which is then the only one.
func (a Accounts) Lookup(who string) (Account, error) {
	who, group, hasGroup := strings.Cut(who, ":")
	account, err := a.lookUpUser(who)
	if err != nil || !hasGroup {
		return account, err
	}
	account.GID, err = a.groupNumber(group)
	account.Groups = []uint32{account.GID}
	return account, err
}

func (a Accounts) groupNumber(which string) (uint32, error) {
	groups, err := readOptional(a.Root + "/etc/group")
	if err != nil {
		return 0, err
	}
	for line := range lines(groups) {
		fields := strings.Split(line, ":")
		if len(fields) < 4 || fields[0] != which {
			continue
		}
		if number, err := strconv.ParseUint(fields[2], 10, 32); err == nil {
			return uint32(number), nil
		}
	}
	number, err := strconv.ParseUint(which, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("no such group: %q", which)
	}
	return uint32(number), nil
}

func (a Accounts) lookUpUser(who string) (Account, error) {
	passwd, err := readOptional(a.Root + "/etc/passwd")
	if err != nil {
		return Account{}, err
	}
	account, found := findUser(passwd, who)
	if !found {
		number, err := strconv.ParseUint(who, 10, 32)
		switch {
		case who == "root":
			number = 0
		case err != nil:
			return Account{}, fmt.Errorf("no such user: %q", who)
		}
		account = Account{Name: who, UID: uint32(number), GID: uint32(number), Home: "/"}
		if number == 0 {
			account.Name, account.Home = "root", "/root"
		}
	}
	if account.Shell == "" {
		account.Shell = "/bin/sh"
	}
	groups, err := readOptional(a.Root + "/etc/group")
	if err != nil {
		return Account{}, err
	}
	account.Groups = memberOf(groups, account)
	return account, nil
}

// findUser parses passwd(5): name:password:uid:gid:comment:home:shell.
func findUser(passwd []byte, who string) (Account, bool) {
	var byNumber *Account
	for line := range lines(passwd) {
		fields := strings.Split(line, ":")
		if len(fields) < 7 {
			continue
		}
		if fields[0] != who && fields[2] != who {
			continue
		}
		uid, err1 := strconv.ParseUint(fields[2], 10, 32)
		gid, err2 := strconv.ParseUint(fields[3], 10, 32)
		if err1 != nil || err2 != nil {
			continue
		}
		account := Account{Name: fields[0], UID: uint32(uid), GID: uint32(gid), Home: fields[5], Shell: fields[6]}
		if fields[0] == who {
			return account, true
		}
		if byNumber == nil {
			byNumber = &account
		}
	}
	if byNumber != nil {
		return *byNumber, true
	}
	return Account{}, false
}

// memberOf parses group(5): name:password:gid:member,member.
func memberOf(groups []byte, account Account) []uint32 {
	numbers := []uint32{account.GID}
	for line := range lines(groups) {
		fields := strings.Split(line, ":")
		if len(fields) < 4 || !slices.Contains(strings.Split(fields[3], ","), account.Name) {
			continue
		}
		gid, err := strconv.ParseUint(fields[2], 10, 32)
		if err == nil && !slices.Contains(numbers, uint32(gid)) {
			numbers = append(numbers, uint32(gid))
		}
	}
	return numbers
}

func lines(content []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for line := range strings.Lines(string(content)) {
			if !yield(strings.TrimRight(line, "\r\n")) {
				return
			}
		}
	}
}

// readOptional reads a file, and returns nothing for one that is missing.
func readOptional(path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return content, err
}
