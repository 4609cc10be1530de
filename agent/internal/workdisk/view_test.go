package workdisk

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSwapMapsEachNumberOnce(t *testing.T) {
	for _, number := range []uint32{0, 1, 1000, 59_999, 1<<32 - 2} {
		maps := swap(number)
		inside, outside := map[int]int{}, map[int]int{}
		total := 0
		for _, m := range maps {
			total += m.Size
			inside[m.ContainerID]++
			outside[m.HostID]++
		}
		if total != 1<<32-1 || len(inside) != len(outside) {
			t.Errorf("%d: %d numbers, %v", number, total, maps)
		}
		for n, count := range inside {
			if count > 1 || outside[n] != 1 {
				t.Errorf("%d: %v", number, maps)
			}
		}
	}
}

// asUser runs a command as an ordinary user.
func asUser(id uint32, argv ...string) (string, error) {
	command := exec.Command(argv[0], argv[1:]...)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
	output, err := command.CombinedOutput()
	return string(output), err
}

func TestInTheViewRootAndTheUserHaveChangedPlaces(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can mount")
	}
	// The thread keeps its mounts to itself, and ends with this test.
	runtime.LockOSThread()
	if err := errors.Join(unix.Unshare(unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")); err != nil {
		t.Skipf("no mounts of our own: %v", err)
	}
	dir, err := os.MkdirTemp("/var/tmp", "view")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	work, home := filepath.Join(dir, "work"), filepath.Join(dir, "home")
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(work, 0o700), os.Mkdir(home, 0o755), unix.Mount("view", work, "tmpfs", 0, "mode=700")); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(work, unix.MNT_DETACH)
	if err := errors.Join(os.WriteFile(work+"/roots", nil, 0o600), os.WriteFile(work+"/users", nil, 0o600), os.Chown(work+"/users", 1000, 1000)); err != nil {
		t.Fatal(err)
	}
	if err := mountView(work, home, Owner{1000, 1000}); errors.Is(err, unix.EINVAL) {
		t.Skipf("this kernel cannot show a tmpfs with other owners: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(home, unix.MNT_DETACH)
	script := `cd "$1" && touch made && stat -c '%n %U %u:%g' . made roots users && test -w roots && ! test -r users`
	output, err := asUser(1000, "sh", "-c", script, "sh", home)
	lines := strings.Fields(output)
	if err != nil || len(lines) != 12 || lines[2] != "1000:1000" || lines[5] != "1000:1000" || lines[8] != "1000:1000" || lines[11] != "0:0" {
		t.Errorf("as the user: %q, %v", output, err)
	}
	var info unix.Stat_t
	if err := unix.Stat(work+"/made", &info); err != nil || info.Uid != 0 || info.Gid != 0 {
		t.Errorf("on the disk, what the user made belongs to %d:%d, %v", info.Uid, info.Gid, err)
	}
	if err := os.WriteFile(home+"/by-root", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Stat(home+"/by-root", &info); err != nil || info.Uid != 0 {
		t.Errorf("what root made in the view belongs to %d, %v", info.Uid, err)
	}
	var flags unix.Statfs_t
	if err := unix.Statfs(work, &flags); err != nil || flags.Flags&unix.ST_NOSUID == 0 {
		t.Errorf("root's view lets programs set the user: %x, %v", flags.Flags, err)
	}
	var children unix.WaitStatus
	if pid, err := unix.Wait4(-1, &children, unix.WNOHANG, nil); pid > 0 || !errors.Is(err, unix.ECHILD) {
		t.Errorf("a process is left: %d, %v", pid, err)
	}
}

func TestFillOnceCopiesWithOwnersChangedAndOnlyOnce(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files away")
	}
	home, work := t.TempDir(), t.TempDir()
	if err := errors.Join(
		os.WriteFile(home+"/.profile", []byte("image"), 0o644), os.Chown(home+"/.profile", 1000, 1000),
		os.WriteFile(work+"/.profile", []byte("root"), 0o644),
		os.Mkdir(home+"/repo", 0o755), os.Mkdir(work+"/repo", 0o755), os.WriteFile(work+"/repo/kept", nil, 0o644),
	); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := fillOnce(home, work, Owner{1000, 1000}); err != nil {
			if errors.Is(err, unix.ENOTSUP) {
				t.Skip("no trusted attributes here")
			}
			t.Fatal(err)
		}
		var info unix.Stat_t
		content, err := os.ReadFile(work + "/.profile")
		if err := errors.Join(err, unix.Stat(work+"/.profile", &info)); err != nil || string(content) != "image" || info.Uid != 0 {
			t.Errorf("got %q of %d, %v", content, info.Uid, err)
		}
		if _, err := os.Stat(work + "/repo/kept"); err != nil {
			t.Error(err)
		}
		if err := os.WriteFile(home+"/.profile", []byte("changed"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
