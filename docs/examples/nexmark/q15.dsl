Feature: Nexmark 15: bidding statistics
  How many bidders and auctions does a day have, for cheap, middling and dear bids?

  Background:
    @source(name=bids, type=nexmark, kind=bid, events=${env.EVENTS:100000}, event_rate=${env.EVENT_RATE:10000})

  Scenario: Statistics of a day
    They grow with every bid: the result is a changelog with one row for each day.

    @step(name=Statistics)
      @do   aggregate total_bids = count(*),
              rank1_bids = count(*) filter (where price < 10000),
              rank2_bids = count(*) filter (where price >= 10000 and price < 1000000),
              rank3_bids = count(*) filter (where price >= 1000000),
              total_bidders = count(distinct bidder),
              rank1_bidders = count(distinct bidder) filter (where price < 10000),
              rank2_bidders = count(distinct bidder) filter (where price >= 10000 and price < 1000000),
              rank3_bidders = count(distinct bidder) filter (where price >= 1000000),
              total_auctions = count(distinct auction),
              rank1_auctions = count(distinct auction) filter (where price < 10000),
              rank2_auctions = count(distinct auction) filter (where price >= 10000 and price < 1000000),
              rank3_auctions = count(distinct auction) filter (where price >= 1000000)
              by cast(date_time as date) as day
              keep for ever
    @sink(type=file, path="out/q15.jsonl")

    Examples: the same bidder twice
      Given bids
        | auction | bidder | price   | date_time            |
        | 1007    | 1001   | 100     | 2026-01-01T00:00:01Z |
        | 1008    | 1001   | 2000000 | 2026-01-01T00:00:02Z |
      Then Statistics is
        | day        | total_bids | rank1_bids | rank2_bids | rank3_bids | total_bidders | rank1_bidders | rank2_bidders | rank3_bidders | total_auctions |
        | 2026-01-01 | 2          | 1          | 0          | 1          | 1             | 1             | 0             | 1             | 2              |
