package state

import "path/filepath"

const journalName = "log.journal" // Run/containers/<id>: how far the log is; lives as long as the FIFOs

// ContainerJournal is where the log's writer notes how far it is.
func (p Paths) ContainerJournal(id string) string {
	return filepath.Join(p.ContainerRun(id), journalName)
}
