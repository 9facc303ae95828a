"""The process that `benchmarks.memory` looks at: produces, then publishes, and prints its peaks as JSON."""

import json
import resource
import sys
import time
from pathlib import Path

from pipelines.config import parse_config
from pipelines.options import RunOptions
from pipelines.produce import produce_plain
from pipelines.publish import publish_dataset

SECTIONS = {"synthesize": {"per_image": 2, "oversample": 1.0}, "route": {"per_image": 2, "min_support": 1}}


def main() -> None:
    """Produces and publishes the source that the command line names."""
    images, annotations, out = (Path(argument) for argument in sys.argv[1:4])
    imported = peak_bytes()
    options = RunOptions(out=out, config=parse_config(SECTIONS, "memory"), source=images, annotations=annotations)
    produce_plain(options)
    seconds = time.process_time()
    produced = peak_bytes()
    publish_dataset(out)
    peaks = {"after the imports": imported, "produce": produced, "produce, publish": peak_bytes(), "seconds": seconds}
    print(json.dumps(peaks))


def peak_bytes() -> float:
    """Returns the most memory this program has had resident at a time.

    The kernel's own mark where it can be read: `getrusage` also counts the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024.0
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


if __name__ == "__main__":
    main()
