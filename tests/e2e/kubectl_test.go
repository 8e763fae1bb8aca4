package e2e

import (
	"encoding/json"
	"os/exec"
	"strconv"
	"strings"
)

// hasKubectl tells whether there is a kubectl whose exec and port-forward are WebSockets: 1.31 or newer.
func hasKubectl() bool {
	var answer struct {
		ClientVersion struct{ Major, Minor string }
	}
	out, err := exec.Command("kubectl", "version", "--client", "--output=json").Output()
	if err != nil || json.Unmarshal(out, &answer) != nil {
		return false
	}
	minor, err := strconv.Atoi(strings.TrimRight(answer.ClientVersion.Minor, "+"))
	return err == nil && answer.ClientVersion.Major == "1" && minor >= 31
}
