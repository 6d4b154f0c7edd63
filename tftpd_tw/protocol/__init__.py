"""The TFTP protocol without any I/O: bytes and times go in, bytes and deadlines come out.

Nothing here knows a socket, a reactor, a clock or a thread, so every rule can be tested with literal
values, and a server and a client can be run against each other in memory.
"""
