"""Runs the server's command line until standard input ends: the server never outlives whoever started it."""

import os
import sys
import threading


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_end_with_input, daemon=True).start()
    from label_studio.server import main

    sys.argv[0] = "label-studio"
    main()
