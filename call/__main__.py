"""`visavis` and `python -m call`: loads the command line, which takes a moment in which Ctrl-C may come already."""

import sys

INTERRUPTED = 130  # as shells have it


def main() -> None:
    """Run the command that was typed, as `call.cli` says."""
    try:
        from call import cli

        cli.main()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
