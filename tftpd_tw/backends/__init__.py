"""Where content comes from and goes to: each backend provides :class:`~tftpd_tw.interfaces.IBackend`.

* :mod:`~tftpd_tw.backends.directory` — the files beneath one directory, and nothing else; made of
  :mod:`~tftpd_tw.backends.confined` (opening), :mod:`~tftpd_tw.backends.held` (for threads),
  :mod:`~tftpd_tw.backends.reading`,
  :mod:`~tftpd_tw.backends.shared_files` (open once for many readers), :mod:`~tftpd_tw.backends.uploading` and
  :mod:`~tftpd_tw.backends.staging` (files that nobody sees yet)
* :mod:`~tftpd_tw.backends.memory` — a dictionary, for examples and tests
* :mod:`~tftpd_tw.backends.caseless`, :mod:`~tftpd_tw.backends.searching` and
  :mod:`~tftpd_tw.backends.rewritten` — before others: any spelling of a name, several folders, rewrite rules; put
  together by :mod:`~tftpd_tw.backends.assembling`

:mod:`~tftpd_tw.backends.names` turns the name in a request into the components of a path, for every backend.
None of them knows UDP.
"""
