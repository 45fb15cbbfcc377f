package idl

import "strings"

// maxSuggestLen bounds the names that are compared: the distance takes time in the product of the lengths, and nobody
// mistypes a name of a hundred letters by one.
const maxSuggestLen = 64

// Suggest returns the candidate that name was most likely meant to be, or "" if none is near. Near means at most one
// edit per three letters, an edit being a letter added, dropped, changed, or swapped with its neighbour; case alone
// counts as nearer than any edit. Among equally near candidates the first wins.
func Suggest(name string, candidates []string) string {
	if name == "" || len(name) > maxSuggestLen {
		return ""
	}
	best, bestCost := "", 2*max(1, (len(name)+1)/3)+2 // costs count an edit as 2, and a difference in case as 1
	lower := strings.ToLower(name)
	for _, c := range candidates {
		if c == name || len(c) > maxSuggestLen || 2*abs(len(c)-len(name)) >= bestCost {
			continue
		}
		edits := distance(lower, strings.ToLower(c))
		cost := 2 * edits
		if distance(name, c) > edits {
			cost++
		}
		if cost < bestCost && cost < 2*len(c) {
			best, bestCost = c, cost
		}
	}
	return best
}

// distance is the optimal string alignment distance of two short strings, in bytes.
func distance(a, b string) int {
	var rows [3][maxSuggestLen + 1]int // the row before the last, the last, and the one being filled
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
