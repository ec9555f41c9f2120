"""What is written down and read again: events, the journal, the audit, logs, crash reports.

events     what can happen, as values            folding    which of them are written, which are counted (pure)
journal    the root's lines                      audit      what operators asked for
logs       what each child printed               crashes    a report a death
rotated    a file of lines that stays bounded    trail, log_lines, event_lines, crash_pages, pouring   reading them
"""
