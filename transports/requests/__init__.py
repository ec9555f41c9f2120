"""Requests from above: their words, how they are sealed, and which have been seen; all of it pure.

    bytes ──envelope.py──> Opened ──> request.py: a Request of which every word has been looked at
                             │ signing.py: Ed25519 over the exact text, for one gateway and one uplink
                             └ nonces.py: never twice, whatever the clock says
    answers.py ──> bytes     the one answer to each

Strangers write these. What is not exactly of the form is Unreadable with a reason, and nothing else happens: no text
of a stranger becomes a name of a file, a pattern, or a number that does not fit.
"""
