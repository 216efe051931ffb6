package cli

import (
	"strings"
)

// Nearest gives the name that word was probably meant to be, or "": one that
// word begins or that is begun by it, or the closest within a third of word's length.
func Nearest(word string, names []string) string {
	best, bestDistance := "", max(2, (len(word)+2)/3)+1
	for _, name := range names {
		d := distance(word, name)
		if len(word) >= 3 && (strings.HasPrefix(name, word) || strings.HasPrefix(word, name)) {
			d = min(d, 1)
		}
		if d < bestDistance {
			best, bestDistance = name, d
		}
	}
	return best
}

// distance counts the letters to insert, delete, change or swap with their
// neighbour to turn a into b (optimal string alignment).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
