"""A command whose life is tied to the process that asked for it: `python -m supervisors.demo.tied PARENT COMMAND ...`.

The kernel keeps a parent-death signal across exec (prctl(2), PR_SET_PDEATHSIG), so it is asked for here and holds for
programs that know nothing of it.
"""

import os
import sys

from supervisors.lifeline import die_with

if __name__ == "__main__":
    die_with(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
