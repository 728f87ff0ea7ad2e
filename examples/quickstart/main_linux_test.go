package main

// The example is run, with the interface's name as Linux has it.
func Example() {
	main()
	// Output:
	// the root says: welcome, anna
	// the group hears: hello, everybody
}
