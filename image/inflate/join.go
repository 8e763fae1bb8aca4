package inflate

// literal is one whose code leaves room for another one in a table's index.
type literal struct{ code, bits, value uint32 }

// joinLiterals makes entries of a just built table of lengths and literals stand for two or three literals, where their
// codes fit into one index. That is what makes text and sparse data fast: the time goes into waiting for one table entry
// after the other.
func (c *prefixCode) joinLiterals() {
	var room [1 << litlenBits]literal
	short := c.shortLiterals(room[:0])
	for _, first := range short {
		for _, second := range short {
			two := first.then(second, 8)
			if two.bits > litlenBits {
				break
			}
			c.put(two, 2)
			for _, third := range short {
				three := two.then(third, 16)
				if three.bits > litlenBits {
					break
				}
				c.put(three, 3)
			}
		}
	}
}

// shortLiterals appends the literals that can be followed by another one within an index to list, shortest code first.
func (c *prefixCode) shortLiterals(list []literal) []literal {
	i := 0
	for n := uint32(1); n < litlenBits; n++ {
		if len(list) > 0 && list[0].bits+n > litlenBits {
			break
		}
		for range c.count[n] {
			if sym := c.sorted[i]; sym < endOfBlock {
				list = append(list, literal{uint32(c.codes[i]), n, uint32(sym)})
			}
			i++
		}
	}
	return list
}

// then joins a literal, whose value goes to bit at, to those before it.
func (l literal) then(next literal, at uint) literal {
	return literal{l.code | next.code<<l.bits, l.bits + next.bits, l.value | next.value<<at}
}

// put writes an entry wherever the index begins with its codes.
func (c *prefixCode) put(l literal, count uint32) {
	e := l.value<<8 | count<<6 | l.bits
	for i := l.code; i < 1<<litlenBits; i += 1 << l.bits {
		c.table[i] = e
	}
}
