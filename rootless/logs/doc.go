// Package logs keeps what containers write, in the CRI log format that the kubelet's readers and log shippers know, and
// reads it back.
//
// Words. A *record* is one line of a log file: time, stream, tag, payload.
//
//	2016-10-06T00:17:09.669794202Z stdout F a whole line
//	2016-10-06T00:17:09.669794202Z stderr P a piece of a line, to be continued
//
// A *line* is zero or more P records and an F record of one stream; its newline is not stored. A *batch* is what is
// moved at one go: the records made of the bytes that were waiting.
//
// # Writing
//
// A container's stdout and stderr are FIFOs that it holds open for reading and writing itself. Without a node its output
// waits in the kernel (64 KiB), then it blocks; it never gets SIGPIPE. The node opens the reading ends:
//
//	log, err := logs.Open(path, journal, rotation) // a journal per container, beside the FIFOs
//	err = logs.Copy(ctx, stdout, stderr, log)     // until no process has the FIFOs open
//	err = log.Close()
//
// Copy must not lose a byte although the node may be killed between any two instructions, so bytes leave a FIFO only when
// they are in the log file:
//
//	tee     FIFO → a private pipe   the bytes are seen and stay in the FIFO
//	journal offset, length, count   "this batch goes to the log at offset; it stands for count bytes of the FIFO"
//	write   records → log
//	journal nothing                 "what is in the FIFO now is new, or about to be taken out"
//	splice  count bytes of the FIFO → /dev/null
//
// The next node finds the journal. A batch that is whole in the log is taken out of the FIFO; one that is cut short
// is cut off the log and comes again. Killed between the last two steps, the batch comes again too: lines, or a piece of
// one, may then stand in the log twice. That is the one instant, of a few microseconds, where kill -9 shows. Whether the bytes
// at hand are the old ones or new ones that look the same cannot be told, and repeating is better than losing. Page cache
// outlives a process, so nothing is synced; the FIFO would not outlive the machine either.
//
// There is no other state. A batch ends with its last newline; bytes after it stay in the FIFO for the next look. If then
// there is still no newline, they become P records at once. So a prompt is readable before it is answered, no unfinished
// line lives in the node's memory, and a node that starts has nothing to remember. Lines longer than 16 KiB are cut into P
// records of 16 KiB, as containerd and CRI-O do.
//
// Buffers and the private pipe are borrowed for one batch. An idle container costs two parked goroutines and no buffer; one that
// writes without end is slowed down to the speed of the disk.
//
// When the log cannot be written (disk full), output is dropped and the loss is noted in the node's log: a service should
// not stall because its log does. The order of lines on stdout and stderr to each other is not promised, nor is anything about
// output left in FIFOs that nobody holds open, neither a container nor a node: the kernel drops it.
//
// # Terminals, listeners, rotation
//
// What a terminal shows is moved to the FIFO of stdout within the kernel (Pump), and goes on from there.
//
// A Tap gives what is copied to any number of listeners, who get a bounded part of it each if they are slow.
//
// A log that a batch would make larger than Rotation allows is linked to its name with the time added, and replaced by an empty one
// (rotate.go). That is done between batches, when the journal is empty. All but the newest rotated file are compressed, and the oldest
// deleted.
//
// # Reading
//
// Read gives the bytes that the container wrote since the last rotation, filtered as kubectl logs asks for, and follows a log that
// grows, into its successors. Pieces are passed on when they are there, not when their line is complete.
package logs
