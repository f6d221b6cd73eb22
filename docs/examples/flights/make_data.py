"""Makes data/ from the npm package vega-datasets (BSD-3-Clause; flights: US Bureau of Transportation Statistics, public domain).

Usage: npm pack vega-datasets@3.2.1 && tar xzf vega-datasets-3.2.1.tgz && python3 make_data.py package/data
Needs pyarrow. The result is the same bytes each time.
"""

import datetime
import gzip
import json
import pathlib
import shutil
import sys

import pyarrow.parquet

LAST_DAY = datetime.datetime(2001, 1, 7)

package = pathlib.Path(sys.argv[1])
here = pathlib.Path(__file__).parent / "data"
shutil.copy(package / "airports.csv", here / "airports.csv")
with open(here / "flights.jsonl.gz", "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as out:
    flights = pyarrow.parquet.ParquetFile(package / "flights-3m.parquet")
    for batch in flights.iter_batches():
        rows = [row for row in batch.to_pylist() if row["date"] < LAST_DAY + datetime.timedelta(days=1)]
        for row in rows:
            row["date"] = row["date"].isoformat(timespec="seconds") + "Z"
            out.write((json.dumps(row, separators=(",", ":")) + "\n").encode())
        if len(rows) < batch.num_rows:
            break
