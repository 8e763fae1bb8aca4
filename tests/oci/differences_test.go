package oci

import "regexp"

// missing is the value of a field that a runtime does not show.
const missing = "(none)"

// A difference is meant to be: fields in which a runtime of ours, or both, is not like crun.
type difference struct {
	runtime  string // oci, node; both if empty
	field    string // regular expression for the whole field
	crun, we string // regular expressions for the values; anything if empty
	why      string
}

// crunVersion is what the table was written for. With another one, a difference that does not show is only mentioned.
const crunVersion = "1.8.1"

var differences = []difference{
	{
		field: "mount /dev/(full|null|random|tty|urandom|zero) options", crun: "rw,nosuid,noexec,relatime", we: "rw,relatime",
		why: "a character device can neither be executed nor be set-user-id, and it would take six system calls more",
	},
	{
		field: "mount /dev/mqueue options", crun: "rw,relatime", we: "rw,nosuid,nodev,noexec,relatime",
		why: "crun drops the options that the specification asks for",
	},
	{
		runtime: "oci", field: "mount /dev/mqueue source", crun: "none", we: "mqueue",
		why: "crun drops the source that the specification gives",
	},
	{
		field: "mount /(proc|sys)/[^ ]+ options", crun: "ro,relatime", we: "ro,nosuid,nodev,noexec,relatime",
		why: "a read-only path keeps the options of the mount that it is in, and what hides a folder is as strict",
	},
	{
		field: "mount /proc/[^ ]+ options", crun: "ro,relatime", we: "rw,relatime",
		why: "what hides a file is /dev/null itself, where a write goes nowhere; a call more for each would change nothing",
	},
	{
		field: "mount /(proc|sys)/[^ ]+ (source|super)", crun: "tmpfs|rw,size=0k,.*", we: "none|rw,uid=.*",
		why: "what hides a folder is read-only, so it needs no limit of size; its name is nobody's concern",
	},
	{
		runtime: "node", field: "mount [^ ]+ source", crun: "tmpfs|proc|sysfs|devpts", we: "none",
		why: "a name means nothing to these file systems, and giving it would be a call more for each",
	},
}

// excuse finds the difference in the table, or -1.
func excuse(runtime, field, crun, we string) int {
	for i, d := range differences {
		if (d.runtime == "" || d.runtime == runtime) && matches(d.field, field) && (d.crun == "" || matches(d.crun, crun)) && (d.we == "" || matches(d.we, we)) {
			return i
		}
	}
	return -1
}

func matches(pattern, text string) bool {
	return regexp.MustCompile(`^(?:` + pattern + `)$`).MatchString(text)
}
