"""The command `hopyard`. Every mistake of the user is one line on standard error and exit code 2, never a traceback."""

import os
import sys
from types import TracebackType

import typer
from typer.exceptions import TyperException

from pipelines.cli_read import query, show, verify, why
from pipelines.cli_run import publish, run, scenes
from pipelines.errors import ConservationError, UserError

USER_ERROR = 2
BUG = 70
"""EX_SOFTWARE: a fault of ours. 1 stays for a run with failed records and for a dataset that does not verify."""
INTERRUPTED = 130

app = typer.Typer(
    name="hopyard",
    help="Images in, multi-hop visual questions with proved answers out.\n\nStart with `hopyard run`: it renders "
    "scenes, asks questions about them and publishes the certified ones. Then `hopyard show DIR` to look at one.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (run, scenes, verify, query, why, show, publish):
    app.command()(command)


def main() -> None:
    """Runs the command line and exits with its code."""
    sys.excepthook = _report
    try:
        # Not app(...): that would put another excepthook in place of ours.
        code = typer.main.get_command(app)(sys.argv[1:] or ["--help"], standalone_mode=False)
    except UserError as error:
        _fail(str(error), USER_ERROR)
    except TyperException as error:
        _fail(f"{error.format_message()} (--help shows the options)", error.exit_code)
    except ConservationError as error:
        _fail(f"records were lost or invented, which is a bug: {error}", BUG)
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    if code == INTERRUPTED:  # also what the command line makes of Ctrl-C
        sys.stderr.write("hopyard: stopped; what was finished is kept, the same command goes on from there\n")
        sys.stderr.flush()
        os._exit(INTERRUPTED)  # threads and worker processes that are still at work have nothing left to save
    sys.exit(code if isinstance(code, int) else 0)


def _fail(text: str, code: int) -> None:
    print(f"hopyard: {' '.join(text.split())}", file=sys.stderr)  # noqa: T201 - the one message of a failed command
    sys.exit(code)


def _report(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Reports an exception that nobody expected in one line; `HOPYARD_DEBUG=1` shows the traceback."""
    if os.environ.get("HOPYARD_DEBUG"):
        sys.__excepthook__(kind, error, traceback)
    else:
        text = " ".join(f"{kind.__name__}: {error}".split())
        sys.stderr.write(f"hopyard: unexpected {text} (HOPYARD_DEBUG=1 shows where)\n")
