// Program probe prints, as JSON, what a process sees of the container that it is in: see package oci of the tests. It runs as the only
// program of an image, so it needs no other file. With the
// argument stay it waits for SIGTERM instead.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "stay" {
		wait := make(chan os.Signal, 1)
		signal.Notify(wait, syscall.SIGTERM)
		<-wait
		return
	}
	view := map[string]string{}
	put := func(group, name, value string) { view[group+" "+name] = value }
	mounts(put)
	colons("/proc/self/status", "status", put)
	limits(put)
	devices(put)
	for _, e := range os.Environ() {
		name, value, _ := strings.Cut(e, "=")
		put("env", name, value)
	}
	cwd, _ := os.Getwd()
	put("process", "cwd", cwd)
	put("process", "args", strings.Join(os.Args, " "))
	put("process", "oom_score_adj", text("/proc/self/oom_score_adj"))
	put("process", "session", strconv.FormatBool(sid() == os.Getpid()))
	host, _ := os.Hostname()
	put("process", "hostname", host)
	put("process", "cgroup", text("/proc/self/cgroup"))
	links("/proc/self/ns", "namespace", put)
	descriptors(put)
	for _, name := range []string{"net/core/somaxconn", "net/ipv4/ping_group_range", "kernel/shmmax", "net/ipv4/ip_unprivileged_port_start"} {
		put("sysctl", name, text("/proc/sys/"+name))
	}
	places(put)
	if err := json.NewEncoder(os.Stdout).Encode(view); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func text(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(b))
}

// mounts prints /proc/self/mountinfo (proc(5)) by mount point, in the order of mounting where there are several.
func mounts(put func(group, name, value string)) {
	seen := map[string]int{}
	for line := range strings.Lines(text("/proc/self/mountinfo")) {
		own, fs, ok := strings.Cut(strings.TrimSpace(line), " - ")
		fields, kind := strings.Fields(own), strings.Fields(fs)
		if !ok || len(fields) < 6 || len(kind) < 3 {
			put("mount", "unreadable", line)
			continue
		}
		at := fields[4]
		if seen[at]++; seen[at] > 1 {
			at += fmt.Sprintf("#%d", seen[at])
		}
		put("mount", at+" type", kind[0])
		put("mount", at+" source", kind[1])
		put("mount", at+" root", fields[3])
		put("mount", at+" options", fields[5])
		put("mount", at+" super", kind[2])
		propagation := "private"
		if len(fields) > 6 {
			propagation, _, _ = strings.Cut(fields[6], ":")
		}
		put("mount", at+" propagation", propagation)
	}
}

// colons prints a file of lines "name: value".
func colons(path, group string, put func(group, name, value string)) {
	f, err := os.Open(path)
	if err != nil {
		put(group, "error", err.Error())
		return
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		name, value, _ := strings.Cut(s.Text(), ":")
		put(group, name, strings.Join(strings.Fields(value), " "))
	}
}

func limits(put func(group, name, value string)) {
	for line := range strings.Lines(text("/proc/self/limits")) {
		const nameWidth = 26 // proc(5)
		if len(line) > nameWidth && !strings.HasPrefix(line, "Limit ") {
			put("limit", strings.TrimSpace(line[:nameWidth]), strings.Join(strings.Fields(line[nameWidth:]), " "))
		}
	}
}

// devices prints what is in /dev, with folders' contents.
func devices(put func(group, name, value string)) {
	_ = filepath.WalkDir("/dev", func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			put("dev", path, err.Error())
			return nil
		}
		put("dev", path, describe(path))
		return nil
	})
}

// describe prints type, mode, owner and device number of a file, or where a link leads.
func describe(path string) string {
	var s syscall.Stat_t
	if err := syscall.Lstat(path, &s); err != nil {
		return err.Error()
	}
	if target, err := os.Readlink(path); err == nil {
		return "-> " + target
	}
	kinds := map[uint32]string{syscall.S_IFCHR: "c", syscall.S_IFBLK: "b", syscall.S_IFDIR: "d", syscall.S_IFREG: "-", syscall.S_IFIFO: "p", syscall.S_IFSOCK: "s"}
	out := fmt.Sprintf("%s %#o %d:%d", kinds[s.Mode&syscall.S_IFMT], s.Mode&0o7777, s.Uid, s.Gid)
	if s.Mode&syscall.S_IFMT == syscall.S_IFCHR || s.Mode&syscall.S_IFMT == syscall.S_IFBLK {
		out += fmt.Sprintf(" %d,%d", s.Rdev>>8&0xfff, s.Rdev&0xff|s.Rdev>>12&0xfff00)
	}
	return out
}

func links(dir, group string, put func(group, name, value string)) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		put(group, "error", err.Error())
	}
	for _, e := range entries {
		target, _ := os.Readlink(filepath.Join(dir, e.Name()))
		put(group, e.Name(), target)
	}
}

// descriptors prints which are open, by type; the one that reads the folder, and the runtime's own, are known by their links.
func descriptors(put func(group, name, value string)) {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		n, _ := strconv.Atoi(e.Name())
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil || strings.HasPrefix(target, "anon_inode:[event") || strings.HasPrefix(target, "/proc/") {
			continue
		}
		var s syscall.Stat_t
		if err := syscall.Fstat(n, &s); err != nil {
			put("fd", e.Name(), err.Error())
			continue
		}
		put("fd", e.Name(), fmt.Sprintf("%#o", s.Mode&syscall.S_IFMT))
	}
}

// places prints files that a runtime may make or hide.
func places(put func(group, name, value string)) {
	for _, path := range []string{
		"/", "/etc", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/tmp", "/work", "/work/dir", "/data", "/data/file", "/scratch",
		"/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/acpi", "/proc/scsi", "/sys/firmware", "/proc/sys", "/sys/fs/cgroup",
	} {
		put("place", path, describe(path))
	}
	put("place", "/proc/kcore read", first("/proc/kcore"))
	put("place", "/proc/sys write", write("/proc/sys/net/core/somaxconn", text("/proc/sys/net/core/somaxconn")))
	put("place", "/ write", write("/written", ""))
	put("place", "/scratch write", write("/scratch/written", ""))
	put("place", "/data write", write("/data/written", ""))
}

func first(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	n, err := f.Read(make([]byte, 1))
	return fmt.Sprint(n, " ", err)
}

func write(path, content string) string {
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		return err.Error()
	}
	return "ok"
}

func sid() int {
	id, _, _ := syscall.RawSyscall(syscall.SYS_GETSID, 0, 0, 0)
	return int(id)
}
