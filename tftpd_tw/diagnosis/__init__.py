"""What a person would look at on a machine whose transfers are slow or fail, looked at.

A *case* is a machine, the settings and the daemon that runs, if one does. *Checks* are functions from a case to
*findings*, in the table of :mod:`~tftpd_tw.diagnosis.examining`: each has a state, a figure, the reason, and the
commands or settings that mend it. All that is read of the machine goes through one value,
:class:`~tftpd_tw.diagnosis.machine.Machine`; nothing is changed but the file that remembers the last look.
"""
