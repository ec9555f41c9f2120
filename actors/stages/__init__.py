"""What an aggregator does with readings: stages, then windows of statistics or a deadband. Decides only, no I/O.

    Batch, Gap ──> Aggregation.fold ──by source──> Pipeline (steps/: scale, filter, derive ...)
                        │                             ├──> Source    sums up scans in windows of event time
                        │                             └──> Deadband  lets pass what changed
                        └──> Batch, Gap in order; dump() is the open state, appended with them and the input's cursor

- The same items folded in the same order give the same outputs, whether or not a `dump` and `load` lies between.
- A window of a source closes once: by a later sample of that source, or by the wall clock when it has gone silent.
- A sample that cannot be taken any more is in a Gap with the reason "late".
- Integers stay integers where a stage or a statistic is not a float by its nature (a mean, a scale).
- Memory is bounded: by the tags of a source, and by lateness / window + 1 open windows.
"""
