# SPDX-License-Identifier: Apache-2.0
"""The distributed stack on one machine: with Docker Compose where an engine answers, else as local processes."""


class StackError(Exception):
    """Something the reader can mend; its text is a sentence for them."""
