"""The command `hopyard`. Every mistake of the user is one line on standard error and exit code 2, never a traceback."""

import os
import sys
from types import TracebackType

import typer
from typer.exceptions import TyperException

from pipelines.cli_annotate import app as annotate
from pipelines.cli_operate import doctor, runs, schedule
from pipelines.cli_read import query, show, verify, why
from pipelines.cli_report import catalog, report
from pipelines.cli_run import publish, run, scenes
from pipelines.cli_spend import forecast, spend
from pipelines.errors import ConservationError, UserError
from pipelines.visible import visible

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
_COMMANDS = (
    run, scenes, verify, query, why, show, report, catalog, publish, schedule, runs, doctor, forecast, spend,
)  # fmt: skip
for command in _COMMANDS:
    app.command()(command)
app.add_typer(annotate)


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    sys.excepthook = _report
    _end(run_command(sys.argv[1:]))


def run_command(arguments: list[str]) -> int:
    """Returns the exit code of a command line, whose mistakes are told in one line."""
    try:
        # Not app(...): that would put another excepthook in place of ours.
        code = typer.main.get_command(app)(arguments or ["--help"], standalone_mode=False)
    except UserError as error:
        return _fail(str(error), USER_ERROR)
    except TyperException as error:
        return _fail(f"{error.format_message()} (--help shows the options)", error.exit_code)
    except ConservationError as error:
        return _fail(f"records were lost or invented, which is a bug: {error}", BUG)
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except BrokenPipeError:  # whoever read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if code == INTERRUPTED:  # also what the command line makes of Ctrl-C
        return _fail("stopped; what was finished is kept, the same command goes on from there", INTERRUPTED)
    return code if isinstance(code, int) else 0


def _fail(text: str, code: int) -> int:
    sys.stderr.write(f"hopyard: {visible(' '.join(text.split()))}\n")
    return code


def _report(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Reports an exception that nobody expected in one line; `HOPYARD_DEBUG=1` shows the traceback."""
    if os.environ.get("HOPYARD_DEBUG"):
        sys.__excepthook__(kind, error, traceback)
    else:
        text = " ".join(f"{kind.__name__}: {error}".split())
        sys.stderr.write(f"hopyard: unexpected {visible(text)} (HOPYARD_DEBUG=1 shows where)\n")
    _end(1)


def _end(code: int) -> None:
    """Ends the process at once: nothing is left to save, and what libraries say at their end helps nobody."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
