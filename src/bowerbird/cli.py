"""The command line: one short file per command in bowerbird/commands, wired together here."""

from __future__ import annotations

import errno
import sys

import typer

from bowerbird.commands import add, ask, benchmarks, demo, doctor, export, files, mcp, papers, reembed, search, serve

app = typer.Typer(
    name="bowerbird",
    help="Put text, pictures, PDF pages, tables, sound and film into one library, and find them with any mix of words, "
    "pictures and sound.",
    epilog="Exit codes: 0 fine, 1 some files failed or nothing was found, 2 wrong use, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

app.command(epilog=add.EXAMPLES)(add.add)
app.command(epilog=search.EXAMPLES)(search.search)
app.command(epilog=ask.EXAMPLES)(ask.ask)
app.command("list", epilog=files.LIST_EXAMPLES)(files.list_)
app.command(epilog=files.SHOW_EXAMPLES)(files.show)
app.command(epilog=files.REMOVE_EXAMPLES)(files.remove)
app.command(epilog=doctor.STATS_EXAMPLES)(doctor.stats)
app.command(epilog=doctor.DOCTOR_EXAMPLES)(doctor.doctor)
app.command(epilog=reembed.EXAMPLES)(reembed.reembed)
app.command(epilog=export.EXAMPLES)(export.export)
app.command(epilog=benchmarks.EXAMPLES)(benchmarks.benchmarks)
app.command(epilog=demo.EXAMPLES)(demo.demo)
app.command(epilog=papers.PAPERS_EXAMPLES)(papers.papers)
app.command(epilog=papers.REPRODUCE_EXAMPLES)(papers.reproduce)
app.command(epilog=serve.EXAMPLES)(serve.serve)
app.command(epilog=mcp.EXAMPLES)(mcp.mcp)


@app.command()
def version() -> None:
    """Print the version."""
    from bowerbird import __version__

    typer.echo(__version__)


def main() -> None:
    """Run a command; errors are one line, a closed pipe is quiet."""
    from bowerbird.errors import BowerbirdError

    try:
        app()
    except BowerbirdError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        line = _explained(error)
        if not line:
            raise
        typer.echo(f"error: {line}", err=True)
        sys.exit(2)


def _explained(error: Exception) -> str:
    """What went wrong with a file, where, and what to do; empty for what is no such error."""
    if any(kind.__module__.partition(".")[0] == "pyarrow" for kind in type(error).__mro__):
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        if "No space left" in str(error):
            return f"the disk is full ({said}); make room and run this again"
        return f"the library's table cannot be read ({said}); run 'bowerbird doctor --verify --repair'"
    if not isinstance(error, OSError):
        return ""
    what = error.strerror or str(error)
    where = f"{error.filename}: " if error.filename else ""
    todo = "make room and run this again" if error.errno == errno.ENOSPC else "check the path and its permissions"
    return f"{where}{what}; {todo}"


if __name__ == "__main__":
    main()
