#!/usr/bin/env python3
"""The right answers to the Nexmark queries, computed without Runink.

    oracle.py RUNI [QUERY ...]

`RUNI` is the built command: it only writes down the generated events. DuckDB answers the queries from the SQL below, written after the published
texts; what SQL cannot say (patterns) is answered by plain loops in `patterns.py`. The answers go to `answers/`, one file for each query: how many
rows, a hash that knows no order, and the rows themselves where they are few. `packages: duckdb`.
"""

import datetime
import decimal
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import duckdb

import patterns

HERE = pathlib.Path(__file__).parent

# Two sets of the same events: on a busy day (100 seconds), and over 28 hours.
EVENTS = 100_000
DATASETS = {"busy": 1_000, "days": 1}

# How many rows an answer may have to be written down in full.
SHOWN = 40

BID_TIMES = "b.date_time BETWEEN a.date_time AND a.expires"
RANKS = """count(*) AS total_bids,
    count(*) FILTER (WHERE price < 10000) AS rank1_bids,
    count(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
    count(*) FILTER (WHERE price >= 1000000) AS rank3_bids"""
DISTINCTS = ",\n    ".join(
    f"""count(DISTINCT {column}) AS total_{what},
    count(DISTINCT {column}) FILTER (WHERE price < 10000) AS rank1_{what},
    count(DISTINCT {column}) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_{what},
    count(DISTINCT {column}) FILTER (WHERE price >= 1000000) AS rank3_{what}"""
    for what, column in (("bidders", "bidder"), ("auctions", "auction"))
)
WINNING = f"""SELECT a.id, a.seller, a.category, a.expires, max(b.price) AS final
    FROM auction a JOIN bid b ON a.id = b.auction AND {BID_TIMES} GROUP BY ALL"""
# A window of ten seconds every two seconds: the row belongs to the five that start up to ten seconds before it.
HOPS = """SELECT auction, time_bucket(INTERVAL 2 SECOND, date_time) - to_seconds(2 * n) AS window_start, count(*) AS num
    FROM bid, range(5) r(n) GROUP BY ALL"""

QUERIES = {
    "q0": ("busy", "SELECT auction, bidder, price, date_time, extra FROM bid"),
    "q1": ("busy", "SELECT auction, bidder, 0.908 * price AS price, date_time, extra FROM bid"),
    "q2": ("busy", "SELECT auction, price FROM bid WHERE auction % 123 = 0"),
    "q3": (
        "busy",
        """SELECT p.name, p.city, p.state, a.id FROM auction a JOIN person p ON a.seller = p.id
        WHERE a.category = 10 AND (p.state = 'OR' OR p.state = 'ID' OR p.state = 'CA')""",
    ),
    "q4": ("busy", f"SELECT category, avg(final) AS average FROM ({WINNING}) GROUP BY category"),
    "q5": (
        "busy",
        f"""WITH counts AS ({HOPS}), most AS (SELECT window_start, max(num) AS maxn FROM counts GROUP BY ALL)
        SELECT c.auction, c.num, c.window_start, c.window_start + INTERVAL 10 SECOND AS window_end
        FROM counts c JOIN most m ON c.window_start = m.window_start AND c.num >= m.maxn""",
    ),
    "q6": (
        "busy",
        f"""SELECT seller, avg(final) AS average FROM (
            SELECT *, row_number() OVER (PARTITION BY seller ORDER BY expires DESC, id DESC) AS nth FROM ({WINNING})
        ) WHERE nth <= 10 GROUP BY seller""",
    ),
    "q7": (
        "busy",
        """SELECT b.auction, b.bidder, b.price, b.date_time, b.extra FROM bid b JOIN (
            SELECT max(price) AS maxprice, time_bucket(INTERVAL 10 SECOND, date_time) AS window_start FROM bid GROUP BY ALL
        ) m ON b.price = m.maxprice WHERE b.date_time BETWEEN m.window_start AND m.window_start + INTERVAL 10 SECOND""",
    ),
    "q8": (
        "busy",
        """SELECT p.id, p.name, p.start_time FROM (
            SELECT id, name, time_bucket(INTERVAL 10 SECOND, date_time) AS start_time FROM person GROUP BY ALL
        ) p JOIN (
            SELECT seller, time_bucket(INTERVAL 10 SECOND, date_time) AS start_time FROM auction GROUP BY ALL
        ) a ON p.id = a.seller AND p.start_time = a.start_time""",
    ),
    "q9": (
        "busy",
        f"""SELECT * EXCLUDE nth FROM (
            SELECT a.*, b.auction, b.bidder, b.price, b.date_time AS bid_date_time, b.extra AS bid_extra,
                row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.date_time) AS nth
            FROM auction a JOIN bid b ON a.id = b.auction AND {BID_TIMES}
        ) WHERE nth <= 1""",
    ),
    "q10": (
        "busy",
        """SELECT auction, bidder, price, date_time, extra, strftime(date_time, '%Y-%m-%d') AS dt, strftime(date_time, '%H:%M') AS hm
        FROM bid""",
    ),
    "q11": (
        "busy",
        """SELECT bidder, count(*) AS bid_count, min(date_time) AS start_time, max(date_time) + INTERVAL 10 SECOND AS end_time FROM (
            SELECT *, sum(starts) OVER (PARTITION BY bidder ORDER BY date_time) AS session FROM (
                SELECT *, CASE WHEN date_time - lag(date_time) OVER (PARTITION BY bidder ORDER BY date_time) < INTERVAL 10 SECOND
                    THEN 0 ELSE 1 END AS starts
                FROM bid
            )
        ) GROUP BY bidder, session""",
    ),
    # Which window of the wall clock a bid falls into is not in the data: what can be checked is that each bid is counted once.
    "q12": ("busy", "SELECT bidder, count(*) AS bid_count FROM bid GROUP BY bidder"),
    "q13": (
        "busy",
        "SELECT b.auction, b.bidder, b.price, b.date_time, s.value FROM bid b JOIN side_input s ON b.auction % 10000 = s.key",
    ),
    "q14": (
        "days",
        """SELECT auction, bidder, 0.908 * price AS price,
            CASE WHEN hour(date_time) >= 8 AND hour(date_time) <= 18 THEN 'dayTime'
                WHEN hour(date_time) <= 6 OR hour(date_time) >= 20 THEN 'nightTime'
                ELSE 'otherTime' END AS bid_time_type,
            date_time, extra, length(extra) - length(replace(extra, 'c', '')) AS c_counts
        FROM bid WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000""",
    ),
    "q15": ("days", f"SELECT strftime(date_time, '%Y-%m-%d') AS day, {RANKS}, {DISTINCTS} FROM bid GROUP BY day"),
    "q16": (
        "days",
        f"""SELECT channel, strftime(date_time, '%Y-%m-%d') AS day, max(strftime(date_time, '%H:%M')) AS minute, {RANKS}, {DISTINCTS}
        FROM bid GROUP BY channel, day""",
    ),
    "q17": (
        "days",
        f"""SELECT auction, strftime(date_time, '%Y-%m-%d') AS day, {RANKS},
            min(price) AS min_price, max(price) AS max_price, avg(price) AS avg_price, sum(price) AS sum_price
        FROM bid GROUP BY auction, day""",
    ),
    "q18": (
        "busy",
        """SELECT * EXCLUDE nth FROM (
            SELECT *, row_number() OVER (PARTITION BY bidder, auction ORDER BY date_time DESC) AS nth FROM bid
        ) WHERE nth <= 1""",
    ),
    "q19": (
        "busy",
        """SELECT * FROM (
            SELECT *, row_number() OVER (PARTITION BY auction ORDER BY price DESC, date_time) AS rank_number FROM bid
        ) WHERE rank_number <= 10""",
    ),
    "q20": (
        "busy",
        """SELECT b.auction, b.bidder, b.price, b.channel, b.url, b.date_time AS bid_date_time, b.extra AS bid_extra,
            a.item_name, a.description, a.initial_bid, a.reserve, a.date_time AS auction_date_time, a.expires, a.seller, a.category,
            a.extra AS auction_extra
        FROM bid b JOIN auction a ON b.auction = a.id WHERE a.category = 10""",
    ),
    "q21": (
        "busy",
        """SELECT auction, bidder, price, channel, CASE
            WHEN lower(channel) = 'apple' THEN '0' WHEN lower(channel) = 'google' THEN '1'
            WHEN lower(channel) = 'facebook' THEN '2' WHEN lower(channel) = 'baidu' THEN '3'
            ELSE regexp_extract(url, '(&|^)channel_id=([^&]*)', 2) END AS channel_id
        FROM bid WHERE regexp_matches(url, '(&|^)channel_id=([^&]*)') OR lower(channel) IN ('apple', 'google', 'facebook', 'baidu')""",
    ),
    "q22": (
        "busy",
        """SELECT auction, bidder, price, channel,
            split_part(url, '/', 4) AS dir1, split_part(url, '/', 5) AS dir2, split_part(url, '/', 6) AS dir3
        FROM bid""",
    ),
    "q23": (
        "busy",
        """SELECT b.bidder, b.price, b.channel, b.url, b.extra AS bid_extra, p.id AS person_id, p.name, p.email_address, p.credit_card,
            p.city, p.state, p.extra AS person_extra, a.item_name, a.description, a.initial_bid, a.reserve,
            a.date_time AS auction_date_time, a.expires, a.seller, a.category, a.extra AS auction_extra
        FROM bid b JOIN person p ON p.id = b.bidder JOIN auction a ON a.seller = b.bidder""",
    ),
}


def dump(runi, folder, event_rate):
    """Writes the events of all kinds down."""
    text = ["Feature: Events"]
    for kind in ("person", "auction", "bid"):
        text += [
            f"  Scenario: {kind}",
            f"    @source(name=events, type=nexmark, kind={kind}, events={EVENTS}, event_rate={event_rate})",
            "    @step(name=All)",
            "      @do select *",
            f'    @sink(type=file, path="{kind}.parquet")',
        ]
    scenario = folder / "events.dsl"
    scenario.write_text("\n".join(text) + "\n")
    subprocess.run([runi, "run", scenario], check=True)


def cell(value):
    """One value as the hash sees it: numbers by what they are, moments as in JSON."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case datetime.datetime():
            return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        case datetime.date():
            return value.isoformat()
        case int():
            return str(value)
        case float() | decimal.Decimal():
            number = float(value)
            if number == int(number) and abs(number) < 2**53:
                return str(int(number))
            return struct.pack(">d", number).hex()
        case _:
            return str(value)


def row_hash(row):
    """FNV-1a of the row's columns in the order of their names, mixed once more: hashes of rows are added up."""
    hashed = 0xCBF29CE484222325
    for byte in ";".join(f"{name}={cell(value)}" for name, value in sorted(row.items())).encode():
        hashed = (hashed ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    hashed = (hashed ^ hashed >> 32) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
    return hashed ^ hashed >> 29


def write_down(query, dataset, rows):
    rows = list(rows)
    answer = {
        "events": EVENTS,
        "event_rate": DATASETS[dataset],
        "rows": len(rows),
        "hash": f"{sum(map(row_hash, rows)) % 2**64:016x}",
    }
    if len(rows) <= SHOWN:
        answer["all"] = sorted(";".join(f"{name}={cell(value)}" for name, value in sorted(row.items())) for row in rows)
    (HERE / "answers" / f"{query}.json").write_text(json.dumps(answer, indent=1) + "\n")
    print(query, len(rows), answer["hash"], flush=True)


def named(relation):
    names = [column[0] for column in relation.description]
    while batch := relation.fetchmany(10_000):
        for row in batch:
            yield dict(zip(names, row))


def main(runi, wanted):
    for dataset, rate in DATASETS.items():
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            dump(pathlib.Path(runi).resolve(), folder, rate)
            db = duckdb.connect()
            for kind in ("person", "auction", "bid"):
                db.execute(f"CREATE TABLE {kind} AS FROM '{folder}/{kind}.parquet'")
            side = HERE.parents[2] / "docs/examples/nexmark/data/side_input.csv.gz"
            db.execute(f"CREATE TABLE side_input AS FROM '{side}'")
            for query, (of, sql) in QUERIES.items():
                if of == dataset and (not wanted or query in wanted):
                    write_down(query, of, named(db.execute(sql)))
            if dataset == patterns.DATASET:
                for query, matches in patterns.QUERIES.items():
                    if not wanted or query in wanted:
                        bids = named(db.execute("SELECT auction, bidder, price, date_time FROM bid ORDER BY date_time"))
                        write_down(query, dataset, matches(bids))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
