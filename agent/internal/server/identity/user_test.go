package identity

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// guestFiles returns a System with these files.
func guestFiles(t *testing.T, files map[string]string) System {
	t.Helper()
	s := Pretend(t.TempDir())
	if err := errors.Join(os.MkdirAll(s.Root+"/etc/sudoers.d", 0o755), os.MkdirAll(s.Root+"/etc/ssh/sshd_config.d", 0o755)); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(s.Root+name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestAUserIsMadeOnceWithNumbersThatAreFree(t *testing.T) {
	s := guestFiles(t, map[string]string{
		"/etc/passwd": "root:x:0:0:root:/root:/bin/bash\nnode:x:1000:1000::/home/node:/bin/sh",
		"/etc/group":  "root:x:0:\nnode:x:1000:\nstaff:x:1001:\ndocker:x:112:node\n",
		"/etc/shadow": "root:*:1::::::\n",
		"/etc/subuid": "node:100000:65536\n",
	})
	want := map[string]string{
		"/etc/passwd":                "root:x:0:0:root:/root:/bin/bash\nnode:x:1000:1000::/home/node:/bin/sh\ndev:x:1001:1002::/home/dev:/bin/sh\n",
		"/etc/group":                 "root:x:0:\nnode:x:1000:\nstaff:x:1001:\ndocker:x:112:node,dev\ndev:x:1002:\n",
		"/etc/shadow":                "root:*:1::::::\ndev:*:19000:0:99999:7:::\n",
		"/etc/subuid":                "node:100000:65536\ndev:165536:65536\n",
		"/etc/sudoers.d/banger-user": "dev ALL=(ALL:ALL) NOPASSWD: ALL\n",
		"/kernel/home":               "/home/dev 1001:1002 true",
		"/etc/ssh/sshd_config.d/98-banger-user.conf": "Match User dev\nAuthorizedKeysFile /home/dev/.ssh/authorized_keys\nSetEnv PATH=/home/dev/.local/share/mise/shims:/home/dev/.local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nMatch all\n",
	}
	for range 2 {
		if _, err := s.Apply(Personalisation{User: &User{Name: "dev", FillHome: true}}, time.Now()); err != nil {
			t.Fatal(err)
		}
		for name, content := range want {
			if got := read(t, s.Root+name); got != content {
				t.Errorf("%s: got %q, want %q", name, got, content)
			}
		}
	}
	if _, err := os.Stat(s.Root + "/etc/gshadow"); err == nil {
		t.Error("a file that the image lacks was made")
	}
}

func TestAUserOfTheImageIsUsed(t *testing.T) {
	s := guestFiles(t, map[string]string{
		"/etc/passwd": "root:x:0:0:root:/root:/bin/bash\nnode:x:1000:1000::/home/node:/bin/sh\ntoor:x:0:0::/home/toor:/bin/sh\npostgres:x:105:110::/var/lib/postgresql:/bin/sh\n",
	})
	before := read(t, s.Root+"/etc/passwd")
	if _, err := s.Apply(Personalisation{User: &User{Name: "node"}}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s.Root+"/kernel/home"); got != "/home/node 1000:1000 false" {
		t.Errorf("got %q", got)
	}
	for _, name := range []string{"toor", "postgres"} {
		step := new(StepError)
		if _, err := s.Apply(Personalisation{User: &User{Name: name}}, time.Now()); !errors.As(err, &step) || step.Step != "user" || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if got := read(t, s.Root+"/etc/passwd"); got != before {
		t.Errorf("got %q", got)
	}
}

func TestAnImageWithoutUsersGetsOne(t *testing.T) {
	s := Pretend(t.TempDir())
	if err := os.Mkdir(s.Root+"/etc", 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(Personalisation{User: &User{Name: "dev"}}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s.Root+"/etc/passwd") + read(t, s.Root+"/etc/group"); got != "dev:x:1000:1000::/home/dev:/bin/sh\ndev:x:1000:\n" {
		t.Errorf("got %q", got)
	}
}

func TestReadRefusesNamesThatAreNotForAUser(t *testing.T) {
	for _, name := range []string{"", "root", "..", "a/b", "1000", "a b", "Dev", "-dev", "dev\\nroot:x:0:0", "dev:x", strings.Repeat("a", 33), "dév", "a.b"} {
		if _, err := Read(strings.NewReader(`{"user":{"name":"` + name + `"}}` + "\n")); err == nil {
			t.Errorf("accepted %q", name)
		}
	}
	for _, name := range []string{"dev", "_a-1", strings.Repeat("a", 32)} {
		if _, err := Read(strings.NewReader(`{"user":{"name":"` + name + `"}}` + "\n")); err != nil {
			t.Errorf("refused %q: %v", name, err)
		}
	}
}
