package process

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// terminfoFolders are the system's folders in which ncurses looks on the usual distributions.
var terminfoFolders = []string{
	"/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo", "/usr/lib/terminfo", "/usr/local/share/terminfo",
}

// knownTerm returns the value of TERM for a command with the environment env: the caller's own terminal if
// the guest has a description of it, otherwise the nearest one that it does have. So full-screen programs
// work in terminals that are newer than the guest's ncurses. In a guest without any descriptions, such as a
// small container image, it returns the caller's value, because no program there reads descriptions.
func knownTerm(wanted string, env map[string]string) string {
	folders := terminfoPath(env)
	if isDescribed(wanted, folders) {
		return wanted
	}
	for _, other := range standIns(wanted) {
		if isDescribed(other, folders) {
			return other
		}
	}
	return wanted
}

// standIns returns terminals whose descriptions also fit `wanted`, best first. Today's terminals follow
// xterm; multiplexers lack some of its keys and modes.
func standIns(wanted string) []string {
	family := wanted[:max(strings.IndexAny(wanted+"-", "-."), 0)]
	switch {
	case family == "tmux" || family == "screen":
		return []string{"tmux-256color", "screen-256color", "tmux", "screen", "xterm-256color", "xterm", "vt100"}
	case family == "rxvt":
		return []string{"rxvt-256color", "rxvt-unicode-256color", "rxvt", "xterm-256color", "xterm", "vt100"}
	case family == "linux":
		return []string{"linux", "vt220", "vt100"}
	case family == "dumb":
		return nil
	case isOldTerminal(family):
		return []string{family, "vt220", "vt100"}
	}
	return []string{"xterm-256color", "xterm", "vt220", "vt100"}
}

// isOldTerminal reports whether a name is that of a DEC terminal without colours, such as vt100.
func isOldTerminal(family string) bool {
	digits, found := strings.CutPrefix(family, "vt")
	return found && digits != "" && digits[0] >= '0' && digits[0] <= '9'
}

// terminfoPath returns the search path of terminfo(5) for a command with the environment env.
func terminfoPath(env map[string]string) []string {
	var own []string
	if folder := env["TERMINFO"]; folder != "" {
		own = append(own, folder)
	}
	if home := env["HOME"]; home != "" {
		own = append(own, home+"/.terminfo")
	}
	own = append(own, strings.Split(env["TERMINFO_DIRS"], ":")...)
	// An empty part of TERMINFO_DIRS means the system's folders, which come last in any case.
	own = slices.DeleteFunc(own, func(folder string) bool { return !filepath.IsAbs(folder) })
	return append(own, terminfoFolders...)
}

// isDescribed reports whether one of the folders has a terminal's file. It is in a subfolder named after the
// terminal's first letter, or after the number of that letter on file systems that ignore case.
func isDescribed(term string, folders []string) bool {
	if term == "" || term[0] == '.' || strings.ContainsAny(term, "/\x00") {
		return false
	}
	for _, folder := range folders {
		for _, letter := range []string{term[:1], fmt.Sprintf("%02x", term[0])} {
			if info, err := os.Stat(filepath.Join(folder, letter, term)); err == nil && info.Mode().IsRegular() {
				return true
			}
		}
	}
	return false
}
