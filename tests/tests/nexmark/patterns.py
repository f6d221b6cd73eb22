"""The answers to the four pattern queries of Nexmark, by plain loops over the bids of each auction and bidder.

Each loop says for itself what its query asks for: there is no general matcher here that could be wrong in the same way for all.
"""

import collections
import datetime

DATASET = "busy"

CHEAP = 10_000
DROP = 50
WITHIN = datetime.timedelta(seconds=5)


def groups(bids):
    """The bids of each auction and bidder, in the order of their times."""
    found = collections.defaultdict(list)
    for bid in bids:
        found[bid["auction"], bid["bidder"]].append(bid)
    return found.items()


def falling_prices(bids):
    """START_ROW PRICE_DOWN+ PRICE_UP: bids that fall, then one above the last but one of these. The next match may start at that one.

    Taking fewer of the falling bids never helps: the next one would have to rise, and it falls.
    """
    for (auction, bidder), rows in groups(bids):
        start = 0
        while start < len(rows):
            bottom = start
            while bottom + 1 < len(rows) and rows[bottom + 1]["price"] < rows[bottom]["price"]:
                bottom += 1
            up = bottom + 1
            # LAST(PRICE_DOWN.price, 1) is null where only one bid has fallen.
            if bottom - start >= 2 and up < len(rows) and rows[up]["price"] > rows[bottom - 1]["price"]:
                yield {
                    "auction": auction,
                    "bidder": bidder,
                    "start_time": rows[start]["date_time"],
                    "bottom_time": rows[bottom]["date_time"],
                    "end_time": rows[up]["date_time"],
                }
                start = up
            else:
                start += 1


def cheap_run(rows, start):
    """A+ B from that row: where B stands, and the sum of the prices of A; None where there is no match.

    A goes on as long as its average stays cheap; B is whatever comes then. Where nothing comes, the last A must be B.
    """
    total, at = 0, start
    while at < len(rows) and total + rows[at]["price"] < CHEAP * (at - start + 1):
        total += rows[at]["price"]
        at += 1
    if at == len(rows):
        at -= 1
        total -= rows[at]["price"]
    return (at, total) if at > start else None


def cheap_periods(overlapping):
    def matches(bids):
        for (auction, bidder), rows in groups(bids):
            start = 0
            while start < len(rows):
                found = cheap_run(rows, start)
                if found is None:
                    start += 1
                    continue
                end, total = found
                yield {
                    "auction": auction,
                    "bidder": bidder,
                    "start_time": rows[start]["date_time"],
                    "end_time": rows[end - 1]["date_time"],
                    "avg_price": total / (end - start),
                }
                start = start + 1 if overlapping else end + 1

    return matches


def sudden_drops(bids):
    """A B* C within five seconds: bids that stay above the first one less 50, then one below it. Matches do not overlap."""
    for (auction, bidder), rows in groups(bids):
        start = 0
        while start < len(rows):
            first = rows[start]
            end = start + 1
            while end < len(rows) and rows[end]["price"] > first["price"] - DROP:
                end += 1
            found = end < len(rows) and rows[end]["price"] < first["price"] - DROP
            if found and rows[end]["date_time"] - first["date_time"] <= WITHIN:
                drop = first["price"] - rows[end]["price"]
                yield {"auction": auction, "bidder": bidder, "drop_time": rows[end]["date_time"], "drop_diff": drop}
                start = end + 1
            else:
                start += 1


QUERIES = {
    "pattern-0": falling_prices,
    "pattern-1": cheap_periods(overlapping=False),
    "pattern-2": cheap_periods(overlapping=True),
    "pattern-3": sudden_drops,
}
