package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// size prints bytes for people: 1.5 MB.
func size[T ~int | ~int64 | ~uint64 | ~float64](n T) string {
	f := float64(n)
	for _, unit := range []string{"B", "kB", "MB", "GB", "TB"} {
		if f < 1000 || unit == "TB" {
			if unit == "B" {
				return fmt.Sprintf("%.0f B", f)
			}
			return fmt.Sprintf("%.1f %s", f, unit)
		}
		f /= 1000
	}
	return ""
}

// parseRate reads "20MB", "100Mbit/s", "1.5 MiB/s" or plain bytes a second.
func parseRate(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	n, ok := parseAmount(strings.TrimSuffix(strings.TrimSuffix(strings.TrimSpace(s), "/s"), "ps"))
	if !ok {
		return 0, usage("--rate %q is no rate; write it as 20MB/s, 100Mbit/s or plain bytes a second", s)
	}
	return n, nil
}

// parseAmount reads "20MB", "100Mbit", "1.5 MiB" or plain bytes; at least one.
func parseAmount(s string) (n int64, ok bool) {
	text := strings.TrimSpace(s)
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
	factor, ok := units[strings.TrimSpace(text[len(digits):])]
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil || !ok || math.IsNaN(f) || f*factor < 1 || f*factor > math.MaxInt64/2 {
		return 0, false
	}
	return int64(f * factor), true
}

// units of an amount, in bytes. A small b or "bit" is bits.
var units = map[string]float64{
	"": 1, "B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9,
	"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9,
	"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
	"b": 1. / 8, "kb": 125, "Mb": 125e3, "Gb": 125e6,
	"bit": 1. / 8, "kbit": 125, "Mbit": 125e3, "Gbit": 125e6,
}
