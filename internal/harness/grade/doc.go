// Package grade gives the verdict on a model-written Python program in a way
// that the program can't fake.
//
// # The scheme
//
// An answer's process never holds a check or an expected value. Calls go in as
// data, answers come out as data, and the dataset's own, unmodified test runs
// on that data somewhere else:
//
//  1. Plan, once a task: the grader runs the test with its asserts neutralised
//     against stand-ins and notes the calls it makes (py/replay.py).
//  2. Run: one Exec in a clean sandbox. A small driver loads the answer as a
//     module, makes the planned calls and writes what came back
//     (py/boot.py, py/driver.py).
//  3. Check: the grader replays the test on the recorded answers, in a fork of
//     a warm process. A call that is not in the plan makes the plan longer and
//     starts another round in a fresh sandbox, [MaxRounds] at most.
//
// The codec between the two (py/codec.py) knows plain values. An object of the
// answer's own stays where it is: the grader sees an opaque handle that
// compares by identity, and whose attributes, items and calls are further
// calls. No operator of the answer's ever runs in the grader, and nothing that
// the driver could be made to say is worth forging: the boundary it writes
// behind only separates answers from prints.
//
// Tests that can't be said in calls and data (one that subclasses the answer's
// class, or hands it a function) are judged in process: a token is handed over
// and written after the last check, and a pass must not repeat when the last
// check is turned round. Whether a task is one of them follows from its test
// alone, never from an answer. Such a pass is weaker: a program that reads its
// own frames can find the token and tell the two runs apart. Its proof is
// [ProofInProcess].
//
// # Messages
//
// The candidate is "python3 -c <boot.py>" with everything on stdin, which is
// empty by the time the answer is loaded. The payload, where a field is four
// bytes of length (most significant first) and as many bytes:
//
//	field   sys.version of the interpreter that compiled the driver
//	field   the driver compiled
//	field   the driver's source, for any other interpreter
//	16      the boundary, random
//	field   "calls" or "token"
//	field   the program
//	field   the plan: fields, each one encoded call (or token and test)
//
// Its reply is in chunks on stdout, among whatever the program prints:
// boundary, two bytes of length, the bytes; see py/driver.py for what they
// join to. The grader's own messages are in py/grader.py.
package grade
