"""Who may do what, how much of it, and on which terms.

Pure decisions: no socket, no file, no reactor, no clock. What is asked is the address of a client, a name and the
time; the shell asks, and does what it is told.
"""
