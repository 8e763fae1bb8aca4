// What starting a container takes at least: it joins a Pod's namespaces, makes those of a container, makes the mounts of config.json
// as node writes it, pivots and executes /probe. No capability, limit or filter is set, nothing is checked.
//
// usage: floor PIDFD ROOTFS SHM HOSTS HOSTNAME RESOLV.CONF
//
// Before all else it writes the time as /probe does. What fails ends it with the line's number.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MUST(call) do { if ((call) < 0) { perror(#call); _exit(__LINE__ & 0x7f); } } while (0)

static const char *root;

static const char *in(const char *path) {
    static char buffer[4][4096];
    static int next;
    char *b = buffer[next++ % 4];
    snprintf(b, sizeof buffer[0], "%s%s", root, path);
    return b;
}

static void touch(const char *path) {
    int fd;
    MUST(fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666));
    close(fd);
}

static void bind_file(const char *source, const char *path) {
    touch(in(path));
    MUST(mount(source, in(path), NULL, MS_BIND | MS_REC, NULL));
}

static void mounts(char **files) {
    const unsigned long strict = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    MUST(mount(root, root, NULL, MS_BIND | MS_REC, NULL));
    mkdir(in("/proc"), 0755), mkdir(in("/dev"), 0755), mkdir(in("/sys"), 0755);
    MUST(mount("proc", in("/proc"), "proc", strict, NULL));
    MUST(mount("tmpfs", in("/dev"), "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"));
    mkdir(in("/dev/pts"), 0755), mkdir(in("/dev/shm"), 0755), mkdir(in("/dev/mqueue"), 0755);
    MUST(mount("devpts", in("/dev/pts"), "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"));
    MUST(mount("mqueue", in("/dev/mqueue"), "mqueue", strict, NULL));
    MUST(mount("sysfs", in("/sys"), "sysfs", strict | MS_RDONLY, NULL));
    MUST(mount(files[0], in("/dev/shm"), NULL, MS_BIND | MS_REC, NULL));
    bind_file(files[1], "/etc/hosts"), bind_file(files[2], "/etc/hostname"), bind_file(files[3], "/etc/resolv.conf");
    const char *devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"};
    for (unsigned i = 0; i < sizeof devices / sizeof *devices; i++)
        bind_file(devices[i], devices[i]);
    const char *links[][2] = {{"/proc/self/fd", "/dev/fd"}, {"/proc/self/fd/0", "/dev/stdin"}, {"/proc/self/fd/1", "/dev/stdout"},
        {"/proc/self/fd/2", "/dev/stderr"}, {"pts/ptmx", "/dev/ptmx"}, {"/proc/kcore", "/dev/core"}};
    for (unsigned i = 0; i < sizeof links / sizeof *links; i++)
        MUST(symlink(links[i][0], in(links[i][1])));
}

static void hide(void) {
    const char *folders[] = {"/proc/acpi", "/proc/asound", "/proc/scsi", "/sys/devices/virtual/powercap", "/sys/firmware"};
    for (unsigned i = 0; i < sizeof folders / sizeof *folders; i++)
        mount("tmpfs", in(folders[i]), "tmpfs", MS_RDONLY, NULL);
    const char *files[] = {"/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/timer_list", "/proc/timer_stats"};
    for (unsigned i = 0; i < sizeof files / sizeof *files; i++)
        mount("/dev/null", in(files[i]), NULL, MS_BIND, NULL);
    const char *readonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
    for (unsigned i = 0; i < sizeof readonly / sizeof *readonly; i++)
        if (mount(in(readonly[i]), in(readonly[i]), NULL, MS_BIND | MS_REC, NULL) == 0)
            MUST(mount(NULL, in(readonly[i]), NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
}

int main(int argc, char **argv) {
    struct timespec now;
    if (argc != 7)
        return 2;
    clock_gettime(CLOCK_MONOTONIC, &now);
    MUST(write(1, &now, sizeof now));
    root = argv[2];
    MUST(setns(atoi(argv[1]), CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS));
    long child = syscall(SYS_clone, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWCGROUP | SIGCHLD, NULL, NULL, NULL, NULL);
    MUST(child);
    if (child > 0) {
        int status;
        MUST(waitpid(child, &status, 0));
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    }
    setsid();
    mounts(argv + 3);
    hide();
    MUST(chdir(root));
    MUST(syscall(SYS_pivot_root, ".", "."));
    MUST(umount2(".", MNT_DETACH));
    MUST(chdir("/"));
    char *arguments[] = {"/probe", NULL}, *environment[] = {NULL};
    MUST(execve("/probe", arguments, environment));
}
