"""Found before the real pip where homework is graded: says at once that nothing can be installed, and goes on.

Without a network the real one tries for 20 seconds, then fails. ``pip``, ``python -m pip`` and ``%pip`` all end up here.
"""

import sys


def main(args=None):
    print("pip: nothing was installed: homework is graded without a network, with the course's packages.")
    return 0


__path__ = []
for name in ("_internal", "_internal.cli", "_internal.cli.main"):  # what the command "pip" imports
    sys.modules[f"pip.{name}"] = sys.modules[__name__]

if __name__ == "__main__":
    sys.exit(main())
