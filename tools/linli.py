# -*- coding: utf-8 -*- # noqa: UP009 -- for the old Python that is to be told so
"""The first thing that runs, on whatever Python there is: finds one that is new enough and goes on with it.

Only this file must be readable by an old Python.
"""

import os
import subprocess
import sys

OLDEST = (3, 11)
NAMES = ("python3", "python3.14", "python3.13", "python3.12", "python3.11")
TOO_OLD = (
    "需要 Python 3.11 或更高版本,这里是 {0} | Linli needs Python 3.11 or newer, this is {0}: "
    "install one, or say make PYTHON=/path/to/python3 ..."
)
WRONG_MACHINE = "目前只支持 Linux x86-64,这里是 {0} | Linli runs on Linux x86-64 for now, this is {0}"


def refuse(text):
    data = (text + "\n").encode("utf-8")
    getattr(sys.stderr, "buffer", sys.stderr).write(data)
    sys.exit(2)


def newer_python():
    probe = "import sys; sys.exit(sys.version_info < (3, 11))"
    for name in NAMES:
        try:
            with open(os.devnull, "w") as nowhere:
                if subprocess.call([name, "-c", probe], stdout=nowhere, stderr=nowhere) == 0:  # noqa: S603
                    return name
        except OSError:
            continue
    return None


def main():
    if sys.version_info < OLDEST:
        name = newer_python()
        if name is None:
            refuse(TOO_OLD.format(".".join(str(part) for part in sys.version_info[:3])))
        os.execvp(name, [name] + sys.argv)  # noqa: S606, RUF005 -- old Pythons read this file
    machine = os.uname()
    if (machine[0], machine[4]) != ("Linux", "x86_64") or sys.maxsize < 2**32:
        refuse(WRONG_MACHINE.format(machine[0] + " " + machine[4]))
    import verbs

    sys.exit(verbs.main(sys.argv[1:]))


if __name__ == "__main__":
    main()
