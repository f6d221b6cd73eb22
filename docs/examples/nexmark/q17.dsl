Feature: Nexmark 17: auction statistics
  How many bids does an auction have each day, and at what prices?

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: Statistics of an auction
    They change with every bid: the result is a changelog with one row for each auction and day.

    @step(name=Statistics)
      @do   aggregate total_bids = count(*),
              rank1_bids = count(*) filter (where price < 10000),
              rank2_bids = count(*) filter (where price >= 10000 and price < 1000000),
              rank3_bids = count(*) filter (where price >= 1000000),
              min_price = min(price),
              max_price = max(price),
              avg_price = avg(price),
              sum_price = sum(price)
              by auction, cast(date_time as date) as day
              keep for ever
    @sink(type=file, path="out/q17.jsonl")

    Examples: two bids
      Given bids
        | auction | bidder | price   | date_time            |
        | 1007    | 1001   | 100     | 2026-01-01T00:00:01Z |
        | 1007    | 1001   | 2000000 | 2026-01-01T08:15:02Z |
      Then Statistics is
        | auction | day        | total_bids | rank1_bids | rank2_bids | rank3_bids | min_price | max_price | avg_price | sum_price |
        | 1007    | 2026-01-01 | 2          | 1          | 0          | 1          | 100       | 2000000   | 1000050   | 2000100   |
