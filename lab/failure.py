# SPDX-License-Identifier: GPL-2.0
"""LabFailure: trouble of the lab itself, never of COMMAND. One line; main() prints it and exits 125."""


class LabFailure(Exception):
    pass
