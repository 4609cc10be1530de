package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// terminfo creates a folder with these terminal files, given as paths below it, and makes it the only folder
// of the system.
func terminfo(t *testing.T, files ...string) {
	t.Helper()
	folder := t.TempDir()
	for _, file := range files {
		path := filepath.Join(folder, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("\x1a\x01"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	before := terminfoFolders
	terminfoFolders = []string{folder}
	t.Cleanup(func() { terminfoFolders = before })
}

func TestAnUnknownTerminalIsReplacedByTheNearestKnownOne(t *testing.T) {
	debian := []string{
		"d/dumb", "l/linux", "r/rxvt", "s/screen", "s/screen-256color", "t/tmux", "v/vt100", "v/vt220",
		"x/xterm", "x/xterm-256color",
	}
	for _, test := range []struct {
		wanted, want string
		files        []string
	}{
		{"xterm-ghostty", "xterm-256color", debian},
		{"xterm-kitty", "xterm-256color", debian},
		{"alacritty", "xterm-256color", debian},
		{"foot", "xterm-256color", debian},
		{"wezterm", "xterm-256color", debian},
		{"tmux-256color", "screen-256color", debian},
		{"screen.xterm-kitty", "screen-256color", debian},
		{"screen-256color-bce", "screen-256color", debian},
		{"rxvt-unicode-256color", "rxvt", debian},
		{"linux-16color", "linux", debian},
		{"vt220-w", "vt220", debian},
		{"vt320", "vt220", debian},
		{"../../etc/passwd", "xterm-256color", debian},
		{"x\x00y", "xterm-256color", debian},
		{"xterm-256color", "xterm-256color", debian},
		{"dumb", "dumb", debian},
		{"dumb", "dumb", []string{"x/xterm"}},
		{"alacritty", "xterm", []string{"x/xterm"}},
		{"tmux-256color", "screen", []string{"s/screen"}},
		{"tmux-256color", "xterm-256color", []string{"x/xterm-256color"}},
		{"xterm-kitty", "xterm-kitty", append([]string{"x/xterm-kitty"}, debian...)},
		// In the subfolder with the letter's number.
		{"xterm-kitty", "xterm-kitty", []string{"78/xterm-kitty", "78/xterm-256color"}},
		{"foot", "xterm-256color", []string{"78/xterm-256color"}},
		// Nothing to choose from.
		{"xterm-kitty", "xterm-kitty", nil},
	} {
		terminfo(t, test.files...)
		if got := knownTerm(test.wanted, nil); got != test.want {
			t.Errorf("%q becomes %q, want %q (described: %v)", test.wanted, got, test.want, test.files)
		}
	}
}

func TestTerminalsThatTheUserHasDescribedCount(t *testing.T) {
	terminfo(t, "x/xterm-256color")
	home, named, listed := t.TempDir(), t.TempDir(), t.TempDir()
	for _, file := range []string{home + "/.terminfo/f/foot", named + "/w/wezterm", listed + "/a/alacritty"} {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"HOME": home, "TERMINFO": named, "TERMINFO_DIRS": ":relative:" + listed}
	for _, term := range []string{"foot", "wezterm", "alacritty"} {
		if got := knownTerm(term, env); got != term {
			t.Errorf("%q becomes %q, though the user describes it", term, got)
		}
	}
}

func TestACommandOnATerminalGetsATermThatTheGuestHas(t *testing.T) {
	terminfo(t, "x/xterm-256color", "s/screen-256color")
	printTerm := []string{"sh", "-c", "printf %s $TERM"}
	pty := func(term string) *Terminal { return &Terminal{Rows: 24, Cols: 80, Term: term} }
	for _, test := range []struct {
		spec Spec
		want string
	}{
		{Spec{Terminal: pty("xterm-ghostty")}, "xterm-256color"},
		{Spec{Terminal: pty("tmux-256color")}, "screen-256color"},
		{Spec{Terminal: pty("screen-256color")}, "screen-256color"},
		{Spec{Terminal: pty("")}, "xterm-256color"},
		// A TERM that the caller sets explicitly is not changed.
		{Spec{Terminal: pty("xterm"), Env: map[string]string{"TERM": "wyse50"}}, "wyse50"},
		{Spec{Env: map[string]string{"TERM": "foot"}}, "foot"},
		{Spec{}, ""},
	} {
		test.spec.Argv = printTerm
		if got := strings.TrimSpace(output(t, test.spec)); got != test.want {
			t.Errorf("%+v: TERM is %q, want %q", test.spec.Terminal, got, test.want)
		}
	}
}
