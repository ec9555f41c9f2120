"""How bytes move and rest: messages, mailboxes, drivers, uplinks, the spool. Imports nothing else of the house."""
