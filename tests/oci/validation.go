package oci

// A validation is one of the programs in github.com/opencontainers/runtime-tools/validation.
type validation struct {
	name    string
	leftOut string            // why it is not run
	silent  bool              // it prints nothing if all is well, and an error if not
	known   map[string]string // tests that cannot pass, and why
}

const (
	needsCgroups = "sets limits of cgroup v1 hierarchies, for which one must be root of the host"
	needsMknod   = "makes device nodes, for which one must be root of the host"
	needsMount   = "wants a mount namespace that is shared with others; pivot_root would take their root away"
	stalePoint   = "its own expectation is wrong: "
)

var validations = []validation{
	{name: "config_updates_without_affect"},
	{name: "create"},
	{name: "default"},
	{name: "delete"},
	{name: "delete_only_create_resources", leftOut: needsCgroups},
	{name: "delete_resources", leftOut: needsCgroups},
	{name: "hooks", leftOut: stalePoint + "it waits for lines that its hooks do not write"},
	{name: "hooks_stdin", known: map[string]string{
		`the state of the container MUST be passed to "prestart" hook over stdin`: stalePoint + "the status is creating by now (runtime.md, lifecycle)",
	}},
	{name: "hostname"},
	{name: "kill"},
	{name: "kill_no_effect"},
	{name: "killsig"},
	{name: "linux_cgroups_blkio", leftOut: needsCgroups},
	{name: "linux_cgroups_cpus", leftOut: needsCgroups},
	{name: "linux_cgroups_devices", leftOut: needsCgroups},
	{name: "linux_cgroups_hugetlb", leftOut: needsCgroups},
	{name: "linux_cgroups_memory", leftOut: needsCgroups},
	{name: "linux_cgroups_network", leftOut: needsCgroups},
	{name: "linux_cgroups_pids", leftOut: needsCgroups},
	{name: "linux_cgroups_relative_blkio", leftOut: needsCgroups},
	{name: "linux_cgroups_relative_cpus", leftOut: needsCgroups},
	{name: "linux_cgroups_relative_devices", leftOut: needsCgroups},
	{name: "linux_cgroups_relative_hugetlb", leftOut: needsCgroups},
	{name: "linux_cgroups_relative_memory", leftOut: needsCgroups},
	{name: "linux_cgroups_relative_network", leftOut: needsCgroups},
	{name: "linux_cgroups_relative_pids", leftOut: needsCgroups},
	{name: "linux_devices", leftOut: needsMknod},
	{name: "linux_masked_paths", leftOut: needsMknod},
	{name: "linux_mount_label", leftOut: "needs SELinux, whose labels only root may set"},
	{name: "linux_ns_itype", leftOut: needsMount},
	{name: "linux_ns_nopath"},
	{name: "linux_ns_path", known: map[string]string{"set mnt namespace by path": needsMount}},
	{name: "linux_ns_path_type"},
	{name: "linux_process_apparmor_profile", leftOut: "loads a profile into AppArmor, for which one must be root of the host"},
	{name: "linux_readonly_paths", leftOut: needsMknod},
	{name: "linux_rootfs_propagation"},
	{name: "linux_seccomp"},
	{name: "linux_sysctl"},
	{name: "linux_uid_mappings"},
	{name: "misc_props", known: map[string]string{
		"implementations that are reading/processing this configuration file MUST NOT generate an error if they encounter an unknown annotation key": stalePoint +
			"the program that it starts is not in its bundle",
	}},
	{name: "mounts", leftOut: "changes access times of a bind mount of the host's /etc, which a user namespace may not (mount_namespaces(7))"},
	{name: "pidfile", leftOut: stalePoint + "it kills a process that has ended"},
	{name: "poststart", silent: true},
	{name: "poststart_fail", leftOut: stalePoint + "since 1.2 of the specification a hook that fails stops the container"},
	{name: "poststop", silent: true},
	{name: "poststop_fail", silent: true},
	{name: "prestart", leftOut: stalePoint + "these hooks are a part of create, not of start (config.md, prestart)"},
	{name: "prestart_fail", silent: true},
	{name: "process"},
	{name: "process_capabilities"},
	{name: "process_capabilities_fail", silent: true},
	{name: "process_oom_score_adj"},
	{name: "process_rlimits", known: map[string]string{
		"has expected soft RLIMIT_NOFILE": stalePoint + "the Go program that looks has raised the limit for itself",
	}},
	{name: "process_rlimits_fail", silent: true},
	{name: "process_user"},
	{name: "root_readonly_true"},
	{name: "start", known: map[string]string{
		"exit status 1": stalePoint + "it wants a container without a process to be startable, which is refused when it is created",
	}},
	{name: "state"},
}
