"""Run the suite against a server.

    python -m tests.conformance [--tls] [--path /] [--timeout SECONDS] HOST:PORT [CASE …]

The server must answer GET on `--path` with a few bytes of content, and take POST with a body. Prints a line a case; the
exit status is 0 if all passed. CASE chooses cases by the beginning of their number.
"""

import argparse
import sys

from tests.conformance import run


def main() -> int:
    """Parse the command line, run, and sum up."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__.splitlines()[0])
    parser.add_argument("--tls", action="store_true", help="TLS with ALPN; otherwise prior knowledge")
    parser.add_argument("--path", default="/")
    parser.add_argument("--timeout", type=float, default=2.0, help="seconds to wait for a frame")
    parser.add_argument("--quiet", action="store_true", help="only failures and the sum")
    parser.add_argument("address", metavar="HOST:PORT")
    parser.add_argument("cases", nargs="*", metavar="CASE")
    options = parser.parse_args()
    host, _, port = options.address.rpartition(":")
    failed = passed = 0
    for found in run.chosen(options.cases):
        reason = run.run_case(found, (host, int(port)), tls=options.tls, path=options.path, timeout=options.timeout)
        if reason is None:
            passed += 1
        else:
            failed += 1
        if reason is not None or not options.quiet:
            outcome = "pass" if reason is None else "FAIL"
            print(f"{outcome}  {found.number:15} {found.title}{f': {reason}' if reason else ''}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
