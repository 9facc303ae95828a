"""The process that `benchmarks.publishing` looks at: publishes a dataset and prints its peak in bytes, and its rows."""

import json
import sys
from pathlib import Path

from benchmarks.memory_child import peak_bytes
from pipelines.publish import publish_dataset
from stages.publish import Layout, PublishConfig


def main() -> None:
    """Publishes what the command line names."""
    root, out, layout = sys.argv[1:4]
    report = publish_dataset(Path(root), Path(out), PublishConfig(layout=Layout(layout)))
    print(json.dumps([peak_bytes(), sum(report.rows.values())]))


if __name__ == "__main__":
    main()
