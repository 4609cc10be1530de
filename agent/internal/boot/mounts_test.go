package boot

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFailureLineIsOneLine(t *testing.T) {
	got := failureLine("root device", errors.New("load table:\n no such\tdevice"))
	if want := "banger-agent: boot failed at root device: load table: no such device"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func addFile(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, nil, mode))
}

func TestFindSystemd(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(root string)
		want string
	}{
		{"merged /usr", func(root string) {
			addFile(t, root+"/usr/lib/systemd/systemd", 0o755)
			must(t, os.Symlink("usr/lib", root+"/lib"))
		}, "/usr/lib/systemd/systemd"},
		{"separate /lib", func(root string) { addFile(t, root+"/lib/systemd/systemd", 0o755) }, "/lib/systemd/systemd"},
		{"elsewhere, by the link", func(root string) {
			must(t, os.MkdirAll(root+"/sbin", 0o755))
			must(t, os.Symlink("/opt/systemd", root+"/sbin/init"))
		}, "/sbin/init"},
		{"not executable", func(root string) { addFile(t, root+"/lib/systemd/systemd", 0o644) }, ""},
		{"busybox", func(root string) {
			must(t, os.MkdirAll(root+"/sbin", 0o755))
			must(t, os.Symlink("/bin/busybox", root+"/sbin/init"))
		}, ""},
		{"another init that is a file", func(root string) { addFile(t, root+"/sbin/init", 0o755) }, ""},
		{"nothing", func(string) {}, ""},
	} {
		root := t.TempDir()
		c.make(root)
		if got, err := findSystemd(root); err != nil || got != c.want {
			t.Errorf("%s: got %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

func TestWriteUnitsEnablesThem(t *testing.T) {
	dir := t.TempDir()
	must(t, writeUnits(dir))
	for _, link := range []string{"sysinit.target.wants/banger-agent.service", "basic.target.wants/banger-ready.service"} {
		text, err := os.ReadFile(filepath.Join(dir, link))
		if err != nil || !strings.Contains(string(text), "ExecStart="+agentPath) {
			t.Errorf("%s: %q, %v", link, text, err)
		}
	}
}

func TestSystemdRestartsTheMachineWhereItWouldTurnItOff(t *testing.T) {
	dir := t.TempDir()
	must(t, restartAtEnd.write(dir))
	text, err := os.ReadFile(filepath.Join(dir, "systemd-poweroff.service.d/banger.conf"))
	if err != nil || string(text) != "[Unit]\nSuccessAction=reboot-force\n" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestRemoveContentStaysOnItsDevice(t *testing.T) {
	dir := t.TempDir()
	addFile(t, dir+"/a/b/file", 0o600)
	must(t, os.Symlink("/etc", dir+"/link"))
	var stat unix.Stat_t
	must(t, unix.Lstat(dir, &stat))
	dev := stat.Dev
	removeContent(dir, dev+1)
	if !isThere(dir + "/a/b/file") {
		t.Fatal("removed a file of another device")
	}
	removeContent(dir, dev)
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Fatalf("left %v, %v", entries, err)
	}
}
