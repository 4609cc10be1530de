package process

import (
	"maps"
	"os"
	"slices"
	"strings"
)

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// imageEnvironmentFile has the variables of the VM's image, each NAME=value and a NUL byte. The host writes
// it when it personalises the guest; many images have none.
const imageEnvironmentFile = "/run/banger/image-env"

// environment returns the environment of a command: the account's variables, then those of /etc/environment,
// those of the image, and the caller's own; later ones win.
func environment(account Account, etcEnvironment, ofImage []byte, own map[string]string, term string) map[string]string {
	env := map[string]string{
		"HOME":    account.Home,
		"USER":    account.Name,
		"LOGNAME": account.Name,
		"SHELL":   account.Shell,
		"PATH":    defaultPath,
		"LANG":    "C.UTF-8",
	}
	for line := range lines(etcEnvironment) {
		if name, value, ok := parseAssignment(line); ok {
			env[name] = value
		}
	}
	for assignment := range strings.SplitSeq(string(ofImage), "\x00") {
		if name, value, ok := strings.Cut(assignment, "="); ok && name != "" {
			env[name] = value
		}
	}
	if term != "" {
		env["TERM"] = term
	}
	maps.Copy(env, own)
	return env
}

// miseShims is where mise keeps the shims of the tools that it has installed, below a home.
const miseShims = "/.local/share/mise/shims"

// localBin is where pip, pipx and installers of single programs install for one user, below a home.
const localBin = "/.local/bin"

// withOwnPrograms puts the account's own programs first in PATH, as in its login shells, so that a command
// finds the same programs as a user who types it. The tools of mise come first, if there are any. An account
// without a home has no programs of its own.
func withOwnPrograms(path string, account Account) string {
	if account.Home == "" || account.Home == "/" {
		return path
	}
	path = account.Home + localBin + ":" + path
	shims := account.Home + miseShims
	if info, err := os.Stat(shims); err != nil || !info.IsDir() {
		return path
	}
	return shims + ":" + path
}

// LoginPath returns the PATH of an account's commands over ssh, whose shell is no login shell. The tools of
// mise may be installed later, so their folder is in it in any case.
func LoginPath(account Account) string {
	return account.Home + miseShims + ":" + account.Home + localBin + ":" + defaultPath
}

// parseAssignment parses a line of /etc/environment as pam_env(8) does: an optional "export", NAME=value, one
// pair of quotes around the value, comments from "#".
func parseAssignment(line string) (name, value string, ok bool) {
	line = strings.TrimSpace(line)
	line = strings.TrimSpace(strings.TrimPrefix(line, "export "))
	if strings.HasPrefix(line, "#") {
		return "", "", false
	}
	name, value, found := strings.Cut(line, "=")
	if !found || name == "" || strings.ContainsAny(name, " \t\x00") || strings.Contains(value, "\x00") {
		return "", "", false
	}
	if value != "" && (value[0] == '"' || value[0] == '\'') {
		inner, _, _ := strings.Cut(value[1:], value[:1])
		return name, inner, true
	}
	value, _, _ = strings.Cut(value, "#")
	return name, strings.TrimSpace(value), true
}

func environmentList(env map[string]string) []string {
	list := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}
