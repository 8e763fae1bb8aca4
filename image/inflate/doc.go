// Package inflate decompresses the gzip files that layers of images arrive as. Pulling an image is mostly that, so it is
// made for speed on large files, at the price of some memory: 370 KiB for each Reader.
//
// # Words
//
//   - A member is a header, deflate data (RFC 1951) and a trailer: checksum and length. A gzip file (RFC 1952) is members one
//     after the other, and contains what they contain together.
//   - Deflate data is blocks. A block is stored as it is, or made of the symbols of two prefix codes, which are fixed or come
//     with the block (dynamic): one code has literals, lengths and the end of the block, the other one distances.
//   - A match is a length and a distance: so many bytes once more, from so far back.
//   - The window is where decoded bytes are until they are handed out, and the last 32 KiB also after that, for matches.
//   - An entry is what a decoding table has for the next bits of the file: what to do, and how many bits that takes. One
//     entry may stand for up to three literals.
//
// # One use
//
//	d := inflate.NewReader(body)
//	defer d.Close()              // gives the buffers back
//	_, err := io.Copy(file, d)   // uses WriteTo: pieces of the window go to file without another copy
//	if errors.Is(err, inflate.ErrChecksum) …
//
// A Reader goes from step to step: header, block, symbols, trailer and so on. Each takes what it needs from the input, and
// the steps pause when the window is full. Then checksum and length go on over the fresh bytes, they are handed out, and the
// last 32 KiB move to the window's beginning.
//
// Symbols are decoded by fast, which does not look whether the input ends or the window is full before it has come round: it
// stops where there might be too little of either. Behind the window's end is space for what one turn can write. The last
// bytes of the file are left to careful.
//
// # What is accepted
//
// What compress/gzip accepts, and besides: zeros after the last member, as gzip does and tapes need it, and names and comments
// in headers of more than 512 bytes. Anything else behind the last member is an error (gzip warns), as is a file without a
// member.
//
// # Not promised
//
// Bytes are tentative until the end of the file has been seen, as the checksum comes last. Nothing is handed out as early as
// it could be: a Reader goes on until its window is full or its source has ended. Whoever wants to stop a Reader makes its
// source return an error.
package inflate
